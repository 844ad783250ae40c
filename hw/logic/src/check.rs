//! The CRC-32 of records in flash and of an admin's messages: one table for all.

use crc::{CRC_32_ISO_HDLC, Crc};

/// As of Ethernet, zlib and the frames of `authkeys`' crc.
pub(crate) static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
