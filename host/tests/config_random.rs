//! Files of the published kind, made up: each is accepted, or every problem has a line of it, and no parser panics.
//!
//! The same files come at every run; `.ci/run fuzz` is what looks for new ones.

use std::path::Path;

use ovzha_core::watchdog::Watchdog;
use ovzha_host::config::{Config, Files};
use ovzha_host::diagnostic::Diagnostic;
use ovzha_host::{authkeys, core_config, ha_cf, haresources, ovzha_cf};
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestRng, TestRunner};

#[cfg(test)]
mod make {
    //! Strategies for lines and files.

    use ovzha_host::ha_cf::directives::DIRECTIVES;
    use ovzha_host::ovzha_cf::settings::SETTINGS;
    use proptest::prelude::*;
    use proptest::sample::select;

    const VALUES: &[&str] = &[
        "1",
        "2",
        "10",
        "30",
        "120",
        "0",
        "500ms",
        "250000us",
        "5s",
        "2m",
        ".5",
        "1.2.3",
        "86401",
        "-1",
        "on",
        "off",
        "yes",
        "legacy",
        "none",
        "local0",
        "local10",
        "eth0",
        "eth0:1",
        "eth0,",
        "bond0.7",
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.300",
        "225.0.0.1",
        "694",
        "fd00::1",
        "/dev/ttyS0",
        "/dev/watchdog",
        "/var/log/ha-log",
        "ha-log",
        "a",
        "b",
        "NODE-A",
        "node_b",
        "hacluster",
        "/usr/lib/heartbeat/ipfail",
        "/usr/lib/heartbeat/dopd",
        "uid=hacluster",
        "19200",
        "99999999999999999999",
        "classic",
        "time",
        "$NODE",
        "{{ ip }}",
        "<address>",
        "\u{fc}\u{df}",
        "\u{7}",
        "x=y",
        "\\",
    ];
    const RESOURCES: &[&str] = &[
        "datadisk::r0",
        "drbddisk::r1",
        "drbddisk",
        "drbddisk::all",
        "Filesystem::/dev/drbd0::/vz::ext3",
        "Filesystem::/dev/drbd1::/srv::ext4::noatime,ro",
        "Filesystem::/dev/drbd0::/vz",
        "vz",
        "MailTo::root@localhost",
        "MailTo::a@b,c@d::moved",
        "MailTo::",
        "IPaddr::10.0.0.5/24/eth0",
        "10.0.0.6",
        "10.0.0.7/24/eth0:1/10.0.0.255",
        "mysqld",
        "apache::/etc/httpd.conf",
        "LVM::vg0",
        "::",
        "\"quoted words\"",
        "\\",
    ];
    const KEYS: &[&str] = &[
        "auth 1",
        "auth 2",
        "auth",
        "a 1",
        "1 sha1 0123456789abcdef",
        "1 crc",
        "2 md5 Hello!",
        "2 crc key",
        "3 sha256 x",
        "3 sha3 x",
        "16 sha1 x",
        "1 sha1",
        "sha1 1 x",
        "1 sha1 two words",
    ];

    fn ending() -> impl Strategy<Value = &'static str> {
        prop_oneof![8 => Just("\n"), 1 => Just("\r\n"), 1 => Just(" \n"), 1 => Just(" # comment\n"), 1 => Just("\\\n"), 1 => Just("")]
    }

    fn words(from: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
        let gap = prop_oneof![6 => Just(" "), 1 => Just("\t"), 1 => Just(", "), 1 => Just(",")];
        proptest::collection::vec((gap, select(from)), 0..=most)
            .prop_map(|words| words.iter().flat_map(|(gap, word)| [*gap, *word]).collect())
    }

    /// Examples as they are, and names with any values.
    fn directive() -> impl Strategy<Value = String> {
        let examples: Vec<&str> = DIRECTIVES
            .iter()
            .map(|row| row.example)
            .filter(|line| !line.is_empty())
            .collect();
        let names: Vec<&str> = DIRECTIVES.iter().map(|row| row.name).collect();
        prop_oneof![
            2 => select(examples).prop_map(str::to_owned),
            2 => (select(names), words(VALUES, 3)).prop_map(|(name, values)| format!("{name}{values}")),
            1 => Just("node a b".to_owned()),
            1 => Just("serial /dev/ttyS0".to_owned()),
        ]
    }

    fn setting() -> impl Strategy<Value = String> {
        let examples: Vec<&str> = SETTINGS.iter().map(|row| row.example).collect();
        let names: Vec<&str> = SETTINGS.iter().map(|row| row.name).collect();
        prop_oneof![
            1 => select(examples).prop_map(str::to_owned),
            1 => (select(names), words(VALUES, 3)).prop_map(|(name, values)| format!("{name}{values}")),
        ]
    }

    fn group() -> impl Strategy<Value = String> {
        (select(&["a", "b", "A", "c"][..]), words(RESOURCES, 5)).prop_map(|(node, rest)| format!("{node}{rest}"))
    }

    /// A beginning that is good, or none; then some lines of one kind, and now and then anything at all.
    fn file(good: &'static str, line: BoxedStrategy<String>) -> BoxedStrategy<Vec<u8>> {
        let line = (line, ending()).prop_map(|(text, end)| (text + end).into_bytes());
        let noise = proptest::collection::vec(any::<u8>(), 0..40);
        let comment = Just(b"# comment \xfc\n".to_vec());
        let piece = prop_oneof![30 => line, 1 => noise, 4 => comment, 4 => Just(b"\n".to_vec())];
        let begin = prop_oneof![3 => Just(good), 1 => Just("")];
        (begin, proptest::collection::vec(piece, 0..4))
            .prop_map(|(begin, pieces)| [begin.as_bytes(), &pieces.concat()].concat())
            .boxed()
    }

    /// `ha.cf`, `authkeys`, `haresources` and `ovzha.cf` of one cluster; one of them may stand in another's place.
    pub fn cluster() -> impl Strategy<Value = [Vec<u8>; 4]> {
        let keys = select(KEYS).prop_map(str::to_owned);
        let files = (
            file("node a b\nserial /dev/ttyS0\n", directive().boxed()),
            file("auth 1\n1 sha1 0123456789abcdef\n", keys.boxed()),
            file("a drbddisk::r9\n", group().boxed()),
            file("", setting().boxed()),
        );
        (files, 0..40_usize).prop_map(|((a, b, c, d), turn)| {
            let mut files = [a, b, c, d];
            files.rotate_left(if turn < 4 { turn } else { 0 });
            files
        })
    }
}

