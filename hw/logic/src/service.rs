//! What an admin and the board say to each other, on a line that also carries heartbeats.
//!
//! Model: a frame of its own kind, told from a heartbeat by its first byte: kind, version, a postcard message, a CRC-32. The
//! board answers the line that asked and forwards none of it. A question is free to everybody on the two cables. A record
//! is taken unproved only by a board that has none. Whatever changes a board that has one is an order with a tag of the key for
//! orders over what is wanted, the board's present life, and a number that grows within it, so that no recording works.

use heapless::{String, Vec};
use ovzha_core::auth::{Keyring, TAG_LEN, Tag, same};
use ovzha_core::frame::FRAME_MAX;
use serde::{Deserialize, Serialize};

use crate::check::CRC;
use crate::provision::{Hand, NAME_MAX, Provision, Unfit};
use crate::relay::Hold;
use crate::trial::{Seen, Trial};

/// The first byte: no heartbeat and no text begins with it.
pub const KIND: u8 = 0xb7;
/// The version of all that follows.
pub const VERSION: u8 = 1;
const TAIL: usize = 4;
/// Votes that a status shows.
pub const VOTES_MAX: usize = 4;

/// To the board.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "nothing is allocated here")]
pub enum Request {
    /// Say how it is.
    Status,
    /// Take this record, and start anew.
    Provision(Provision, Option<Proof>),
    /// Try this node's relay.
    Try(u8, Proof),
    /// Give this node its power back, although it was latched.
    Restore(u8, Proof),
}

/// Proves an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Proof {
    /// The board's present life.
    pub life: [u8; 4],
    /// Greater than that of any order before it in this life.
    pub number: u32,
    /// Over the order without its proof, and the two above.
    pub tag: Tag,
}

/// From the board.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "nothing is allocated here")]
pub enum Reply {
    /// How it is.
    Status(Status),
    /// It was done, or has begun.
    Done,
    /// It was not.
    Refused(Refusal),
}

/// Why an order was not carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Refusal {
    /// The board has a record, and this is not proved: another key, another life, or a number of before.
    Unproved,
    /// The record can't be gone by.
    Unfit(Unfit),
    /// It could not be written to flash; the one before still counts.
    Flash,
    /// The board has no record.
    NotProvisioned,
    /// The record says that there are no relays.
    NoRelay,
    /// The node is heard: stop its daemon first.
    Heard,
    /// A relay is energised, or another trial runs.
    Busy,
    /// There is no such node.
    NoNode,
}

/// Why the board was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Cause {
    /// Power came, or came back: the chip can't tell a brown-out from being plugged in.
    #[default]
    Power,
    /// The reset pin.
    Pin,
    /// A debugger.
    Debugger,
    /// The chip's watchdog: the loop stood still.
    Watchdog,
    /// The program found a fault in itself.
    Panic,
    /// It took a record.
    Provisioned,
}

/// How a line does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LineStatus {
    /// How long ago its node was believed, in milliseconds.
    pub heard_ms: Option<u32>,
    /// The node's power, by its sense input.
    pub power: Option<Seen>,
    /// Its relay is energised.
    pub cut: bool,
    /// Its input was found to lie.
    pub lies: bool,
    /// The other node was heard on it: the cables are swapped.
    pub crossed: bool,
    /// Frames that came in whole.
    pub frames: u32,
    /// What came in and was none.
    pub noise: u32,
    /// Frames that went out: the other node's.
    pub forwarded: u32,
    /// The witness's.
    pub words: u32,
    /// What was dropped, too old or too much.
    pub dropped: u32,
}

/// What the board goes by.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Known {
    /// The nodes' names.
    pub nodes: [String<NAME_MAX>; 2],
    /// The key that signs.
    pub key: u8,
    /// Three bytes by which a key can be compared, and not found.
    pub fingerprint: [u8; 3],
    /// What it may do with the nodes' power.
    pub hand: Hand,
    /// When a cut ends.
    pub hold: Hold,
    /// How long it lasts.
    pub off_ms: u32,
    /// The sense inputs are wired.
    pub sensed: bool,
    /// The longest time it lends for.
    pub longest_ms: u32,
    /// For how long it lends to nobody yet.
    pub opens_ms: u32,
}

