//! What an admin tells the board of its cluster.
//!
//! It has keys as they are derived for two purposes: to vote, and to take an admin's orders. Neither lets anybody speak as
//! a node, and neither can be read back.

use heapless::{String, Vec};
use ovzha_core::auth::{Domain, Keyring, Method};
use ovzha_core::config::DEADTIME_MAX;
use ovzha_core::id::{BootId, ClusterId, KeyId};
use ovzha_core::time::Span;
use ovzha_core::witness::{Relay, WitnessConfig};
use serde::{Deserialize, Serialize};

use crate::relay::Hold;

/// Bytes of a node's name that are kept, for people to read.
pub const NAME_MAX: usize = 24;
/// Keys of one record: the one that signs, and one more while keys are changed.
pub const KEYS_MAX: usize = 2;
/// Bytes of the longest record.
pub const PROVISION_MAX: usize = 224;
const OFF_MIN: Span = Span::from_secs(1);
const OFF_MAX: Span = Span::from_secs(120);
const KEEPALIVE_MIN: Span = Span::from_millis(50);
const LONGEST_MIN: Span = Span::from_secs(1);

/// What the board may do with the nodes' power.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Hand {
    /// It has no relays.
    None,
    /// It cuts, beside watchdogs in the nodes.
    Beside,
    /// It cuts, in place of them: no vote is lent to a starting node before the other one is seen without power.
    InPlace,
}

/// How a key makes its tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Digest {
    /// HMAC-MD5.
    Md5,
    /// HMAC-SHA-1.
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
}

impl Digest {
    /// Of a method that proves something.
    #[must_use]
    pub const fn of(method: Method) -> Option<Self> {
        match method {
            Method::Crc => None,
            Method::Md5 => Some(Self::Md5),
            Method::Sha1 => Some(Self::Sha1),
            Method::Sha256 => Some(Self::Sha256),
        }
    }

    /// As core knows it.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Md5 => Method::Md5,
            Self::Sha1 => Method::Sha1,
            Self::Sha256 => Method::Sha256,
        }
    }
}

/// One derived key. No `Debug`: what is not printable is not printed by mistake.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its number in `authkeys`.
    pub id: u8,
    /// How it makes its tag.
    pub digest: Digest,
    /// The key.
    pub derived: [u8; 32],
}

/// The record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provision {
    /// The cluster's name on the wire.
    pub cluster: [u8; 2],
    /// The nodes' names, sorted, cut to [`NAME_MAX`] bytes.
    pub nodes: [String<NAME_MAX>; 2],
    /// The keys by which nodes and witness know each other; the first signs.
    pub keys: Vec<Key, KEYS_MAX>,
    /// The key of an admin's orders.
    pub orders: Key,
    /// Interval of the witness's own frames, in milliseconds.
    pub keepalive_ms: u32,
    /// The longest time it lends for, in milliseconds.
    pub longest_ms: u32,
    /// What it may do with the nodes' power.
    pub hand: Hand,
    /// When a cut ends.
    pub hold: Hold,
    /// How long a cut lasts, in milliseconds.
    pub off_ms: u32,
    /// The sense inputs are wired.
    pub sensed: bool,
    /// Drawn by chance: with the boot counter it makes the board's lives, so that a board that was wiped repeats none.
    pub lives: u32,
}

/// Why a record is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Unfit {
    /// The keepalive is under 50 ms.
    Keepalive,
    /// The longest time is under a second, or longer than any deadtime.
    Longest,
    /// A cut lasts under a second or over two minutes.
    OffFor,
    /// No key, a number above 15, or one of them twice.
    Keys,
    /// The relay in place of watchdogs needs its sense inputs.
    Sense,
}

