//! Where the board's address comes from: a client of DHCP (RFC 2131), as far as a board needs one.
//!
//! Model: it asks, is offered an address, requests it, has it for a time, and asks again at half of it. Everything goes out as a
//! broadcast, a renewal too, so that one way is enough. What nobody answers is said again, later each time. An address whose
//! time is over is none. How a message is written stands in smoltcp.

use core::net::Ipv4Addr;

use ovzha_core::time::{Instant, Span};
use smoltcp::wire::{DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress};

pub use smoltcp::wire::{DHCP_CLIENT_PORT, DHCP_SERVER_PORT};

/// Bytes of a message that goes out.
pub const ASK_LEN: usize = 272;
/// Bytes of an answer that are looked at: what is behind them is none of the few options that matter.
pub const ANSWER_MAX: usize = 548;

/// Options that are asked for, by their numbers (RFC 2132): mask, router, how long.
const WANTED: [u8; 3] = [1, ROUTER, 51];
const ROUTER: u8 = 3;
const AGAIN_FIRST: Span = Span::from_secs(1);
const AGAIN_MAX: Span = Span::from_secs(32);
/// Requests for one offer before it counts as forgotten.
const REQUESTS: u8 = 4;
/// A lease for ever, and one that would overrun the clock, is taken for a day.
const DAY_S: u32 = 86_400;
const LEAST_S: u32 = 10;

/// An address, and what belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The board's.
    pub address: Ipv4Addr,
    /// Its network's.
    pub mask: Ipv4Addr,
    /// The way out of it; zeros: there is none.
    pub router: Ipv4Addr,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing is known.
    Asks,
    /// An offer is requested, of this server, so many times so far.
    Requests { lease: Lease, server: Ipv4Addr, times: u8 },
    /// It has one.
    Has { lease: Lease, until: Instant },
}

/// The client.
#[derive(Clone, Debug)]
pub struct Dhcp {
    hardware: [u8; 6],
    number: u32,
    state: State,
    next: Instant,
    again: Span,
}

/// An answer, as far as it matters.
#[derive(Clone, Copy)]
struct Answer {
    kind: DhcpMessageType,
    lease: Lease,
    server: Ipv4Addr,
    seconds: u32,
}

impl Dhcp {
    /// A client that asks at once.
    #[must_use]
    pub const fn new(hardware: [u8; 6], number: u32, now: Instant) -> Self {
        Self {
            hardware,
            number,
            state: State::Asks,
            next: now,
            again: AGAIN_FIRST,
        }
    }

    /// The address it has.
    #[must_use]
    pub const fn lease(&self) -> Option<Lease> {
        match self.state {
            State::Has { lease, .. } => Some(lease),
            State::Asks | State::Requests { .. } => None,
        }
    }

    /// What it has to say now, to everybody.
    pub fn next(&mut self, now: Instant) -> Option<[u8; ASK_LEN]> {
        if let State::Has { until, .. } = self.state
            && now >= until
        {
            self.begin(now);
        }
        if now < self.next {
            return None;
        }
        self.next = now.after(self.again);
        self.again = self.again.plus(self.again).min(AGAIN_MAX);
        match &mut self.state {
            State::Asks => {
                self.number = self.number.wrapping_add(1);
                self.message(DhcpMessageType::Discover, Ipv4Addr::UNSPECIFIED, None)
            }
            State::Requests { times, .. } if *times >= REQUESTS => {
                self.begin(now);
                None
            }
            State::Requests { lease, server, times } => {
                *times = times.saturating_add(1);
                let asked = Some((lease.address, *server));
                self.message(DhcpMessageType::Request, Ipv4Addr::UNSPECIFIED, asked)
            }
            State::Has { lease, .. } => {
                let address = lease.address;
                self.message(DhcpMessageType::Request, address, None)
            }
        }
    }

    /// An answer came in. True: the address is another one than before, or none.
    pub fn take(&mut self, now: Instant, bytes: &[u8]) -> bool {
        let Some(answer) = self.read(bytes) else { return false };
        match (self.state, answer.kind) {
            (State::Asks, DhcpMessageType::Offer) => {
                let Answer { lease, server, .. } = answer;
                self.state = State::Requests {
                    lease,
                    server,
                    times: 0,
                };
                (self.next, self.again) = (now, AGAIN_FIRST);
                false
            }
            (State::Requests { server, .. }, DhcpMessageType::Ack) if answer.server == server => {
                self.has(now, &answer);
                true
            }
            (State::Has { lease, .. }, DhcpMessageType::Ack) => {
                self.has(now, &answer);
                lease != answer.lease
            }
            (State::Requests { server, .. }, DhcpMessageType::Nak) if answer.server == server => {
                self.begin(now.after(AGAIN_FIRST));
                false
            }
            (State::Has { .. }, DhcpMessageType::Nak) => {
                self.begin(now.after(AGAIN_FIRST));
                true
            }
            _ => false,
        }
    }