/// A vote that is lent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lent {
    /// The group.
    pub group: [u8; 3],
    /// To whom.
    pub node: u8,
    /// For how long at most.
    pub for_ms: u32,
}

/// How the board is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// The present life.
    pub life: [u8; 4],
    /// How often it was started; none: its flash does not count, and it lends nothing.
    pub starts: Option<u32>,
    /// Why the last time.
    pub cause: Cause,
    /// How long ago, in milliseconds.
    pub up_ms: u32,
    /// The number of the last order.
    pub number: u32,
    /// The longest pass of its loop so far, in microseconds.
    pub pass_us: u32,
    /// Cuts that its last guard refused.
    pub refused: u32,
    /// The line that asked.
    pub asked: u8,
    /// How the lines do.
    pub lines: [LineStatus; 2],
    /// What it goes by, if it was provisioned.
    pub known: Option<Known>,
    /// The last trial.
    pub trial: Option<Trial>,
    /// Votes that are lent, the first few.
    pub votes: Vec<Lent, VOTES_MAX>,
}

/// An order, as its tag covers it.
#[derive(Clone, Copy, Serialize)]
pub enum Order<'a> {
    /// Take this record.
    Provision(&'a Provision),
    /// Try this node's relay.
    Try(u8),
    /// Give it its power back.
    Restore(u8),
}

/// Signs an order.
#[must_use]
pub fn prove(ring: &Keyring, order: Order<'_>, life: [u8; 4], number: u32) -> Option<Proof> {
    let mut bytes = [0; FRAME_MAX];
    let signed = postcard::to_slice(&(order, life, number), &mut bytes).ok()?;
    let tag = ring.tag(ring.signing()?, signed)?;
    Some(Proof { life, number, tag })
}

/// Whether the proof is of this order and made with this key; life and number are the caller's part.
#[must_use]
pub fn proves(ring: &Keyring, order: Order<'_>, proof: &Proof) -> bool {
    prove(ring, order, proof.life, proof.number).is_some_and(|right| same(&right.tag, &proof.tag))
}

/// Three bytes by which a keyring's signing key can be compared.
#[must_use]
pub fn fingerprint(ring: &Keyring) -> [u8; 3] {
    let tag: Tag = ring
        .signing()
        .and_then(|key| ring.tag(key, b"ovzha fingerprint"))
        .unwrap_or([0; TAG_LEN]);
    let [a, b, c, ..] = tag;
    [a, b, c]
}

/// Writes a message as a frame without its serial framing. None: it has no room.
pub fn write<'b, M: Serialize>(message: &M, out: &'b mut [u8; FRAME_MAX]) -> Option<&'b [u8]> {
    let (head, body) = out.split_first_chunk_mut::<2>()?;
    *head = [KIND, VERSION];
    let room = body.len().checked_sub(TAIL)?;
    let length = postcard::to_slice(message, body.get_mut(..room)?).ok()?.len();
    let end = length.checked_add(2)?;
    let crc = CRC.checksum(out.get(..end)?);
    *out.get_mut(end..)?.first_chunk_mut::<TAIL>()? = crc.to_be_bytes();
    out.get(..end.checked_add(TAIL)?)
}

/// Whether a frame is of this kind, good or not.
#[must_use]
pub fn is_service(frame: &[u8]) -> bool {
    frame.first() == Some(&KIND)
}

