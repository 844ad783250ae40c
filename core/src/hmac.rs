//! HMAC (RFC 2104) over the block functions of MD5, SHA-1 and SHA-256.
//!
//! The block functions come from `md-5`, `sha1` and `sha2`. Only the framing around them (padding, length, inner and outer pass) is
//! here: the generic buffers of the `digest` crates leave panicking symbols in a build for size, this leaves none
//! (`.ci/nostd.sh`). The results are checked against the vectors of RFC 2202 and RFC 4231.

/// Bytes of one block, the same for all three.
const BLOCK: usize = 64;
/// The last bytes of the last block hold the message's length in bits.
const LENGTH: usize = 8;

/// A digest: 32 bytes, the longest of the three; a shorter one is followed by zeros, as HMAC itself would pad it.
pub type Digest = [u8; 32];

/// A hash that takes 64-byte blocks and keeps its state in 32-bit words.
pub trait Blocks {
    /// Bytes of its digest.
    const LEN: usize;
    /// Before the first block.
    const START: Self;
    /// Takes one block.
    fn block(&mut self, block: &[u8; BLOCK]);
    /// The state.
    fn words(&self) -> &[u32];
    /// A word as its bytes in the digest.
    fn word(word: u32) -> [u8; 4];
    /// The length in bits as its bytes in the last block.
    fn length(bits: u64) -> [u8; LENGTH];
}

/// RFC 1321.
pub struct Md5([u32; 4]);

/// FIPS 180-4.
pub struct Sha1([u32; 5]);

/// FIPS 180-4.
pub struct Sha256([u32; 8]);

impl Blocks for Md5 {
    const LEN: usize = 16;
    const START: Self = Self([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]);

    fn block(&mut self, block: &[u8; BLOCK]) {
        md5::block_api::compress(&mut self.0, core::slice::from_ref(block));
    }

    fn words(&self) -> &[u32] {
        &self.0
    }

    fn word(word: u32) -> [u8; 4] {
        word.to_le_bytes()
    }

    fn length(bits: u64) -> [u8; LENGTH] {
        bits.to_le_bytes()
    }
}

impl Blocks for Sha1 {
    const LEN: usize = 20;
    const START: Self = Self([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]);

    fn block(&mut self, block: &[u8; BLOCK]) {
        sha1::block_api::compress(&mut self.0, core::slice::from_ref(block));
    }

    fn words(&self) -> &[u32] {
        &self.0
    }

    fn word(word: u32) -> [u8; 4] {
        word.to_be_bytes()
    }

    fn length(bits: u64) -> [u8; LENGTH] {
        bits.to_be_bytes()
    }
}

impl Blocks for Sha256 {
    const LEN: usize = 32;
    const START: Self = Self([
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ]);

    fn block(&mut self, block: &[u8; BLOCK]) {
        sha2::block_api::compress256(&mut self.0, core::slice::from_ref(block));
    }

    fn words(&self) -> &[u32] {
        &self.0
    }

    fn word(word: u32) -> [u8; 4] {
        word.to_be_bytes()
    }

    fn length(bits: u64) -> [u8; LENGTH] {
        bits.to_be_bytes()
    }
}

/// The HMAC of `message` under a key of any length.
pub fn hmac<H: Blocks>(key: &[u8], message: &[u8]) -> Digest {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        copy(&mut block, &hash::<H>(None, key));
    } else {
        copy(&mut block, key);
    }
    let inner = hash::<H>(Some(&block.map(|byte| byte ^ 0x36)), message);
    let digest = inner.get(..H::LEN).unwrap_or(&inner);
    hash::<H>(Some(&block.map(|byte| byte ^ 0x5c)), digest)
}

/// The digest of one whole block, if any, and what follows it.
fn hash<H: Blocks>(first: Option<&[u8; BLOCK]>, rest: &[u8]) -> Digest {
    let mut state = H::START;
    let mut bytes = u64::try_from(rest.len()).unwrap_or(u64::MAX);
    if let Some(first) = first {
        state.block(first);
        bytes = bytes.saturating_add(64);
    }
    let (blocks, tail) = rest.as_chunks::<BLOCK>();
    for block in blocks {
        state.block(block);
    }

    // What is left, a one bit, zeros, the length at the end of the block: of the next one if it has no room here.
    let length = H::length(bytes.saturating_mul(8));
    let mut last = [0; BLOCK];
    copy(&mut last, tail);
    if let Some(byte) = last.get_mut(tail.len()) {
        *byte = 0x80;
    }
    if tail.len() >= BLOCK.saturating_sub(LENGTH) {
        state.block(&last);
        last = [0; BLOCK];
    }
    if let Some(place) = last.last_chunk_mut::<LENGTH>() {
        *place = length;
    }
    state.block(&last);

    let mut digest = Digest::default();
    let (words, _) = digest.as_chunks_mut::<4>();
    for (to, word) in words.iter_mut().zip(state.words()) {
        *to = H::word(*word);
    }
    digest
}

fn copy(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    use super::{Digest, Md5, Sha1, Sha256, copy, hash, hmac};

    fn digest(hex: &str) -> Digest {
        let mut out = Digest::default();
        for (place, pair) in out.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *place = u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
        }
        out
    }

    #[test]
    fn rfc_2202_and_4231() {
        for (key, message, md5, sha1, sha256) in [
            (
                b"Jefe".as_slice(),
                b"what do ya want for nothing?".as_slice(),
                "750c783e6ab0b503eaa86e310a5db738",
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
                "aa4ae5e15272d00e95705637ce8a3b55ed402112",
                "6953025ed96f0c09f80a96f78e6538dbe2e7b820e3dd970e7ddd39091b32352f",
            ),
        ] {
            assert_eq!(hmac::<Md5>(key, message), digest(md5));
            assert_eq!(hmac::<Sha1>(key, message), digest(sha1));
            assert_eq!(hmac::<Sha256>(key, message), digest(sha256));
        }
        assert_eq!(
            hmac::<Sha256>(&[0x0b; 20], b"Hi There"),
            digest("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        );
    }

    /// Every length around the places where the padding changes, against the libraries' own buffers.
    #[test]
    fn every_length_as_the_library_pads_it() {
        use sha1::Digest as _;
        let message: [u8; 260] = core::array::from_fn(|i| u8::try_from(i % 251).unwrap());
        for len in 0..message.len() {
            let part = &message[..len];
            let mut expected = [Digest::default(); 3];
            copy(&mut expected[0], &md5::Md5::digest(part));
            copy(&mut expected[1], &sha1::Sha1::digest(part));
            copy(&mut expected[2], &sha2::Sha256::digest(part));
            let ours = [
                hash::<Md5>(None, part),
                hash::<Sha1>(None, part),
                hash::<Sha256>(None, part),
            ];
            assert_eq!(ours, expected, "length {len}");
        }
    }
}
