//! Any bytes at all: no parser panics, every problem has a line of the file, every refusal has an error.

use std::path::Path;

use ovzha_core::time::Span;
use ovzha_host::diagnostic::Diagnostic;
use ovzha_host::{authkeys, ha_cf, haresources, ovzha_cf};

const SEED: u64 = 0x6f76_7a68_6121;
const ROUNDS: u32 = 20_000;

/// Pieces that reach deep into the parsers.
const PIECES: [&[u8]; 47] = [
    b"node",
    b"ucast",
    b"serial",
    b"keepalive",
    b"deadtime",
    b"warntime",
    b"initdead",
    b"udpport",
    b"baud",
    b"ping",
    b"respawn",
    b"auto_failback",
    b"bcast",
    b"logfile",
    b"auth",
    b"sha1",
    b"crc",
    b"datadisk",
    b"Filesystem",
    b"vz",
    b"MailTo",
    b"timeout",
    b"stop-budget",
    b"::",
    b" ",
    b"\t",
    b",",
    b"\n",
    b"\r\n",
    b"\\\n",
    b"\\",
    b"#",
    b"a",
    b"b",
    b"/dev/x",
    b"10.0.0.1",
    b"eth0",
    b"0",
    b"1",
    b"15",
    b"99999999999999999999",
    b".5",
    b"ms",
    b"\xff\x00",
    b"node a b\nserial /dev/x\n",
    b"auth 1\n1 crc\n",
    b"a vz\n",
];

/// Knuth's linear congruential generator; the high half is the useful one.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % bound
    }

    fn file(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let raw = self.below(4) == 0;
        let most = self.below(60) + 1;
        for _ in 0..self.below(most) {
            if raw {
                bytes.extend(u8::try_from(self.below(256)));
            } else {
                bytes.extend_from_slice(PIECES[self.below(PIECES.len())]);
                if self.below(3) > 0 {
                    bytes.push(b' ');
                }
            }
        }
        bytes
    }
}

fn check(bytes: &[u8], diagnostics: &[Diagnostic]) {
    let lines = u32::try_from(bytes.split(|&b| b == b'\n').count()).unwrap_or(u32::MAX);
    for diagnostic in diagnostics {
        let line = diagnostic.line.unwrap_or(0);
        assert!((1..=lines).contains(&line), "{diagnostic} in {bytes:?}");
        assert!(
            !diagnostic.text.chars().any(char::is_control),
            "{diagnostic:?} in {bytes:?}"
        );
        assert!(diagnostic.text.len() < 1000, "{diagnostic} in {bytes:?}");
    }
}

#[test]
fn no_bytes_make_a_parser_panic() {
    let mut random = Random(SEED);
    let path = Path::new("file");
    let nodes = ["a".to_owned(), "b".to_owned()];
    let mut accepted = [0_u32; 4];
    for _ in 0..ROUNDS {
        let bytes = random.file();
        let ha_cf = ha_cf::parse(path, &bytes);
        let keys = authkeys::parse(path, &bytes);
        let groups = haresources::parse(path, &bytes, &nodes);
        let settings = ovzha_cf::parse(path, &bytes, Some(Span::from_secs(30)));
        let all = [
            &ha_cf.diagnostics,
            &keys.diagnostics,
            &groups.diagnostics,
            &settings.diagnostics,
        ];
        for (diagnostics, accepted) in all.into_iter().zip(&mut accepted) {
            check(&bytes, diagnostics);
            *accepted += u32::from(!diagnostics.iter().any(Diagnostic::is_error));
        }
        // What is accepted is whole.
        if !keys.diagnostics.iter().any(Diagnostic::is_error) {
            assert!(
                keys.value.keys.iter().any(|key| key.id == keys.value.signing),
                "{bytes:?}"
            );
        }
        if !groups.diagnostics.iter().any(Diagnostic::is_error) {
            assert!(
                !groups.value.is_empty() && groups.value.iter().all(|group| !group.resources.is_empty()),
                "{bytes:?}"
            );
        }
        if !ha_cf.diagnostics.iter().any(Diagnostic::is_error) {
            assert!(
                ha_cf.value.nodes.len() == 2 && !ha_cf.value.links.is_empty(),
                "{bytes:?}"
            );
        }
    }
    // Every parser was taken to its end now and then.
    assert!(accepted.iter().all(|&count| count > 0), "{accepted:?}");
}

/// Takes the article's files and damages one byte at a time.
#[test]
fn one_damaged_byte_never_makes_a_parser_panic() {
    let mut random = Random(SEED);
    let path = Path::new("file");
    let ha_cf = include_bytes!("files/article/ha.cf");
    for at in 0..ha_cf.len() {
        for _ in 0..4 {
            let mut bytes = ha_cf.to_vec();
            bytes[at] = u8::try_from(random.below(256)).unwrap_or_default();
            check(&bytes, &ha_cf::parse(path, &bytes).diagnostics);
            check(&bytes, &haresources::parse(path, &bytes, &[]).diagnostics);
            check(&bytes, &authkeys::parse(path, &bytes).diagnostics);
        }
        let cut = &ha_cf[..at];
        check(cut, &ha_cf::parse(path, cut).diagnostics);
    }
}
