//! Proves that a frame comes from someone who has a key of `authkeys`.
//!
//! Model: up to 16 numbered keys, one of which signs; a frame names the key it is signed with, so keys can be
//! changed one node at a time. A key's text is never used itself: each domain (node to node, witness, board)
//! derives its own from it, so a frame of one domain proves nothing in another (PROTOCOL P-8 to P-12).

use core::fmt;
use core::hash::{Hash, Hasher};

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::hmac::{Digest, Md5, Sha1, Sha256, hmac};
use crate::id::KeyId;

/// Bytes of the tag at the end of every frame.
pub const TAG_LEN: usize = 16;
/// Most keys of one keyring.
pub const KEYS_MAX: usize = 16;
/// Longest key text.
pub const KEY_TEXT_MAX: usize = 255;

/// What the nodes compute for a `crc` key.
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The tag at the end of a frame.
pub type Tag = [u8; TAG_LEN];

/// How a key makes its tag.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// CRC-32: finds damage, proves nothing about the sender.
    Crc,
    /// HMAC-MD5.
    Md5,
    /// HMAC-SHA-1, cut to 128 bits.
    Sha1,
    /// HMAC-SHA-256, cut to 128 bits.
    Sha256,
}

impl Method {
    /// Whether a good tag proves that the sender knows the key.
    #[must_use]
    pub const fn secret(self) -> bool {
        match self {
            Self::Crc => false,
            Self::Md5 | Self::Sha1 | Self::Sha256 => true,
        }
    }

    /// Its name in `authkeys`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc => "crc",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

/// Who speaks to whom; keys of different domains have nothing to do with each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Domain {
    /// The two nodes with each other.
    Node,
    /// A node with the witness.
    Witness,
    /// A witness program with the board that cuts power.
    Board,
}

impl Domain {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Node => b"ovzha 1 node to node",
            Self::Witness => b"ovzha 1 witness",
            Self::Board => b"ovzha 1 board",
        }
    }
}

/// Why a key was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyError {
    /// The number is above 15.
    Number,
    /// The number is taken.
    Twice,
    /// A method that needs a key was given an empty text.
    Empty,
    /// The text is longer than [`KEY_TEXT_MAX`].
    TooLong,
    /// There is no key of this number to sign with.
    Unknown,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "key number above 15",
            Self::Twice => "key number used twice",
            Self::Empty => "empty key",
            Self::TooLong => "key longer than 255 bytes",
            Self::Unknown => "no key of this number",
        })
    }
}

/// One derived key. No `Debug`: what is not printable is not printed by mistake.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    method: Method,
    derived: Digest,
}

/// The keys of one domain.
///
/// Comparison is for noticing that `authkeys` changed and takes no care of time; the hash covers only which
/// numbers have which method.
#[derive(Clone, PartialEq, Eq)]
pub struct Keyring {
    domain: Domain,
    keys: [Option<Key>; KEYS_MAX],
    signing: Option<KeyId>,
}

impl Keyring {
    /// No keys: signs nothing, accepts nothing.
    #[must_use]
    pub const fn new(domain: Domain) -> Self {
        Self {
            domain,
            keys: [const { None }; KEYS_MAX],
            signing: None,
        }
    }

    /// Adds a key; the text of a [`Method::Crc`] key is not used.
    ///
    /// # Errors
    /// The number or the text can't be used; the keyring is as before.
    pub fn add(&mut self, id: KeyId, method: Method, text: &[u8]) -> Result<(), KeyError> {
        let derived = self.derive(method, text)?;
        let place = self.keys.get_mut(usize::from(id.0)).ok_or(KeyError::Number)?;
        if place.is_some() {
            return Err(KeyError::Twice);
        }
        *place = Some(Key { method, derived });
        Ok(())
    }

