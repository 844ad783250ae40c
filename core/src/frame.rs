//! A frame: frozen header, opaque body, tag. What every link carries, one a datagram.
//!
//! Model: [`seal`] writes a whole frame into a buffer, [`open`] looks at received bytes in the order of cost
//! (length, magic, cluster, then the tag) and hands back what the sender signed. The version is told, not judged:
//! a good tag proves that the sender lives, whatever it speaks. Nothing here knows whether a frame is new
//! (that is the part of `member`), and nothing here can panic (PROTOCOL P-1 to P-7, P-13, P-16).

use core::fmt;

use crate::auth::{self, Keyring, TAG_LEN, Tag};
use crate::id::{BootId, ClusterId, KeyId, LinkId, NodeId, Sequence};
use crate::output::DURABLE_MAX;
use crate::rejection::Rejection;

/// The first byte of every frame: in no ASCII and no UTF-8 text, and nothing an idle or mistuned line repeats.
pub const MAGIC: u8 = 0xf7;
/// The newest version this code speaks; it understands all from 1 on.
pub const VERSION: u8 = 4;
/// Bytes of the header, for ever.
pub const HEADER_LEN: usize = 14;
/// Longest body.
pub const BODY_MAX: usize = 224;
/// Shortest frame: an empty body.
pub const FRAME_MIN: usize = 30;
/// Longest frame: 254 bytes, the most that COBS carries with a single byte of overhead.
pub const FRAME_MAX: usize = 254;

const _: () = assert!(FRAME_MIN == HEADER_LEN.saturating_add(TAG_LEN));
const _: () = assert!(FRAME_MAX == FRAME_MIN.saturating_add(BODY_MAX));

/// Room for what one output carries: a frame, or the state to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameBuf {
    frame: [u8; FRAME_MAX],
    state: [u8; DURABLE_MAX],
}

impl FrameBuf {
    /// All zero.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            frame: [0; FRAME_MAX],
            state: [0; DURABLE_MAX],
        }
    }

    /// All of its bytes, to receive into.
    pub const fn bytes_mut(&mut self) -> &mut [u8; FRAME_MAX] {
        &mut self.frame
    }

    /// Room for the state.
    pub(crate) const fn state_mut(&mut self) -> &mut [u8; DURABLE_MAX] {
        &mut self.state
    }

    /// The first `len` bytes of the state.
    pub(crate) fn state(&self, len: usize) -> &[u8] {
        self.state.get(..len).unwrap_or(&self.state)
    }

    /// Its first `len` bytes; all of them if there are not so many.
    #[must_use]
    pub fn filled(&self, len: usize) -> &[u8] {
        self.frame.get(..len).unwrap_or(&self.frame)
    }
}

impl Default for FrameBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FrameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameBuf")
    }
}

/// What a frame says of itself, whatever its version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Header {
    /// The version of the body.
    pub version: u8,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Who signed it.
    pub sender: NodeId,
    /// For whom it is.
    pub addressee: NodeId,
    /// The sender's link it went out on.
    pub link: LinkId,
    /// The sender's life.
    pub boot: BootId,
    /// Its number in that life.
    pub sequence: Sequence,
}

/// A frame whose tag is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened<'a> {
    /// What it says of itself.
    pub header: Header,
    /// The key that signed it.
    pub key: KeyId,
    /// The message, meaningful only if [`Header::version`] is one we speak.
    pub body: &'a [u8],
}

/// Writes a frame, signed with the keyring's signing key, into `out`.
///
/// None when it can't be written: no signing key, a body longer than [`BODY_MAX`], or a node or link number
/// above 15. None of them happens with a checked configuration.
pub fn seal<'b>(header: &Header, body: &[u8], keyring: &Keyring, out: &'b mut FrameBuf) -> Option<&'b [u8]> {
    let key = keyring.signing()?;
    let head = emit(header, key)?;
    let signed_len = HEADER_LEN.checked_add(body.len())?;
    let len = signed_len.checked_add(TAG_LEN)?;
    let frame = out.frame.get_mut(..len)?;

    let (signed, tag) = frame.split_at_mut_checked(signed_len)?;
    let (to_head, to_body) = signed.split_first_chunk_mut::<HEADER_LEN>()?;
    *to_head = head;
    to_body.iter_mut().zip(body).for_each(|(to, from)| *to = *from);
    *tag.first_chunk_mut::<TAG_LEN>()? = keyring.tag(key, signed)?;
    Some(frame)
}

