//! Keys: what is refused, what a tag depends on, and that no key is ever shown.

#[cfg(test)]
mod tests {
    use ovzha_core::auth::{Domain, KEY_TEXT_MAX, KeyError, Keyring, Method, same};
    use ovzha_core::id::KeyId;

    const METHODS: [Method; 4] = [Method::Crc, Method::Md5, Method::Sha1, Method::Sha256];
    const DOMAINS: [Domain; 3] = [Domain::Node, Domain::Witness, Domain::Board];

    fn ring(domain: Domain, method: Method, text: &[u8]) -> Keyring {
        let mut ring = Keyring::new(domain);
        ring.add(KeyId(1), method, text).unwrap();
        ring.sign_with(KeyId(1)).unwrap();
        ring
    }

    #[test]
    fn bad_keys_are_refused_and_leave_the_ring_alone() {
        let mut ring = Keyring::new(Domain::Node);
        let empty = ring.clone();
        let long = [b'k'; KEY_TEXT_MAX + 1];
        assert_eq!(ring.add(KeyId(16), Method::Sha1, b"HI!"), Err(KeyError::Number));
        assert_eq!(ring.add(KeyId(1), Method::Sha1, b""), Err(KeyError::Empty));
        assert_eq!(ring.add(KeyId(1), Method::Sha1, &long), Err(KeyError::TooLong));
        assert_eq!(ring.sign_with(KeyId(1)), Err(KeyError::Unknown));
        assert_eq!(ring, empty);
        assert_eq!(ring.add(KeyId(1), Method::Sha1, &long[1..]), Ok(()));
        assert_eq!(ring.add(KeyId(1), Method::Crc, b""), Err(KeyError::Twice));
        assert_eq!(ring.add(KeyId(2), Method::Crc, b""), Ok(()));
        assert_eq!(ring.signing(), None);
        assert_eq!(ring.sign_with(KeyId(3)), Err(KeyError::Unknown));
        assert_eq!(ring.sign_with(KeyId(2)), Ok(()));
        assert_eq!(ring.signing(), Some(KeyId(2)));
        assert_eq!(ring.method(KeyId(1)), Some(Method::Sha1));
        assert_eq!(ring.method(KeyId(16)), None);
    }

    #[test]
    fn all_sixteen_numbers_can_be_used() {
        let mut ring = Keyring::new(Domain::Node);
        let mut tags = Vec::new();
        for id in 0..16 {
            ring.add(KeyId(id), Method::Sha256, &[b'a' + id]).unwrap();
            tags.push(ring.tag(KeyId(id), b"frame").unwrap());
        }
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), 16);
    }

    #[test]
    fn a_tag_depends_on_domain_method_key_and_bytes() {
        let mut tags = Vec::new();
        for domain in DOMAINS {
            for method in METHODS {
                let ring = ring(domain, method, b"HI!");
                tags.push(ring.tag(KeyId(1), b"frame").unwrap());
                tags.push(ring.tag(KeyId(1), b"frane").unwrap());
            }
        }
        for method in [Method::Md5, Method::Sha1, Method::Sha256] {
            tags.push(ring(Domain::Node, method, b"HI?").tag(KeyId(1), b"frame").unwrap());
        }
        let all = tags.len();
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), all);
    }

    #[test]
    fn crc_is_no_secret_and_fills_four_bytes() {
        let crc = ring(Domain::Node, Method::Crc, b"");
        assert!(!crc.secret());
        assert!(crc.tag(KeyId(1), b"frame").unwrap()[4..].iter().all(|b| *b == 0));
        let mut mixed = ring(Domain::Node, Method::Sha1, b"HI!");
        assert!(mixed.secret());
        mixed.add(KeyId(2), Method::Crc, b"").unwrap();
        assert!(!mixed.secret());
        assert!(METHODS.iter().all(|m| m.secret() == (*m != Method::Crc)));
    }

    #[test]
    fn debug_shows_methods_and_no_key() {
        let ring = ring(Domain::Node, Method::Sha1, b"secret");
        assert_eq!(
            format!("{ring:?}"),
            r#"{"domain": Node, 1: Sha1, "signing": Some(KeyId(1))}"#
        );
    }

    #[test]
    fn same_sees_every_bit() {
        let tag = [0x5a; 16];
        assert!(same(&tag, &tag));
        for bit in 0..128 {
            let mut other = tag;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!same(&tag, &other));
        }
    }
}
