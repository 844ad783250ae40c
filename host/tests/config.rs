//! The three files of the article, and what `Config::load` makes of a directory.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use fixture::{ARTICLE, Dir, ip};
use ovzha_core::id::LinkId;
use ovzha_core::time::Span;
use ovzha_host::config::{self, Config};
use ovzha_host::ha_cf::LinkKind;
use ovzha_host::haresources::Resource;
use ovzha_host::meant;
use ovzha_host::ovzha_cf::Operation;
use ovzha_host::ways::Ways;

#[cfg(test)]
mod fixture {
    use std::fs;
    use std::net::IpAddr;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use ovzha_host::config::Config;

    pub const ARTICLE: [(&str, &str); 3] = [
        ("ha.cf", include_str!("files/article/ha.cf")),
        ("authkeys", include_str!("files/article/authkeys")),
        ("haresources", include_str!("files/article/haresources")),
    ];

    /// A configuration directory that is removed at the end of its test.
    pub struct Dir(PathBuf);

    impl Dir {
        pub fn article(test: &str) -> Self {
            let dir = Self(std::env::temp_dir().join(format!("ovzha-config-{test}-{}", std::process::id())));
            fs::create_dir_all(&dir.0).unwrap();
            fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o755)).unwrap();
            for (name, content) in ARTICLE {
                dir.write(name, content);
            }
            dir
        }

        pub fn write(&self, name: &str, content: &str) {
            fs::write(self.0.join(name), content).unwrap();
            self.mode(name, 0o600);
        }

        pub fn mode(&self, name: &str, mode: u32) {
            fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }

        pub fn path(&self) -> &Path {
            &self.0
        }

        /// All diagnostics of loading as ovz-node1, without the directory's name.
        pub fn diagnostics(&self) -> Vec<String> {
            let prefix = format!("{}/", self.0.display());
            Config::load(&self.0, Some("ovz-node1"))
                .diagnostics
                .iter()
                .map(|d| d.to_string().replace(&prefix, ""))
                .collect()
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    pub fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }
}

/// What Heartbeat's sets mean on either node (SPEC 6.5), and what only we know.
#[test]
fn the_groups_that_a_request_means() {
    let dir = Dir::article("meant");
    dir.write(
        "haresources",
        "ovz-node1 datadisk::r0\novz-node2 datadisk::r1\novz-node2 datadisk::r2\n",
    );
    let config = |node| Config::load(dir.path(), Some(node)).config.unwrap();
    let (one, two) = (config("ovz-node1"), config("ovz-node2"));
    let of = |config: &Config, takeover: bool, words: &str| {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        meant::groups(config, takeover, &words).map(|set| set.places().collect::<Vec<_>>())
    };
    for takeover in [false, true] {
        for (words, on_one, on_two) in [
            ("", vec![0, 1, 2], vec![0, 1, 2]),
            ("all", vec![0, 1, 2], vec![0, 1, 2]),
            ("local", vec![0], vec![1, 2]),
            ("foreign", vec![1, 2], vec![0]),
            ("2", vec![2], vec![2]),
            ("datadisk::r1", vec![1], vec![1]),
            ("local datadisk::r2", vec![0, 2], vec![1, 2]),
        ] {
            assert_eq!(of(&one, takeover, words), Ok(on_one), "{words}");
            assert_eq!(of(&two, takeover, words), Ok(on_two), "{words}");
        }
    }
    // each group goes where it belongs, whoever is asked
    assert_eq!(
        (of(&one, false, "failback"), of(&one, true, "failback")),
        (Ok(vec![1, 2]), Ok(vec![0]))
    );
    for (words, why) in [
        (
            "3",
            "no group is called `3`; known: datadisk::r0, datadisk::r1, datadisk::r2",
        ),
        (
            "local r1",
            "no group is called `r1`; known: datadisk::r0, datadisk::r1, datadisk::r2",
        ),
    ] {
        assert_eq!(of(&one, false, words), Err(why.to_owned()));
    }
    dir.write("haresources", "ovz-node1 datadisk::r0\n");
    assert_eq!(
        of(&config("ovz-node2"), false, "local"),
        Err("local: no group of haresources prefers ovz-node2".to_owned())
    );
}