impl Provision {
    /// Whether the board can go by it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Unfit> {
        let longest = self.longest();
        if self.keepalive() < KEEPALIVE_MIN {
            return Err(Unfit::Keepalive);
        }
        if longest < LONGEST_MIN || longest > DEADTIME_MAX {
            return Err(Unfit::Longest);
        }
        if self.hand != Hand::None && (self.off_for() < OFF_MIN || self.off_for() > OFF_MAX) {
            return Err(Unfit::OffFor);
        }
        if self.hand == Hand::InPlace && !self.sensed {
            return Err(Unfit::Sense);
        }
        let orders = core::slice::from_ref(&self.orders);
        if !usable(&self.keys) || !usable(orders) {
            return Err(Unfit::Keys);
        }
        Ok(())
    }

    /// The keys between the nodes and the witness.
    #[must_use]
    pub fn keyring(&self) -> Option<Keyring> {
        ring(Domain::Witness, &self.keys)
    }

    /// The key of an admin's orders.
    #[must_use]
    pub fn orders_ring(&self) -> Option<Keyring> {
        ring(Domain::Board, core::slice::from_ref(&self.orders))
    }

    /// What the witness goes by.
    #[must_use]
    pub const fn witness(&self) -> WitnessConfig {
        WitnessConfig {
            cluster: ClusterId(self.cluster),
            keepalive: self.keepalive(),
            longest: self.longest(),
            relay: match self.hand {
                Hand::None => Relay::None,
                Hand::Beside => Relay::Beside,
                Hand::InPlace => Relay::InPlace,
            },
            off_for: self.off_for(),
        }
    }

    /// How long a cut lasts.
    #[must_use]
    pub const fn off_for(&self) -> Span {
        from_ms(self.off_ms)
    }

    /// The life that begins with this start.
    #[must_use]
    pub const fn life(&self, start: u32) -> BootId {
        BootId(self.lives.wrapping_add(start).to_be_bytes())
    }

    const fn keepalive(&self) -> Span {
        from_ms(self.keepalive_ms)
    }

    const fn longest(&self) -> Span {
        from_ms(self.longest_ms)
    }
}

const fn from_ms(ms: u32) -> Span {
    let [a, b, c, d] = ms.to_le_bytes();
    Span::from_millis(u64::from_le_bytes([a, b, c, d, 0, 0, 0, 0]))
}

/// A keyring that signs with the first of these keys.
fn ring(domain: Domain, keys: &[Key]) -> Option<Keyring> {
    let mut ring = Keyring::new(domain);
    fill(&mut ring, keys)?;
    Some(ring)
}

/// Whether a keyring can be made of them; of which domain does not matter.
#[inline(never)]
fn usable(keys: &[Key]) -> bool {
    fill(&mut Keyring::new(Domain::Board), keys).is_some()
}

fn fill(ring: &mut Keyring, keys: &[Key]) -> Option<()> {
    for key in keys {
        ring.add_derived(KeyId(key.id), key.digest.method(), key.derived).ok()?;
    }
    ring.sign_with(KeyId(keys.first()?.id)).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn provision() -> Provision {
        let key = |id, byte| Key {
            id,
            digest: Digest::Sha256,
            derived: [byte; 32],
        };
        Provision {
            cluster: [1, 2],
            nodes: [
                String::try_from("ovz-node1").unwrap(),
                String::try_from("ovz-node2").unwrap(),
            ],
            keys: Vec::from_iter([key(1, 7), key(2, 8)]),
            orders: key(1, 9),
            keepalive_ms: 1_000,
            longest_ms: 10_000,
            hand: Hand::InPlace,
            hold: Hold::Pulse,
            off_ms: 4_000,
            sensed: true,
            lives: 77,
        }
    }

    #[test]
    fn what_the_board_could_not_go_by_is_refused() {
        assert_eq!(provision().check(), Ok(()));
        let with = |change: fn(&mut Provision)| {
            let mut provision = provision();
            change(&mut provision);
            provision.check()
        };
        assert_eq!(with(|it| it.keepalive_ms = 49), Err(Unfit::Keepalive));
        assert_eq!(with(|it| it.longest_ms = 999), Err(Unfit::Longest));
        assert_eq!(with(|it| it.longest_ms = 240_001), Err(Unfit::Longest));
        assert_eq!(with(|it| it.off_ms = 0), Err(Unfit::OffFor));
        assert_eq!(with(|it| it.sensed = false), Err(Unfit::Sense));
        assert_eq!(with(|it| it.keys.clear()), Err(Unfit::Keys));
        assert_eq!(with(|it| it.keys[1].id = 1), Err(Unfit::Keys));
        assert_eq!(with(|it| it.orders.id = 16), Err(Unfit::Keys));
        let beside = |it: &mut Provision| (it.hand, it.sensed) = (Hand::Beside, false);
        assert_eq!(with(beside), Ok(()), "beside watchdogs a cut need not be confirmed");
    }

    #[test]
    fn the_longest_record_has_room() {
        let mut longest = provision();
        longest.nodes = [(); 2].map(|()| String::from_iter(['n'; NAME_MAX]));
        (longest.keepalive_ms, longest.longest_ms, longest.off_ms) = (u32::MAX, u32::MAX, u32::MAX);
        longest.lives = u32::MAX;
        let mut bytes = [0; PROVISION_MAX];
        let length = postcard::to_slice(&longest, &mut bytes).unwrap().len();
        assert!(length <= PROVISION_MAX, "{length}");
    }
}
