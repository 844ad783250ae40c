//! The bytes of a segment: its header, and blocks that show whether they are whole.

use crc::{CRC_32_ISO_HDLC, Crc};

use super::FORMAT;

const MAGIC: &[u8; 8] = b"ovzhaREC";
/// Bytes of a segment's header.
pub(super) const HEADER: usize = 22;
/// Bytes before the content of a block.
pub(super) const PREFIX: usize = 6;
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// What the first bytes of a segment say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Header {
    /// Nothing that was ever begun.
    Nothing,
    /// Of another release, in this format.
    Foreign(u16),
    /// Its number: each is greater than that of every segment before.
    Number(u64),
}

/// The header of segment `number`.
pub(super) fn header(number: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    let check = {
        let fields = MAGIC.iter().copied().chain(FORMAT.to_le_bytes());
        let fields = fields.chain(number.to_le_bytes());
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        CRC.checksum(bytes.get(..HEADER - 4).unwrap_or_default())
    };
    if let Some(place) = bytes.last_chunk_mut::<4>() {
        *place = check.to_le_bytes();
    }
    bytes
}

/// Reads a segment's header.
pub(super) fn read_header(segment: &[u8]) -> Header {
    let found = segment.first_chunk::<HEADER>().and_then(|bytes| {
        let (fields, check) = bytes.split_last_chunk::<4>()?;
        let (magic, rest) = fields.split_first_chunk::<8>()?;
        let (format, number) = rest.split_first_chunk::<2>()?;
        let right = magic == MAGIC && CRC.checksum(fields) == u32::from_le_bytes(*check);
        let number = number.first_chunk::<8>()?;
        right.then(|| (u16::from_le_bytes(*format), u64::from_le_bytes(*number)))
    });
    match found {
        None => Header::Nothing,
        Some((FORMAT, number)) => Header::Number(number),
        Some((format, _)) => Header::Foreign(format),
    }
}

/// What stands before `content` in segment `number`; none if it is longer than a block can be.
pub(super) fn prefix(number: u64, content: &[u8]) -> Option<[u8; PREFIX]> {
    let mut bytes = [0; PREFIX];
    *bytes.first_chunk_mut()? = u16::try_from(content.len()).ok()?.to_le_bytes();
    *bytes.last_chunk_mut()? = check(number, content).to_le_bytes();
    Some(bytes)
}

fn check(number: u64, content: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&number.to_le_bytes());
    digest.update(content);
    digest.finalize()
}

/// The next block's content and what follows it; none where the next block is not whole.
pub(super) fn next(number: u64, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (right, rest) = rest.split_first_chunk()?;
    let (content, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let whole = !content.is_empty() && check(number, content) == u32::from_le_bytes(*right);
    whole.then_some((content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_whole_or_not_there() {
        let mut bytes = prefix(7, b"abc").unwrap().to_vec();
        bytes.extend_from_slice(b"abcREST");
        assert_eq!(next(7, &bytes), Some((b"abc".as_slice(), b"REST".as_slice())));
        assert_eq!(next(8, &bytes), None, "of an earlier turn of the ring");
        for cut in 0..PREFIX + 3 {
            assert_eq!(next(7, &bytes[..cut]), None, "cut at {cut}");
        }
        for place in 0..PREFIX + 3 {
            let mut broken = bytes.clone();
            broken[place] ^= 1;
            assert_eq!(next(7, &broken), None, "bit of byte {place}");
        }
        assert_eq!(next(7, &[0; 32]), None);
    }

    #[test]
    fn a_header_is_ours_or_not() {
        let good = header(5);
        assert_eq!(read_header(&good), Header::Number(5));
        assert_eq!(read_header(&good[..HEADER - 1]), Header::Nothing);
        for place in 0..HEADER {
            let mut broken = good;
            broken[place] ^= 1;
            assert_eq!(read_header(&broken), Header::Nothing, "byte {place}");
        }
    }
}