#[test]
fn the_articles_files_load_on_both_nodes() {
    let dir = Dir::article("load");
    for (name, me) in [("ovz-node1", 0), ("OVZ-node2.example.org", 1)] {
        let loaded = Config::load(dir.path(), Some(name));
        let config = loaded.config.expect("no errors");
        assert_eq!(config.me, me);
        assert_eq!(config.me_in_file, me);
        assert_eq!(config.nodes, ["ovz-node1", "ovz-node2"]);
        assert_eq!(config.timings.keepalive, Span::from_secs(1));
        assert_eq!(config.timings.warntime, Span::from_secs(10));
        assert_eq!(config.timings.deadtime, Span::from_secs(30));
        assert_eq!(config.timings.initdead, Span::from_secs(120));
        assert_eq!(config.deadping, Span::from_secs(30));
        let pings: Vec<(&str, &[IpAddr])> = config
            .pings
            .iter()
            .map(|p| (p.name.as_str(), p.addresses.as_slice()))
            .collect();
        assert_eq!(pings, [("192.168.1.1", [ip("192.168.1.1")].as_slice())]);
        assert!(config.ipfail && !config.auto_failback && config.realtime);
        assert_eq!(config.log.facility, Some(3));
        assert_eq!(config.links.len(), 3);
        assert_eq!(
            config.links[0].kind,
            LinkKind::Unicast {
                device: "eth1".to_owned(),
                port: 694,
                addresses: vec![ip("192.168.255.1"), ip("192.168.255.2")],
            }
        );
        assert_eq!(
            config.links[2].kind,
            LinkKind::Serial {
                device: PathBuf::from("/dev/ttyS0"),
                baud: 19200,
            }
        );
        let words: Vec<String> = config.groups[0].resources.iter().map(Resource::word).collect();
        assert_eq!(
            words,
            [
                "datadisk::r0",
                "Filesystem::/dev/drbd0::/vz::ext3",
                "vz",
                "MailTo::youremail@yourdomain.tld"
            ]
        );
        assert_eq!(config.groups[0].preferred, 0);
        assert_eq!(config.timeout("vz", Operation::Start), None);
    }
    // The only remark: the key is the published one.
    assert_eq!(
        dir.diagnostics(),
        ["authkeys:2: warning: key 1: this key stands in published examples; make an own one"]
    );
}

#[test]
fn no_output_shows_the_key() {
    let dir = Dir::article("secret");
    let loaded = Config::load(dir.path(), Some("ovz-node1"));
    let shown = format!("{:?} {:?}", loaded.config, loaded.diagnostics);
    assert!(!shown.contains("PutYourSuperSecretKeyHere"));
}

#[test]
fn node_order_in_the_file_does_not_matter_for_the_index() {
    let dir = Dir::article("order");
    let swapped = ARTICLE[0]
        .1
        .replace("node ovz-node1\nnode ovz-node2", "node ovz-node2 ovz-node1");
    dir.write("ha.cf", &swapped);
    let config = Config::load(dir.path(), Some("ovz-node1")).config.unwrap();
    assert_eq!((config.me, config.me_in_file), (0, 1));
    assert_eq!((config.own_node(), config.peer_node()), ("ovz-node1", "ovz-node2"));
}

#[test]
fn digests_ignore_layout_and_follow_meaning() {
    let dir = Dir::article("digest");
    let load = || Config::load(dir.path(), Some("ovz-node1")).config.unwrap();
    let first = load();
    dir.write(
        "haresources",
        "# one group\r\n OVZ-node1\tdatadisk::r0 \\\n Filesystem::/dev/drbd0::/vz::ext3 vz\\\n  MailTo::youremail@yourdomain.tld # x\n",
    );
    dir.write(
        "ha.cf",
        &ARTICLE[0].1.replace("deadtime 30", "deadtime   30000ms # same"),
    );
    let same = load();
    assert_eq!(first.resources_digest, same.resources_digest);
    assert_eq!(first.timings_digest, same.timings_digest);
    dir.write("haresources", &ARTICLE[2].1.replace("ext3", "ext4"));
    dir.write("ha.cf", &ARTICLE[0].1.replace("deadtime 30", "deadtime 31"));
    let other = load();
    assert_ne!(first.resources_digest, other.resources_digest);
    assert_ne!(first.timings_digest, other.timings_digest);
}

#[test]
fn a_machine_that_is_no_node_is_told_so() {
    let dir = Dir::article("stranger");
    let loaded = Config::load(dir.path(), Some("laptop"));
    assert!(loaded.config.is_none());
    let last = loaded.diagnostics.last().unwrap().to_string();
    assert!(last.ends_with(
        "ha.cf: error: this machine calls itself `laptop` (uname -n), which is no node of ha.cf (ovz-node1, ovz-node2)"
    ));
    assert!(config::read_files(dir.path()).files.is_some());
}