/// Reads a message. None: it is none of this version, or was damaged.
#[must_use]
pub fn read<'a, M: Deserialize<'a>>(frame: &'a [u8]) -> Option<M> {
    let (covered, crc) = frame.split_last_chunk::<TAIL>()?;
    let ([kind, version], body) = covered.split_first_chunk::<2>()?;
    let good = (*kind, *version) == (KIND, VERSION) && CRC.checksum(covered).to_be_bytes() == *crc;
    let (message, rest) = postcard::take_from_bytes(body).ok()?;
    (good && rest.is_empty()).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::tests::provision;

    fn longest() -> Status {
        let line = LineStatus {
            heard_ms: Some(u32::MAX),
            power: Some(Seen::Off),
            cut: true,
            lies: true,
            crossed: true,
            frames: u32::MAX,
            noise: u32::MAX,
            forwarded: u32::MAX,
            words: u32::MAX,
            dropped: u32::MAX,
        };
        let name = || String::from_iter(['n'; NAME_MAX]);
        let lent = Lent {
            group: [255; 3],
            node: 1,
            for_ms: u32::MAX,
        };
        Status {
            life: [255; 4],
            starts: Some(u32::MAX),
            cause: Cause::Provisioned,
            up_ms: u32::MAX,
            number: u32::MAX,
            pass_us: u32::MAX,
            refused: u32::MAX,
            asked: 1,
            lines: [line; 2],
            known: Some(Known {
                nodes: [name(), name()],
                key: 15,
                fingerprint: [255; 3],
                hand: Hand::InPlace,
                hold: Hold::Latch,
                off_ms: u32::MAX,
                sensed: true,
                longest_ms: u32::MAX,
                opens_ms: u32::MAX,
            }),
            trial: Some(Trial {
                node: 1,
                done: true,
                before: Seen::On,
                during: Seen::Off,
                after: Seen::On,
            }),
            votes: Vec::from_iter([lent; VOTES_MAX]),
        }
    }

    #[test]
    fn the_longest_messages_have_room() {
        let mut out = [0; FRAME_MAX];
        let said = Reply::Status(longest());
        assert!(read::<Reply>(write(&said, &mut out).expect("a status")) == Some(said));
        let mut record = provision();
        record.nodes = [(); 2].map(|()| String::from_iter(['n'; NAME_MAX]));
        (record.keepalive_ms, record.longest_ms, record.off_ms) = (u32::MAX, u32::MAX, u32::MAX);
        record.lives = u32::MAX;
        let proof = Proof {
            life: [255; 4],
            number: u32::MAX,
            tag: [255; 16],
        };
        let asked = Request::Provision(record, Some(proof));
        let bytes = write(&asked, &mut out).expect("a record");
        assert!(read::<Request>(bytes) == Some(asked), "{} bytes", bytes.len());
    }

    #[test]
    fn a_damaged_message_is_none() {
        let mut out = [0; FRAME_MAX];
        let bytes: Vec<u8, FRAME_MAX> = Vec::from_slice(write(&Request::Status, &mut out).unwrap()).unwrap();
        assert!(read::<Request>(&bytes) == Some(Request::Status));
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert!(read::<Request>(&damaged).is_none(), "byte {place}");
        }
    }

    #[test]
    fn an_order_is_proved_by_its_key_and_for_its_life_only() {
        let ring = provision().orders_ring().unwrap();
        let proof = prove(&ring, Order::Try(0), [1; 4], 5).unwrap();
        assert!(proves(&ring, Order::Try(0), &proof));
        assert!(!proves(&ring, Order::Try(1), &proof));
        assert!(!proves(&ring, Order::Restore(0), &proof));
        assert!(!proves(&ring, Order::Try(0), &Proof { number: 6, ..proof }));
        assert!(!proves(&ring, Order::Try(0), &Proof { life: [2; 4], ..proof }));
        let mut other = provision();
        other.orders.derived = [1; 32];
        assert!(!proves(&other.orders_ring().unwrap(), Order::Try(0), &proof));
        // the voting key gives no orders
        assert!(!proves(&provision().keyring().unwrap(), Order::Try(0), &proof));
    }
}
