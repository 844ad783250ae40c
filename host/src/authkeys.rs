//! Parses `authkeys`: which keys exist and which one signs.
//!
//! Lines are `auth N` and `N METHOD [KEY]`. Several keys may stand there, so that a new one can be made known to
//! both nodes before it signs. No message ever repeats a word of a key line: a slip of the keyboard could
//! make any of them the key.

use std::fmt;
use std::path::Path;

use ovzha_core::auth::{KEY_TEXT_MAX, Method};
use ovzha_core::id::KeyId;
use zeroize::{Zeroize, Zeroizing};

use crate::diagnostic::Problems;
use crate::ha_cf::Parsed;
use crate::words;

/// Keys of published examples: they keep nobody out.
const EXAMPLE_KEYS: [&[u8]; 4] = [b"PutYourSuperSecretKeyHere", b"Hello!", b"HI!", b"secret"];

/// The bytes of a key; shows none of them, and leaves none in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Secret {
    /// The key for signing. Not to be written anywhere.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// One line `N METHOD [KEY]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// 0 to 15.
    pub id: KeyId,
    /// How it signs.
    pub method: Method,
    /// 1 to [`KEY_TEXT_MAX`] bytes; empty for [`Method::Crc`].
    pub secret: Secret,
    /// The line, counted from 1.
    pub line: u32,
}

/// All keys, and the one that signs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthKeys {
    /// The key that signs; one of `keys` once parsed without errors.
    pub signing: KeyId,
    /// At most 16, in file order; all of them are accepted from the peer.
    pub keys: Vec<Key>,
}

impl AuthKeys {
    /// As an `authkeys` that says the same, in its shortest form; wiped when it is dropped.
    #[must_use]
    pub fn render(&self) -> Zeroizing<Vec<u8>> {
        let words = |key: &Key| 2 + 2 + 1 + 6 + 1 + key.secret.bytes().len();
        // of its last size from the start: growing would leave copies behind
        let size = 8 + self.keys.iter().map(words).sum::<usize>();
        let mut text = Zeroizing::new(Vec::with_capacity(size));
        text.extend_from_slice(format!("auth {}\n", self.signing.0).as_bytes());
        for key in &self.keys {
            let method = match key.method {
                Method::Crc => "crc",
                Method::Md5 => "md5",
                Method::Sha1 => "sha1",
                Method::Sha256 => "sha256",
            };
            text.extend_from_slice(format!("{} {method} ", key.id.0).as_bytes());
            text.extend_from_slice(key.secret.bytes());
            text.push(b'\n');
        }
        text
    }
}

/// Reads the bytes of an `authkeys`; `file` is only named in messages.
#[must_use]
pub fn parse(file: &Path, bytes: &[u8]) -> Parsed<AuthKeys> {
    let mut reader = Reader {
        problems: Problems::new(file),
        auth_seen: false,
        signing: None,
        keys: Vec::new(),
        mentioned: Vec::new(),
    };
    if let Err((line, why)) = words::is_text(bytes) {
        reader.problems.error(line, why);
        reader.auth_seen = true;
        return reader.finish(line);
    }
    for line in words::lines(bytes) {
        if line.bytes.len() > words::LINE_MAX {
            reader.problems.error(line.number, words::too_long(line.bytes));
        } else {
            reader.line(line.number, line.bytes);
        }
    }
    reader.finish(words::last_line(bytes))
}

struct Reader {
    problems: Problems,
    /// Whether there was an `auth` line, a broken one included.
    auth_seen: bool,
    signing: Option<(KeyId, u32)>,
    keys: Vec<Key>,
    /// The keys with a line of their own, a broken one included; at most 16.
    mentioned: Vec<KeyId>,
}

impl Reader {
    fn line(&mut self, line: u32, bytes: &[u8]) {
        let text = bytes.trim_ascii_start();
        if text.is_empty() || text.starts_with(b"#") {
            return;
        }
        let mut fields = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let first = fields.next().unwrap_or_default();
        if first.starts_with(b"a") {
            self.auth(line, first, fields.next(), fields.next().is_some());
        } else if let Some(id) = key_id(first) {
            self.key(line, id, fields.next(), fields.next(), fields.next().is_some());
        } else if first.iter().all(u8::is_ascii_digit) {
            self.problems.error(line, "a key's number must be from 0 to 15");
        } else {
            self.problems.error(line, "neither `auth N` nor `N METHOD KEY`");
        }
    }

