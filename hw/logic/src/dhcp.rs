//! Where the board's address comes from: a client of DHCP (RFC 2131), as far as a board needs one.
//!
//! Model: it asks, is offered an address, requests it, has it for a time, and asks again at half of it. Everything goes out as a
//! broadcast, a renewal too, so that one way is enough. What nobody answers is said again, later each time. An address whose
//! time is over is none.

use ovzha_core::time::{Instant, Span};

/// A client's port.
pub const CLIENT_PORT: u16 = 68;
/// A server's.
pub const SERVER_PORT: u16 = 67;
/// Bytes of a message that goes out.
pub const ASK_LEN: usize = 272;
/// Bytes of an answer that are looked at: what is behind them is none of the few options that matter.
pub const ANSWER_MAX: usize = 548;

const FIXED: usize = 236;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;
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
    pub address: [u8; 4],
    /// Its network's.
    pub mask: [u8; 4],
    /// The way out of it; zeros: there is none.
    pub router: [u8; 4],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing is known.
    Asks,
    /// An offer is requested, of this server, so many times so far.
    Requests { lease: Lease, server: [u8; 4], times: u8 },
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
    kind: u8,
    lease: Lease,
    server: [u8; 4],
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
                self.message(DISCOVER, [0; 4], None)
            }
            State::Requests { times, .. } if *times >= REQUESTS => {
                self.begin(now);
                None
            }
            State::Requests { lease, server, times } => {
                *times = times.saturating_add(1);
                let asked = Some((lease.address, *server));
                self.message(REQUEST, [0; 4], asked)
            }
            State::Has { lease, .. } => {
                let address = lease.address;
                self.message(REQUEST, address, None)
            }
        }
    }

    /// An answer came in. True: the address is another one than before, or none.
    pub fn take(&mut self, now: Instant, bytes: &[u8]) -> bool {
        let Some(answer) = self.read(bytes) else { return false };
        match (self.state, answer.kind) {
            (State::Asks, OFFER) => {
                let Answer { lease, server, .. } = answer;
                self.state = State::Requests {
                    lease,
                    server,
                    times: 0,
                };
                (self.next, self.again) = (now, AGAIN_FIRST);
                false
            }
            (State::Requests { server, .. }, ACK) if answer.server == server => {
                self.has(now, &answer);
                true
            }
            (State::Has { lease, .. }, ACK) => {
                self.has(now, &answer);
                lease != answer.lease
            }
            (State::Requests { server, .. }, NAK) if answer.server == server => {
                self.begin(now.after(AGAIN_FIRST));
                false
            }
            (State::Has { .. }, NAK) => {
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

    fn message(&self, kind: u8, mine: [u8; 4], asked: Option<([u8; 4], [u8; 4])>) -> Option<[u8; ASK_LEN]> {
        let mut out = [0; ASK_LEN];
        let (fixed, options) = out.split_first_chunk_mut::<FIXED>()?;
        // a request, Ethernet, six bytes of address
        put(fixed, 0, &[1, 1, 6, 0])?;
        put(fixed, 4, &self.number.to_be_bytes())?;
        // the answer is to be a broadcast, unless the address is there
        put(fixed, 10, &[if mine == [0; 4] { 0x80 } else { 0 }, 0])?;
        put(fixed, 12, &mine)?;
        put(fixed, 28, &self.hardware)?;
        put(options, 0, &COOKIE)?;
        put(options, 4, &[53, 1, kind])?;
        // mask, router, and how long
        put(options, 7, &[55, 3, 1, 3, 51])?;
        let end = if let Some((address, server)) = asked {
            put(options, 12, &[50, 4])?;
            put(options, 14, &address)?;
            put(options, 18, &[54, 4])?;
            put(options, 20, &server)?;
            24
        } else {
            12
        };
        put(options, end, &[255])?;
        Some(out)
    }

    fn read(&self, bytes: &[u8]) -> Option<Answer> {
        let (fixed, options) = bytes.split_first_chunk::<FIXED>()?;
        let mine = get::<4>(fixed, 4)? == self.number.to_be_bytes() && get::<6>(fixed, 28)? == self.hardware;
        if fixed.first() != Some(&2) || !mine {
            return None;
        }
        let mut rest = options.strip_prefix(&COOKIE)?;
        let mut answer = Answer {
            kind: 0,
            lease: Lease {
                address: get(fixed, 16)?,
                mask: [255, 255, 255, 0],
                router: [0; 4],
            },
            server: [0; 4],
            seconds: DAY_S,
        };
        while let Some((option, behind)) = rest.split_first() {
            match option {
                0 => {
                    rest = behind;
                    continue;
                }
                255 => break,
                _ => {}
            }
            let (length, behind) = behind.split_first()?;
            let (value, behind) = behind.split_at_checked(usize::from(*length))?;
            rest = behind;
            match option {
                1 => answer.lease.mask = get(value, 0)?,
                3 => answer.lease.router = get(value, 0)?,
                51 => answer.seconds = u32::from_be_bytes(get(value, 0)?),
                53 => answer.kind = *value.first()?,
                54 => answer.server = get(value, 0)?,
                _ => {}
            }
        }
        Some(answer)
    }
}

fn put(to: &mut [u8], at: usize, bytes: &[u8]) -> Option<()> {
    let end = at.checked_add(bytes.len())?;
    let place = to.get_mut(at..end)?;
    place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    Some(())
}

fn get<const N: usize>(from: &[u8], at: usize) -> Option<[u8; N]> {
    from.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    const BOARD: [u8; 6] = [2, 1, 2, 3, 4, 5];
    const SERVER: [u8; 4] = [10, 0, 0, 1];
    const GIVEN: [u8; 4] = [10, 0, 0, 9];

    fn at(s: u64) -> Instant {
        Instant::from_millis(s * 1000)
    }

    fn client() -> Dhcp {
        Dhcp::new(BOARD, 7, at(0))
    }

    /// What a server says to this message.
    fn answer(to: &[u8; ASK_LEN], kind: u8, seconds: u32) -> [u8; 300] {
        let mut out = [0; 300];
        out[..FIXED].copy_from_slice(&to[..FIXED]);
        out[0] = 2;
        out[16..20].copy_from_slice(&GIVEN);
        out[FIXED..FIXED + 4].copy_from_slice(&COOKIE);
        let mut options = [
            53, 1, kind, 0, 1, 4, 255, 255, 0, 0, 3, 4, 10, 0, 0, 254, 54, 4, 10, 0, 0, 1, 51, 4, 0, 0, 0, 0, 255,
        ];
        options[24..28].copy_from_slice(&seconds.to_be_bytes());
        out[FIXED + 4..FIXED + 4 + options.len()].copy_from_slice(&options);
        out
    }

    /// A client that has its address from second 0 on.
    fn leased(seconds: u32) -> Dhcp {
        let mut client = client();
        let ask = client.next(at(0)).unwrap();
        assert!(!client.take(at(0), &answer(&ask, OFFER, seconds)));
        let ask = client.next(at(0)).expect("it requests what it is offered, at once");
        assert_eq!(ask[FIXED + 6], REQUEST);
        assert_eq!(ask[FIXED + 14..FIXED + 18], GIVEN);
        assert_eq!(ask[FIXED + 20..FIXED + 24], SERVER);
        assert!(client.lease().is_none(), "it has nothing yet");
        assert!(client.take(at(0), &answer(&ask, ACK, seconds)));
        client
    }

    #[test]
    fn it_asks_is_offered_requests_and_has_an_address() {
        let lease = leased(3600).lease().unwrap();
        assert_eq!(lease.address, GIVEN);
        assert_eq!(lease.mask, [255, 255, 0, 0]);
        assert_eq!(lease.router, [10, 0, 0, 254]);
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
            .map(|ask| ask[FIXED + 6])
            .collect();
        assert_eq!(kinds[..5], [REQUEST, REQUEST, REQUEST, REQUEST, DISCOVER]);
    }

    #[test]
    fn at_half_of_its_time_it_asks_for_more_and_behind_it_the_address_is_none() {
        let mut client = leased(100);
        assert!(client.next(at(49)).is_none());
        let ask = client.next(at(50)).unwrap();
        assert_eq!((ask[FIXED + 6], &ask[12..16]), (REQUEST, GIVEN.as_slice()));
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
        assert_eq!(client.next(at(51)).unwrap()[FIXED + 6], DISCOVER);
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
        for length in 0..FIXED + 20 {
            client.take(at(0), &good[..length]);
        }
        // no kind yet where it was cut
        client.take(at(0), &answer(&ask, ACK, 60));
        assert!(client.lease().is_none(), "it requested nothing");
    }
}