    /// Adds a key that was derived elsewhere, as [`derived`](Self::derived) gives it.
    ///
    /// # Errors
    /// The number can't be used; the keyring is as before.
    pub fn add_derived(&mut self, id: KeyId, method: Method, derived: [u8; 32]) -> Result<(), KeyError> {
        let place = self.keys.get_mut(usize::from(id.0)).ok_or(KeyError::Number)?;
        if place.is_some() {
            return Err(KeyError::Twice);
        }
        *place = Some(Key { method, derived });
        Ok(())
    }

    /// A key as it is derived for this domain: whoever has it can speak in the domain, and knows nothing of the text or of another
    /// domain. A shorter digest than 32 bytes is followed by zeros.
    #[must_use]
    pub fn derived(&self, id: KeyId) -> Option<(Method, &[u8; 32])> {
        self.key(id).map(|key| (key.method, &key.derived))
    }

    /// Signs with this key from now on.
    ///
    /// # Errors
    /// There is no such key; the keyring is as before.
    pub fn sign_with(&mut self, id: KeyId) -> Result<(), KeyError> {
        self.method(id).ok_or(KeyError::Unknown)?;
        self.signing = Some(id);
        Ok(())
    }

    /// The key that signs.
    #[must_use]
    pub const fn signing(&self) -> Option<KeyId> {
        self.signing
    }

    /// The method of a key, if there is such a key.
    #[must_use]
    pub fn method(&self, id: KeyId) -> Option<Method> {
        Some(self.key(id)?.method)
    }

    /// Whether every key that is accepted proves its owner: one `crc` key among them opens the door to everybody.
    #[must_use]
    pub fn secret(&self) -> bool {
        self.keys.iter().flatten().all(|key| key.method.secret())
    }

    /// The tag of `bytes` under key `id`; none if there is no such key.
    #[must_use]
    pub fn tag(&self, id: KeyId, bytes: &[u8]) -> Option<Tag> {
        let key = self.key(id)?;
        let digest = match key.method {
            Method::Crc => return Some(crc_tag(self.domain, bytes)),
            Method::Md5 => hmac::<Md5>(&key.derived, bytes),
            Method::Sha1 => hmac::<Sha1>(&key.derived, bytes),
            Method::Sha256 => hmac::<Sha256>(&key.derived, bytes),
        };
        digest.first_chunk().copied()
    }

    fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.get(usize::from(id.0))?.as_ref()
    }

    fn derive(&self, method: Method, text: &[u8]) -> Result<Digest, KeyError> {
        if text.len() > KEY_TEXT_MAX {
            return Err(KeyError::TooLong);
        }
        if text.is_empty() && method.secret() {
            return Err(KeyError::Empty);
        }
        let label = self.domain.label();
        Ok(match method {
            Method::Crc => Digest::default(),
            Method::Md5 => hmac::<Md5>(text, label),
            Method::Sha1 => hmac::<Sha1>(text, label),
            Method::Sha256 => hmac::<Sha256>(text, label),
        })
    }
}

impl Hash for Keyring {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.domain.hash(state);
        self.signing.hash(state);
        for key in &self.keys {
            key.as_ref().map(|key| key.method).hash(state);
        }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keys = f.debug_map();
        keys.entry(&"domain", &self.domain);
        for (id, key) in (0u8..).zip(self.keys.iter()) {
            if let Some(key) = key {
                keys.entry(&id, &key.method);
            }
        }
        keys.entry(&"signing", &self.signing).finish()
    }
}

/// Compares without telling by its duration where the first difference is.
#[must_use]
pub fn same(a: &Tag, b: &Tag) -> bool {
    let differences = a.iter().zip(b.iter()).fold(0u8, |all, (a, b)| all | (a ^ b));
    core::hint::black_box(differences) == 0
}

/// CRC-32 as in Ethernet and zip, over the domain's label and the bytes, then twelve zeros.
fn crc_tag(domain: Domain, bytes: &[u8]) -> Tag {
    let mut digest = CRC.digest();
    digest.update(domain.label());
    digest.update(bytes);
    let crc = digest.finalize();
    let [a, b, c, d] = crc.to_be_bytes();
    [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}
