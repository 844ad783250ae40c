//! Frames written and read back.

#[cfg(test)]
mod tests {
    use ovzha_core::auth::{Domain, Keyring, Method};
    use ovzha_core::frame::{FrameBuf, Header, VERSION, open, peek, seal};
    use ovzha_core::id::{BootId, ClusterId, KeyId, LinkId, NodeId, Sequence};

    #[test]
    fn what_is_sealed_opens() {
        let mut keyring = Keyring::new(Domain::Node);
        keyring.add(KeyId(3), Method::Sha1, b"HI!").unwrap();
        keyring.sign_with(KeyId(3)).unwrap();
        let header = Header {
            version: VERSION,
            cluster: ClusterId([1, 2]),
            sender: NodeId(0),
            addressee: NodeId(1),
            link: LinkId(2),
            boot: BootId([9, 8, 7, 6]),
            sequence: Sequence(1),
        };
        let mut buf = FrameBuf::new();
        let bytes = seal(&header, b"sixteen bytes ok", &keyring, &mut buf).unwrap();
        assert_eq!(bytes.len(), 46);
        assert_eq!(peek(bytes), Ok(header));
        let opened = open(bytes, ClusterId([1, 2]), &keyring).unwrap();
        assert_eq!(
            (opened.header, opened.key, opened.body),
            (header, KeyId(3), b"sixteen bytes ok".as_slice())
        );
    }
}
