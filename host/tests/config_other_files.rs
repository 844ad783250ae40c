//! `authkeys` and `haresources`: what they accept, and what they say with its line when they do not.

use std::path::Path;

use ovzha_core::auth::Method;
use ovzha_host::authkeys;
use ovzha_host::haresources;

fn keys(text: &[u8]) -> Vec<String> {
    let parsed = authkeys::parse(Path::new("authkeys"), text);
    let shown = format!("{parsed:?}");
    assert!(!shown.contains("s3cret"), "a key is shown: {shown}");
    parsed.diagnostics.iter().map(ToString::to_string).collect()
}

fn resources(text: &str) -> Vec<String> {
    let nodes = ["a".to_owned(), "b".to_owned()];
    haresources::parse(Path::new("haresources"), text.as_bytes(), &nodes)
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn words(text: &str) -> Vec<String> {
    haresources::parse(Path::new("haresources"), text.as_bytes(), &[])
        .value
        .iter()
        .flat_map(|group| &group.resources)
        .map(|resource| format!("{}@{}", resource.word(), resource.line))
        .collect()
}

#[test]
fn keys_of_all_methods() {
    let text = b"# keys\r\n\n auth 3\r\n0 crc\n1 md5 s3cret\n2 sha1 s3cret\n 3\tsha256  s3cret#with-hash\n15 sha1 \xff\xfes3cret\n";
    let parsed = authkeys::parse(Path::new("authkeys"), text);
    let all: Vec<(u8, Method, &[u8], u32)> = parsed
        .value
        .keys
        .iter()
        .map(|key| (key.id.0, key.method, key.secret.bytes(), key.line))
        .collect();
    assert_eq!(
        all,
        [
            (0, Method::Crc, &b""[..], 4),
            (1, Method::Md5, &b"s3cret"[..], 5),
            (2, Method::Sha1, &b"s3cret"[..], 6),
            (3, Method::Sha256, &b"s3cret#with-hash"[..], 7),
            (15, Method::Sha1, &b"\xff\xfes3cret"[..], 8),
        ]
    );
    assert_eq!(parsed.value.signing.0, 3);
    assert_eq!(
        keys(text),
        ["authkeys:4: warning: key 0: crc keeps nobody out; only for a cable nobody else can reach"]
    );
}

#[test]
fn key_lines_that_are_wrong_never_show_the_key() {
    for (text, problem) in [
        ("1 sha1 s3cret", "1: error: no line `auth N` says which key signs"),
        ("auth 1", "1: error: key 1 is named, but has no line of its own"),
        ("auth", "1: error: `auth` needs the number of a key, 0 to 15"),
        (
            "auth 1\n1 s3cret",
            "2: error: key 1: unknown method (known: crc, md5, sha1, sha256)",
        ),
        (
            "auth 1\n1 SHA1 s3cret",
            "2: error: key 1: unknown method (known: crc, md5, sha1, sha256)",
        ),
        (
            "auth 1\n1",
            "2: error: key 1: the method is missing (crc, md5, sha1, sha256)",
        ),
        ("auth 1\n1 sha1", "2: error: key 1: the key itself is missing"),
        ("auth 1\n1 crc s3cret", "2: error: key 1: crc takes no key"),
        (
            "auth 1\n1 sha1 s3cret\n1 md5 s3cret",
            "3: error: key 1 stands already on line 2",
        ),
        (
            "auth 1\n1 sha1 s3cret\n16 md5 s3cret",
            "3: error: a key's number must be from 0 to 15",
        ),
        (
            "auth 1\n1 sha1 s3cret\ns3cret",
            "3: error: neither `auth N` nor `N METHOD KEY`",
        ),
        (
            "1 sha1 s3cret\nauth 1",
            "2: error: `auth 1` must stand above the line of key 1 (line 1)",
        ),
        (
            "auth 1\n1 sha1 s3cret and more",
            "2: warning: key 1: the key is one word; what follows it is not part of it",
        ),
        (
            "auth 2\nauth 1\n1 sha1 s3cret",
            "2: warning: replaces the `auth` of line 1: the last one counts",
        ),
        ("a 1\n1 sha1 s3cret", "1: warning: taken for `auth`, as Heartbeat does"),
        (
            "auth 1\n1 sha1 Hello!",
            "2: warning: key 1: this key stands in published examples; make an own one",
        ),
        (
            "auth 1\n1 sha1 s3\0cret",
            "2: error: NUL byte: the file is not plain text",
        ),
    ] {
        let found = keys(text.as_bytes());
        assert!(found.contains(&format!("authkeys:{problem}")), "{text:?}: {found:#?}");
        let errors = found.iter().filter(|line| line.contains("error")).count();
        assert_eq!(errors, usize::from(problem.contains("error")), "{text:?}: {found:#?}");
    }
    let long = format!("auth 1\n1 sha1 {}", "s3cret".repeat(43));
    assert_eq!(
        keys(long.as_bytes()),
        ["authkeys:2: error: key 1: longer than 255 bytes"]
    );
}

#[test]
fn a_group_may_go_over_several_lines() {
    let text = "# the group\n\n a\tdatadisk::r0 \\\r\n   Filesystem::/dev/drbd0::/vz::ext3::noatime\\\n\n";
    assert_eq!(
        words(text),
        ["datadisk::r0@3", "Filesystem::/dev/drbd0::/vz::ext3::noatime@4"]
    );
    assert_eq!(resources(text), [""; 0]);
    // A comment ends the group: its backslash joins nothing.
    assert_eq!(words("a vz # \\\nb datadisk::r0"), ["vz@1", "datadisk::r0@2"]);
}

#[test]
fn a_comment_on_a_continuation_line_is_a_comment_but_told() {
    let text = "a datadisk::r0 \\\n  vz # MailTo::x\n";
    assert_eq!(words(text), ["datadisk::r0@1", "vz@2"]);
    assert_eq!(
        resources(text),
        ["haresources:2: warning: a comment on a continuation line: Heartbeat takes its words for resources"]
    );
}

/// A file, and the problem it gets, with its line.
const WRONG_RESOURCES: &[(&str, &str)] = &[
    ("", "1: error: no resource group: a line is `NODE RESOURCE...`"),
    ("a", "1: error: node `a` has no resource on its line"),
    ("c vz", "1: error: node `c` is none of ha.cf (a, b)"),
    (
        "a vz\nb datadisk::r0 vz",
        "2: error: resource `vz` stands already on line 1",
    ),
    (
        "a datadisk::r0\nb MailTo::x drbddisk::r0",
        "2: error: DRBD resource `r0` stands already on line 1",
    ),
    (
        "a MailTo::x vz\n\nb MailTo::x datadisk::r0",
        "3: error: `MailTo::x` begins the group of line 1 already: a group is called by its first resource",
    ),
    (
        "a Filesystem::/dev/drbd0::/vz::ext3\nb Filesystem::/dev/drbd1::/vz/home::ext3",
        "2: error: mount point `/vz/home` lies below `/vz` of another group, line 1",
    ),
    (
        "a Filesystem::/dev/drbd0::/vz/home::ext3\nb Filesystem::/dev/drbd1::/vz::ext3",
        "1: error: mount point `/vz/home` lies below `/vz` of another group, line 2",
    ),
    ("a vz \\\n vz", "2: error: resource `vz` stands already on line 1"),
    (
        "a datadisk::r0 drbddisk::r0",
        "1: error: DRBD resource `r0` stands already on line 1",
    ),
    (
        "a Filesystem::/dev/drbd0::/vz::ext3 Filesystem::/dev//drbd0::/b::ext3",
        "1: error: device `/dev/drbd0` stands already on line 1",
    ),
    (
        "a Filesystem::/dev/drbd0::/vz::ext3 Filesystem::/dev/drbd1::/vz/::ext3",
        "1: error: mount point `/vz` stands already on line 1",
    ),
    (
        "a ../apache",
        "1: error: `../apache` is no name of a script (letters, digits, `-_.+@`)",
    ),
    (
        "a startstop",
        "1: error: `startstop` is called at the cluster's start and stop, it is no resource",
    ),
    ("a apache::80::", "1: error: apache: argument 2 is empty"),
    (
        "a apache::80\nb apache::80",
        "2: error: resource `apache::80` stands already on line 1",
    ),
    (
        "a 10.0.0.300/24/eth0",
        "1: error: IPaddr: `10.0.0.300` is no IPv4 address (names are not looked up)",
    ),
    (
        "a IPaddr::10.0.0.1::eth0",
        "1: error: IPaddr needs exactly one argument: IPaddr::ADDRESS[/MASK][/DEVICE][/BROADCAST]",
    ),
    (
        "a 10.0.0.1/24/eth0 vz\nb IPaddr2::10.0.0.1",
        "2: error: address `10.0.0.1` stands already on line 1",
    ),
    (
        "a datadisk",
        "1: error: datadisk needs exactly one argument: datadisk::RESOURCE",
    ),
    (
        "a drbddisk::r0::r1",
        "1: error: drbddisk needs exactly one argument: drbddisk::RESOURCE",
    ),
    (
        "a drbddisk::all",
        "1: error: drbddisk: `all` is no name of one DRBD resource",
    ),
    (
        "a drbddisk::$(x)",
        "1: error: drbddisk: `$(x)` is no name of one DRBD resource",
    ),
    (
        "a drbddisk::--force",
        "1: error: drbddisk: `--force` would be taken for an option",
    ),
    ("a drbddisk::", "1: error: drbddisk: argument 1 is empty"),
    (
        "a Filesystem::/dev/drbd0::/vz",
        "1: error: Filesystem needs Filesystem::DEVICE::MOUNTPOINT::TYPE, and may have ::OPTIONS",
    ),
    (
        "a Filesystem::drbd0::/vz::ext3",
        "1: error: Filesystem: `drbd0` is no absolute path below /",
    ),
    (
        "a Filesystem::/dev/drbd0::/::ext3",
        "1: error: Filesystem: `/` is no absolute path below /",
    ),
    (
        "a Filesystem::/dev/drbd0::/vz/../etc::ext3",
        "1: error: Filesystem: `/vz/../etc` is no absolute path below /",
    ),
    (
        "a Filesystem::/dev/drbd0::/vz::ext3;x",
        "1: error: Filesystem: `ext3;x` is no file system type",
    ),
    ("a vz::1", "1: error: vz takes no argument"),
    (
        "a MailTo",
        "1: error: MailTo needs MailTo::ADDRESS[,ADDRESS...], and may have ::SUBJECT",
    ),
    ("a MailTo::x,,y", "1: error: MailTo: `` is no mail address"),
    ("a MailTo::x@y,-bd", "1: error: MailTo: `-bd` is no mail address"),
    ("a vz \\", "1: error: the file ends in a `\\` that joins nothing"),
    (
        "a vz \\ \nb",
        "1: error: `\\`: a `\\` joins lines only as the last byte of a line",
    ),
    ("a v\u{7}z", "1: error: control character \\u{7} in the line"),
    ("@ vz", "1: error: `@` is no node name (letters, digits, `-`, `_`, `.`)"),
];

#[test]
fn an_address_may_stand_alone() {
    let text = "a 10.0.0.1/24/eth0/10.0.0.255 IPaddr::10.0.0.2 datadisk::r0";
    let parsed = haresources::parse(Path::new("haresources"), text.as_bytes(), &[]);
    assert_eq!(parsed.diagnostics, []);
    let group = &parsed.value[0];
    assert_eq!(group.name(), "10.0.0.1/24/eth0/10.0.0.255");
    let [bare, named, _] = &group.resources[..] else {
        panic!("{group:?}")
    };
    assert_eq!(
        (bare.name.as_str(), &bare.args),
        ("IPaddr", &vec!["10.0.0.1/24/eth0/10.0.0.255".to_owned()])
    );
    assert_eq!(named.word(), "IPaddr::10.0.0.2");
}

#[test]
fn several_groups_each_with_its_own_node() {
    let text = "a datadisk::r0 Filesystem::/dev/drbd0::/vz::ext3 vz MailTo::x\n\
                b datadisk::r1 Filesystem::/dev/drbd1::/vz2::ext3 MailTo::x\n\
                b Filesystem::/dev/drbd2::/c::ext3 Filesystem::/dev/drbd3::/c/d::ext3\n";
    let parsed = haresources::parse(Path::new("haresources"), text.as_bytes(), &[]);
    assert_eq!(parsed.diagnostics, []);
    let groups: Vec<_> = parsed
        .value
        .iter()
        .map(|group| (group.node.as_str(), group.name()))
        .collect();
    assert_eq!(
        groups,
        [
            ("a", "datadisk::r0".to_owned()),
            ("b", "datadisk::r1".to_owned()),
            ("b", "Filesystem::/dev/drbd2::/c::ext3".to_owned()),
        ]
    );
}

#[test]
fn resource_lines_that_are_wrong() {
    for (text, problem) in WRONG_RESOURCES {
        let found = resources(text);
        assert!(
            found.contains(&format!("haresources:{problem}")),
            "{text:?}: {found:#?}"
        );
    }
    let long = format!("a MailTo::{}", "x".repeat(250));
    assert!(resources(&long)[0].ends_with("has 258 bytes, more than 255"));
    let many = (0..17)
        .map(|n| format!(" MailTo::user{n}"))
        .collect::<Vec<_>>()
        .concat();
    assert_eq!(
        resources(&format!("a{many}")),
        ["haresources:1: error: more than 16 resources in one group"]
    );
    let groups = (0..17)
        .map(|n| format!("a MailTo::user{n}\n"))
        .collect::<Vec<_>>()
        .concat();
    assert_eq!(
        resources(&groups).last().unwrap(),
        "haresources:17: error: more than 16 resource groups"
    );
}
