//! The key file of a witness: what `ovzha witness-key` prints on a node, and `ovzha witness` reads.
//!
//! It has the keys of `authkeys` as they are derived for this purpose: whoever has them can vote, and can't speak as a node.

use std::fmt::Write;

use ovzha_core::auth::{Keyring, Method};
use ovzha_core::id::KeyId;
use zeroize::Zeroizing;

/// The first line: what the file is, for people.
const HEAD: &str = "# ovzha: keys of a witness. Whoever has them can vote.\n";

/// The file for a keyring of the domain "witness".
#[must_use]
pub fn render(ring: &Keyring) -> Zeroizing<String> {
    let mut text = Zeroizing::new(HEAD.to_owned());
    if let Some(KeyId(signing)) = ring.signing() {
        writeln!(text, "auth {signing}").ok();
    }
    for id in 0..16 {
        let Some((method, derived)) = ring.derived(KeyId(id)) else {
            continue;
        };
        write!(text, "{id} {} ", method.name()).ok();
        for byte in derived {
            write!(text, "{byte:02x}").ok();
        }
        text.push('\n');
    }
    text
}

/// Reads such a file.
///
/// # Errors
/// The line and a sentence, without a key's text.
pub fn parse(text: &str) -> Result<Keyring, (u32, String)> {
    let mut ring = Keyring::new(ovzha_core::auth::Domain::Witness);
    let mut signing = None;
    for (number, line) in (1..).zip(text.lines()) {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let told = |why: &str| (number, why.to_owned());
        match words.as_slice() {
            [] => {}
            ["auth", id] => {
                let id = key_id(id).ok_or_else(|| told("`auth` needs a number, 0 to 15"))?;
                if signing.replace((id, number)).is_some() {
                    return Err(told("`auth` stands there twice"));
                }
            }
            [id, method, digest] => {
                let id = key_id(id).ok_or_else(|| told("a key begins with a number, 0 to 15"))?;
                let method = method_of(method).ok_or_else(|| told("the method is sha256, sha1 or md5"))?;
                let digest = digest_of(digest).ok_or_else(|| told("a key has 64 hexadecimal digits"))?;
                let added = ring.add_derived(id, method, digest);
                added.map_err(|error| (number, error.to_string()))?;
            }
            _ => {
                return Err(told(
                    "this is no line of a key file: make it with `ovzha witness-key` on a node",
                ));
            }
        }
    }
    let Some((id, number)) = signing else {
        return Err((1, "`auth` is missing: which key signs".to_owned()));
    };
    ring.sign_with(id).map_err(|error| (number, error.to_string()))?;
    Ok(ring)
}

fn key_id(word: &str) -> Option<KeyId> {
    word.parse().ok().filter(|id| *id < 16).map(KeyId)
}

fn method_of(word: &str) -> Option<Method> {
    [Method::Sha256, Method::Sha1, Method::Md5]
        .into_iter()
        .find(|method| method.name() == word)
}

fn digest_of(word: &str) -> Option<[u8; 32]> {
    if word.len() != 64 || !word.is_ascii() {
        return None;
    }
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(word.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ovzha_core::auth::Domain;

    fn ring() -> Keyring {
        let mut ring = Keyring::new(Domain::Witness);
        ring.add(KeyId(1), Method::Sha256, b"a secret").unwrap();
        ring.add(KeyId(3), Method::Md5, b"an old one").unwrap();
        ring.sign_with(KeyId(1)).unwrap();
        ring
    }

    #[test]
    fn what_a_node_prints_a_witness_reads() {
        let text = render(&ring());
        assert!(!text.contains("secret"), "{}", text.as_str());
        let read = parse(&text).unwrap();
        assert!(read == ring(), "the same keys");
        assert_eq!(read.tag(KeyId(3), b"bytes"), ring().tag(KeyId(3), b"bytes"));
    }

    #[test]
    fn what_is_no_key_file_is_refused_with_its_line() {
        let key = "a".repeat(64);
        let why = |text: &str| parse(text).map(|_| ()).unwrap_err();
        assert_eq!(why(""), (1, "`auth` is missing: which key signs".to_owned()));
        assert_eq!(why(&format!("auth 1\n2 sha256 {key}")).0, 1);
        assert_eq!(
            why(&format!("auth 1\n1 crc {key}")),
            (2, "the method is sha256, sha1 or md5".to_owned())
        );
        assert_eq!(
            why("auth 1\n1 sha256 abc"),
            (2, "a key has 64 hexadecimal digits".to_owned())
        );
        assert_eq!(
            why(&format!("auth 1\n1 md5 {key}\n1 md5 {key}")),
            (3, "key number used twice".to_owned())
        );
        assert_eq!(why("auth 1\nauth 2").0, 2);
        assert_eq!(why("auth 16").0, 1);
        assert_eq!(why("auth 1\n1 sha256 key with blanks").0, 2);
    }
}