/// Reads the header of bytes that look like a frame, without a key and so without any proof.
///
/// # Errors
/// They don't look like a frame: length, Heartbeat's text, magic.
pub fn peek(bytes: &[u8]) -> Result<Header, Rejection> {
    Ok(look(bytes)?.header)
}

/// What the tag of a frame covers, without the tag; nothing if there is no room for one.
#[must_use]
pub fn untagged(bytes: &[u8]) -> &[u8] {
    bytes.split_last_chunk::<TAG_LEN>().map_or(&[], |(signed, _)| signed)
}

/// Checks received bytes, cheapest first, and gives what the sender signed.
///
/// # Errors
/// The first check that failed. An unknown version is no error: [`Header::version`] tells it.
pub fn open<'a>(bytes: &'a [u8], cluster: ClusterId, keyring: &Keyring) -> Result<Opened<'a>, Rejection> {
    let seen = look(bytes)?;
    if seen.header.cluster != cluster {
        return Err(Rejection::Cluster);
    }
    let right = keyring.tag(seen.key, seen.signed).ok_or(Rejection::UnknownKey)?;
    if !auth::same(&right, seen.tag) {
        return Err(Rejection::Tag);
    }
    Ok(Opened {
        header: seen.header,
        key: seen.key,
        body: seen.body,
    })
}

/// Whether the bytes begin as a message of Linux-HA Heartbeat does.
#[must_use]
pub fn is_heartbeat(bytes: &[u8]) -> bool {
    bytes.starts_with(b"###\n") || bytes.starts_with(b">>>\n")
}

struct Seen<'a> {
    header: Header,
    key: KeyId,
    signed: &'a [u8],
    body: &'a [u8],
    tag: &'a Tag,
}

fn look(bytes: &[u8]) -> Result<Seen<'_>, Rejection> {
    // Heartbeat's text first: its messages come in every length, and the reason matters to the administrator.
    if is_heartbeat(bytes) {
        return Err(Rejection::Heartbeat);
    }
    if bytes.len() > FRAME_MAX {
        return Err(Rejection::TooLong);
    }
    let (signed, tag) = bytes.split_last_chunk::<TAG_LEN>().ok_or(Rejection::TooShort)?;
    let (head, body) = signed.split_first_chunk::<HEADER_LEN>().ok_or(Rejection::TooShort)?;
    let (header, key) = parse(head).ok_or(Rejection::Magic)?;
    Ok(Seen {
        header,
        key,
        signed,
        body,
        tag,
    })
}

fn emit(header: &Header, key: KeyId) -> Option<[u8; HEADER_LEN]> {
    let ClusterId([c0, c1]) = header.cluster;
    let BootId([b0, b1, b2, b3]) = header.boot;
    let [s0, s1, s2, s3] = header.sequence.0.to_be_bytes();
    let who = nibbles(header.sender.0, header.addressee.0)?;
    let how = nibbles(header.link.0, key.0)?;
    Some([MAGIC, header.version, c0, c1, who, how, b0, b1, b2, b3, s0, s1, s2, s3])
}

fn parse(head: &[u8; HEADER_LEN]) -> Option<(Header, KeyId)> {
    let [magic, version, c0, c1, who, how, b0, b1, b2, b3, s0, s1, s2, s3] = *head;
    if magic != MAGIC {
        return None;
    }
    let header = Header {
        version,
        cluster: ClusterId([c0, c1]),
        sender: NodeId(who >> 4),
        addressee: NodeId(who & 0x0f),
        link: LinkId(how >> 4),
        boot: BootId([b0, b1, b2, b3]),
        sequence: Sequence(u32::from_be_bytes([s0, s1, s2, s3])),
    };
    Some((header, KeyId(how & 0x0f)))
}

fn nibbles(high: u8, low: u8) -> Option<u8> {
    (high <= 0x0f && low <= 0x0f).then_some((high << 4) | low)
}