    fn begin(&mut self, at: Instant) {
        (self.state, self.next, self.again) = (State::Asks, at, AGAIN_FIRST);
    }

    fn has(&mut self, now: Instant, answer: &Answer) {
        let seconds = answer.seconds.clamp(LEAST_S, DAY_S);
        let whole = Span::from_secs(u64::from(seconds));
        let half = Span::from_secs(u64::from(seconds.div_ceil(2)));
        let (lease, until) = (answer.lease, now.after(whole));
        (self.state, self.next, self.again) = (State::Has { lease, until }, now.after(half), AGAIN_FIRST);
    }

    fn message(
        &self,
        kind: DhcpMessageType,
        mine: Ipv4Addr,
        asked: Option<(Ipv4Addr, Ipv4Addr)>,
    ) -> Option<[u8; ASK_LEN]> {
        let message = DhcpRepr {
            message_type: kind,
            transaction_id: self.number,
            client_hardware_address: EthernetAddress(self.hardware),
            client_ip: mine,
            // the answer is to be a broadcast, unless the address is there
            broadcast: mine.is_unspecified(),
            requested_ip: asked.map(|(address, _)| address),
            server_identifier: asked.map(|(_, server)| server),
            parameter_request_list: Some(&WANTED),
            secs: 0,
            your_ip: Ipv4Addr::UNSPECIFIED,
            server_ip: Ipv4Addr::UNSPECIFIED,
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            router: None,
            subnet_mask: None,
            client_identifier: None,
            dns_servers: None,
            max_size: None,
            lease_duration: None,
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut out = [0; ASK_LEN];
        message.emit(&mut DhcpPacket::new_unchecked(&mut out)).ok()?;
        Some(out)
    }

    fn read(&self, bytes: &[u8]) -> Option<Answer> {
        let packet = DhcpPacket::new_checked(bytes).ok()?;
        let message = DhcpRepr::parse(&packet).ok()?;
        let mine = (self.number, EthernetAddress(self.hardware));
        if (message.transaction_id, message.client_hardware_address) != mine {
            return None;
        }
        // of several the first: what parsed it takes none then
        let router = packet.options().find(|option| option.kind == ROUTER);
        let router = router.and_then(|option| option.data.first_chunk::<4>().copied());
        Some(Answer {
            kind: message.message_type,
            lease: Lease {
                address: message.your_ip,
                mask: message.subnet_mask.unwrap_or(Ipv4Addr::new(255, 255, 255, 0)),
                router: router.map_or(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from),
            },
            server: message.server_identifier?,
            seconds: message.lease_duration.unwrap_or(DAY_S),
        })
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    const BOARD: [u8; 6] = [2, 1, 2, 3, 4, 5];
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const GIVEN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
    /// Bytes before the options: fields, then a cookie (RFC 2131).
    const FIXED: usize = 236;
    const COOKIE: [u8; 4] = [99, 130, 83, 99];
    /// Kinds of messages, and options (RFC 2132).
    const DISCOVER: u8 = 1;
    const OFFER: u8 = 2;
    const REQUEST: u8 = 3;
    const ACK: u8 = 5;
    const NAK: u8 = 6;
    const REQUESTED: u8 = 50;
    const KIND: u8 = 53;
    const SERVER_ID: u8 = 54;

    fn at(s: u64) -> Instant {
        Instant::from_millis(s * 1000)
    }

    fn client() -> Dhcp {
        Dhcp::new(BOARD, 7, at(0))
    }

    /// The value of an option of a message that went out.
    fn option(ask: &[u8; ASK_LEN], wanted: u8) -> Option<&[u8]> {
        let mut rest = ask[FIXED..].strip_prefix(&COOKIE).expect("the cookie");
        while rest[0] != 255 {
            let (value, behind) = rest[2..].split_at(usize::from(rest[1]));
            if rest[0] == wanted {
                return Some(value);
            }
            rest = behind;
        }
        None
    }

    fn kind(ask: &[u8; ASK_LEN]) -> u8 {
        option(ask, KIND).unwrap()[0]
    }

    /// What a server says to this message.
    fn answer(to: &[u8; ASK_LEN], kind: u8, seconds: u32) -> [u8; 300] {
        let mut out = [0; 300];
        out[..FIXED].copy_from_slice(&to[..FIXED]);
        out[0] = 2;
        out[16..20].copy_from_slice(&GIVEN.octets());
        out[FIXED..FIXED + 4].copy_from_slice(&COOKIE);
        let mut options = [
            53, 1, kind, 0, 1, 4, 255, 255, 0, 0, 3, 8, 10, 0, 0, 254, 10, 0, 0, 253, 54, 4, 10, 0, 0, 1, 51, 4, 0, 0,
            0, 0, 255,
        ];
        options[28..32].copy_from_slice(&seconds.to_be_bytes());
        out[FIXED + 4..FIXED + 4 + options.len()].copy_from_slice(&options);
        out
    }

    /// A client that has its address from second 0 on.
    fn leased(seconds: u32) -> Dhcp {
        let mut client = client();
        let ask = client.next(at(0)).unwrap();
        assert!(!client.take(at(0), &answer(&ask, OFFER, seconds)));
        let ask = client.next(at(0)).expect("it requests what it is offered, at once");
        assert_eq!(kind(&ask), REQUEST);
        assert_eq!(option(&ask, REQUESTED), Some(GIVEN.octets().as_slice()));
        assert_eq!(option(&ask, SERVER_ID), Some(SERVER.octets().as_slice()));
        assert!(client.lease().is_none(), "it has nothing yet");
        assert!(client.take(at(0), &answer(&ask, ACK, seconds)));
        client
    }

    #[test]
    fn it_asks_is_offered_requests_and_has_an_address() {
        let lease = leased(3600).lease().unwrap();
        assert_eq!(lease.address, GIVEN);
        assert_eq!(lease.mask, Ipv4Addr::new(255, 255, 0, 0));
        assert_eq!(lease.router, Ipv4Addr::new(10, 0, 0, 254), "the first of two");
    }

    #[test]
    fn what_nobody_answers_is_said_again_and_less_often() {
        let mut client = client();
        let times: heapless::Vec<u64, 16> = (0..130).filter(|s| client.next(at(*s)).is_some()).collect();
        assert_eq!(times.as_slice(), &[0, 1, 3, 7, 15, 31, 63, 95, 127]);
    }

    #[test]
    fn an_offer_that_is_forgotten_is_not_requested_for_ever() {
        let mut client = client();
        let ask = client.next(at(0)).unwrap();
        client.take(at(0), &answer(&ask, OFFER, 60));
        let kinds: heapless::Vec<u8, 16> = (0..40)
            .filter_map(|s| client.next(at(s)))
            .map(|ask| kind(&ask))
            .collect();
        assert_eq!(kinds[..5], [REQUEST, REQUEST, REQUEST, REQUEST, DISCOVER]);
    }

    #[test]
    fn at_half_of_its_time_it_asks_for_more_and_behind_it_the_address_is_none() {
        let mut client = leased(100);
        assert!(client.next(at(49)).is_none());
        let ask = client.next(at(50)).unwrap();
        assert_eq!((kind(&ask), &ask[12..16]), (REQUEST, GIVEN.octets().as_slice()));
        assert!(!client.take(at(51), &answer(&ask, ACK, 100)), "the same address");
        assert!(client.next(at(100)).is_none());
        assert!(client.lease().is_some());
        for s in 101..=151 {
            client.next(at(s));
        }
        assert!(client.lease().is_none(), "nobody answered");
    }

    #[test]
    fn a_refusal_takes_the_address_away() {
        let mut client = leased(100);
        let ask = client.next(at(50)).unwrap();
        assert!(client.take(at(50), &answer(&ask, NAK, 0)));
        assert!(client.lease().is_none());
        assert!(client.next(at(50)).is_none(), "it waits a moment");
        assert_eq!(kind(&client.next(at(51)).unwrap()), DISCOVER);
    }

    #[test]
    fn what_is_not_an_answer_to_it_changes_nothing() {
        let mut client = client();
        let ask = client.next(at(0)).unwrap();
        let good = answer(&ask, OFFER, 60);
        for (place, value) in [(0, 1), (4, 9), (28, 9), (FIXED, 0)] {
            let mut other = good;
            other[place] = value;
            client.take(at(0), &other);
            assert!(client.next(at(0)).is_none(), "byte {place}");
        }
        // cut before it says which server's it is
        for length in 0..FIXED + 24 {
            client.take(at(0), &good[..length]);
            assert!(client.next(at(0)).is_none(), "{length} bytes");
        }
        client.take(at(0), &answer(&ask, ACK, 60));
        assert!(client.lease().is_none(), "it requested nothing");
    }
}