#[test]
fn files_that_others_can_change_or_read_are_refused() {
    let dir = Dir::article("modes");
    dir.mode("authkeys", 0o644);
    dir.mode("ha.cf", 0o664);
    fs::remove_file(dir.path().join("haresources")).unwrap();
    symlink("/dev/null", dir.path().join("haresources")).unwrap();
    dir.mode("", 0o777);
    assert_eq!(
        dir.diagnostics()[1..],
        [
            "ha.cf: error: mode 0664: group or others can write it (chmod go-w)",
            "authkeys: error: mode 0644: group or others can use it; 600 recommended (chmod 600)",
            "haresources: error: is a symbolic link; the file itself must stand here",
        ]
    );
    assert!(dir.diagnostics()[0].ends_with("error: mode 0777: group or others can write it (chmod go-w)"));
}

#[test]
fn missing_files_are_all_named() {
    let dir = Dir::article("missing");
    for (name, _) in ARTICLE {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    assert_eq!(
        dir.diagnostics(),
        ["ha.cf", "authkeys", "haresources"].map(|name| format!("{name}: error: there is no such file"))
    );
}

#[test]
fn a_fifo_or_a_huge_file_is_refused_at_once() {
    let dir = Dir::article("huge");
    dir.write("haresources", &"#".repeat((1 << 20) + 1));
    fs::remove_file(dir.path().join("ha.cf")).unwrap();
    let made = Command::new("mkfifo")
        .arg("-m600")
        .arg(dir.path().join("ha.cf"))
        .status();
    assert!(made.unwrap().success());
    assert_eq!(
        dir.diagnostics(),
        [
            "ha.cf: error: is no regular file",
            "authkeys:2: warning: key 1: this key stands in published examples; make an own one",
            "haresources: error: is larger than 1048576 bytes"
        ]
    );
}

#[test]
fn ovzha_cf_sets_timeouts() {
    let dir = Dir::article("ovzha-cf");
    dir.write(
        "ovzha.cf",
        "# ours\ntimeout vz stop 600\ntimeout Filesystem start 1.5\nstop-budget 8\n",
    );
    let config = Config::load(dir.path(), Some("ovz-node1")).config.unwrap();
    assert_eq!(config.timeout("vz", Operation::Stop), Some(Span::from_secs(600)));
    assert_eq!(
        config.timeout("Filesystem", Operation::Start),
        Some(Span::from_millis(1500))
    );
    assert_eq!(config.settings.stop_budget(), Some(Span::from_secs(8)));
    dir.write(
        "ovzha.cf",
        "timeout ../nfs stop 1\ntimeout vz restart 1\nstop-budget 0\nwitness x\nwatness y\n",
    );
    assert_eq!(
        dir.diagnostics()[1..],
        [
            "ovzha.cf:1: error: timeout: `../nfs` is no name of a script (letters, digits, `-_.+@`)",
            "ovzha.cf:2: error: timeout: `restart` is neither start, stop nor monitor",
            "ovzha.cf:3: error: stop-budget: the time must be longer than zero",
            "ovzha.cf:4: error: `witness` needs serial DEVICE [BAUD] | udp ADDRESS[:PORT]",
            "ovzha.cf:5: error: unknown directive `watness`",
        ]
    );
    dir.write("ovzha.cf", "\nstop-budget 30\n");
    assert_eq!(
        dir.diagnostics()[1..],
        ["ovzha.cf:2: error: stop-budget 30 s must be shorter than deadtime 30 s of ha.cf"]
    );
}

#[test]
fn a_witness_on_the_nodes_serial_line_shares_it() {
    let dir = Dir::article("board");
    let on = |line: &str| {
        dir.write("ovzha.cf", line);
        let config = Config::load(dir.path(), Some("ovz-node1")).config.unwrap();
        let ways = Ways::new(&config);
        (0..ways.count())
            .map(|place| ways.links(place).map(|LinkId(link)| link).collect())
            .collect::<Vec<Vec<u8>>>()
    };
    let alone = on("# none\n");
    let line = alone.len() - 1;
    let own = u8::try_from(alone.len()).unwrap();
    assert_eq!(alone[line], [own - 1], "the article's last link is its serial line");
    assert_eq!(on("witness serial /dev/ttyS0\n")[line], [own - 1, own]);
    assert_eq!(on("witness serial /dev/ttyS1\n")[line + 1], [own]);
    assert_eq!(on("witness udp 192.0.2.7\n")[line + 1], [own]);
    dir.write("ovzha.cf", "# ours\nwitness serial /dev/ttyS0 9600\n");
    assert_eq!(
        dir.diagnostics()[1..],
        ["ovzha.cf:2: error: witness: /dev/ttyS0 has 9600 baud here and 19200 on line 21 of ha.cf"]
    );
}