/// Whether the file is accepted; what is not is told, with its line.
fn accepted(bytes: &[u8], diagnostics: &[Diagnostic]) -> bool {
    let lines = u32::try_from(bytes.split(|&b| b == b'\n').count()).unwrap_or(u32::MAX);
    for diagnostic in diagnostics {
        let line = diagnostic.line.unwrap_or(0);
        assert!((1..=lines).contains(&line), "{diagnostic}");
        assert!(!diagnostic.text.chars().any(char::is_control), "{diagnostic:?}");
        assert!(diagnostic.text.len() < 1000, "{diagnostic}");
    }
    !diagnostics.iter().any(Diagnostic::is_error)
}

/// What the four parsers make of a cluster, in the order of the files.
fn read([first, second, third, fourth]: &[Vec<u8>; 4]) -> [bool; 4] {
    let path = Path::new("file");
    let ha_cf = ha_cf::parse(path, first);
    let keys = authkeys::parse(path, second);
    let groups = haresources::parse(path, third, &["a".to_owned(), "b".to_owned()]);
    let settings = ovzha_cf::parse(path, fourth, Some(ovzha_cf::watchdog::Heartbeat::from(&ha_cf.value)));
    let good = [
        accepted(first, &ha_cf.diagnostics),
        accepted(second, &keys.diagnostics),
        accepted(third, &groups.diagnostics),
        accepted(fourth, &settings.diagnostics),
    ];
    if good[1] {
        assert!(core_config::keyring(&keys.value).is_ok());
    }
    let names: Vec<&str> = ha_cf.value.nodes.iter().map(|node| node.value.as_str()).collect();
    if good == [true; 4] && names.contains(&"a") && names.contains(&"b") {
        // what is accepted is whole: the core takes it
        let files = Files {
            dir: path.to_path_buf(),
            ha_cf: ha_cf.value,
            keys: keys.value,
            groups: groups.value,
            settings: settings.value,
        };
        let config = Config::new(files, "a");
        let core = config.map(|config| {
            let watchdog = config
                .settings
                .watchdog()
                .map(|(_, timeout)| Watchdog { timeout, stays: false });
            core_config::core_config(&config, false, watchdog).map(|_| ())
        });
        assert_eq!(core, Ok(Ok(())));
    }
    good
}

fn runner(cases: u32) -> TestRunner {
    let config = Cases {
        cases,
        failure_persistence: None,
        ..Cases::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn any_published_like_file_is_accepted_or_told_with_its_line() {
    let taken = std::cell::Cell::new([0_u32; 5]);
    let outcome = runner(2000).run(&make::cluster(), |files| {
        let mut count = taken.get();
        let good = read(&files);
        let all = good == [true; 4];
        for (count, good) in count.iter_mut().zip(good.into_iter().chain([all])) {
            *count += u32::from(good);
        }
        taken.set(count);
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    // every parser, and the core, was taken to its end now and then
    assert!(taken.get().iter().all(|&count| count > 5), "{:?}", taken.get());
}

#[test]
fn any_bytes_are_accepted_or_told_with_their_line() {
    let outcome = runner(500).run(&proptest::collection::vec(any::<u8>(), 0..200), |bytes| {
        read(&[bytes.clone(), bytes.clone(), bytes.clone(), bytes]);
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

/// The article's file with one byte damaged, and cut off anywhere.
#[test]
fn one_damaged_byte_is_accepted_or_told_with_its_line() {
    let article = include_bytes!("files/article/ha.cf");
    let damage = (0..article.len(), any::<u8>(), any::<bool>());
    let outcome = runner(500).run(&damage, |(at, byte, cut)| {
        let mut bytes = article.to_vec();
        bytes[at] = byte;
        bytes.truncate(if cut { at } else { bytes.len() });
        read(&[bytes.clone(), bytes.clone(), bytes.clone(), bytes]);
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}