    /// Heartbeat takes any word that begins with `a` for `auth`.
    fn auth(&mut self, line: u32, first: &[u8], id: Option<&[u8]>, more: bool) {
        self.auth_seen = true;
        if first != b"auth" {
            self.problems.warning(line, "taken for `auth`, as Heartbeat does");
        }
        let Some(id) = id.and_then(key_id) else {
            self.problems.error(line, "`auth` needs the number of a key, 0 to 15");
            return;
        };
        if more {
            self.problems.error(line, "`auth` takes one number");
        }
        if let Some((_, earlier)) = self.signing {
            self.problems.warning(
                line,
                format!("replaces the `auth` of line {earlier}: the last one counts"),
            );
        }
        if let Some(key) = self.keys.iter().find(|key| key.id == id) {
            let text = format!(
                "`auth {}` must stand above the line of key {} (line {})",
                id.0, id.0, key.line
            );
            self.problems.error(line, text);
        }
        self.signing = Some((id, line));
    }

    fn key(&mut self, line: u32, id: KeyId, method: Option<&[u8]>, secret: Option<&[u8]>, more: bool) {
        if !self.mentioned.contains(&id) {
            self.mentioned.push(id);
        }
        let method = match method {
            Some(b"crc") => Method::Crc,
            Some(b"md5") => Method::Md5,
            Some(b"sha1") => Method::Sha1,
            Some(b"sha256") => Method::Sha256,
            Some(_) => {
                self.problems.error(
                    line,
                    format!("key {}: unknown method (known: crc, md5, sha1, sha256)", id.0),
                );
                return;
            }
            None => {
                self.problems.error(
                    line,
                    format!("key {}: the method is missing (crc, md5, sha1, sha256)", id.0),
                );
                return;
            }
        };
        if let Some(earlier) = self.keys.iter().find(|key| key.id == id) {
            self.problems
                .error(line, format!("key {} stands already on line {}", id.0, earlier.line));
            return;
        }
        match (method, secret) {
            (Method::Crc, Some(_)) => self.problems.error(line, format!("key {}: crc takes no key", id.0)),
            (Method::Crc, None) => {
                let text = format!(
                    "key {}: crc keeps nobody out; only for a cable nobody else can reach",
                    id.0
                );
                self.problems.warning(line, text);
            }
            (Method::Md5 | Method::Sha1 | Method::Sha256, None) => {
                self.problems
                    .error(line, format!("key {}: the key itself is missing", id.0));
            }
            (Method::Md5 | Method::Sha1 | Method::Sha256, Some(secret)) => self.secret(line, id, secret),
        }
        if more {
            self.problems.warning(
                line,
                format!("key {}: the key is one word; what follows it is not part of it", id.0),
            );
        }
        let secret = Secret(secret.unwrap_or_default().to_vec());
        self.keys.push(Key {
            id,
            method,
            secret,
            line,
        });
    }

    fn secret(&mut self, line: u32, id: KeyId, secret: &[u8]) {
        if secret.len() > KEY_TEXT_MAX {
            self.problems
                .error(line, format!("key {}: longer than {KEY_TEXT_MAX} bytes", id.0));
        }
        if EXAMPLE_KEYS.contains(&secret) {
            self.problems.warning(
                line,
                format!("key {}: this key stands in published examples; make an own one", id.0),
            );
        }
    }

    fn finish(mut self, last_line: u32) -> Parsed<AuthKeys> {
        let signing = match self.signing {
            None => {
                if !self.auth_seen {
                    self.problems.error(last_line, "no line `auth N` says which key signs");
                }
                KeyId(0)
            }
            Some((id, line)) => {
                if !self.mentioned.contains(&id) {
                    self.problems
                        .error(line, format!("key {} is named, but has no line of its own", id.0));
                }
                id
            }
        };
        Parsed {
            value: AuthKeys {
                signing,
                keys: self.keys,
            },
            diagnostics: self.problems.into_vec(),
        }
    }
}

/// A key's number, if the word is one.
fn key_id(word: &[u8]) -> Option<KeyId> {
    let number = std::str::from_utf8(word).ok()?;
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    number.parse().ok().filter(|&id| id <= 15).map(KeyId)
}
