//! Lines of `ha.cf` about programs beside the resources.

use std::path::Path;

use ovzha_host::ha_cf;

const BASE: &str = "node a b\nserial /dev/ttyS0\nauto_failback off\nlogfacility daemon\n";

/// What is said of the lines after `BASE`, which begin at line 5.
fn said(lines: &str) -> Vec<String> {
    let parsed = ha_cf::parse(Path::new("ha.cf"), format!("{BASE}{lines}").as_bytes());
    parsed.diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn programs_and_their_environment_are_taken_as_they_stand() {
    let lines =
        "respawn hacluster /x/myipfail\nrespawn daemon\t/bin/watch  -v >/dev/null # why\nenv LANG=C\nenv X=a b, c";
    assert_eq!(said(lines), [""; 0]);
    let parsed = ha_cf::parse(Path::new("ha.cf"), format!("{BASE}{lines}").as_bytes()).value;
    let clients: Vec<(&str, &str, u32)> = parsed
        .clients
        .iter()
        .map(|client| (client.user.as_str(), client.command.as_str(), client.line))
        .collect();
    assert_eq!(
        clients,
        [
            ("hacluster", "/x/myipfail", 5),
            ("daemon", "/bin/watch  -v >/dev/null", 6)
        ]
    );
    let env: Vec<String> = parsed
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(env, ["LANG=C", "X=a b, c"]);
}

#[test]
fn errors_name_the_line_and_the_word() {
    for (line, problem) in [
        (
            "respawn root other -v",
            "5: error: respawn: `other` is no absolute path",
        ),
        ("respawn -x /usr/bin/other", "5: error: respawn: `-x` is no user's name"),
        (
            "respawn hacluster ipfail",
            "5: error: respawn: `ipfail` is no absolute path",
        ),
        ("env LANG", "5: error: `env` needs NAME=VALUE"),
        ("env A-B=c", "5: error: env: `A-B` is no name of a variable"),
        ("env A=1\nenv A=2", "6: error: env A stands already on line 5"),
    ] {
        assert_eq!(said(line), [format!("ha.cf:{problem}")], "{line}");
    }
    let many = "respawn root /bin/x\n".repeat(33);
    assert_eq!(said(&many), ["ha.cf:37: error: more than 32 `respawn` lines"]);
}

#[test]
fn warnings_say_what_lacks() {
    for (line, warning) in [
        (
            "respawn hacluster /usr/libexec/heartbeat/ipfail",
            "ipfail has no effect: there is no ping node",
        ),
        (
            "respawn hacluster /usr/lib/heartbeat/dopd",
            "respawn .../dopd has no effect: `ovzha fence-peer` does its work; in drbd.conf \
             write `fence-peer \"/usr/sbin/ovzha fence-peer\";` in place of drbd-peer-outdater (`outdate-peer` before DRBD 8.3)",
        ),
        (
            "respawn hacluster /usr/lib/heartbeat/ccm",
            "respawn: `/usr/lib/heartbeat/ccm` works through Heartbeat's client interface, which is not there: it will end \
             again and again",
        ),
    ] {
        assert_eq!(said(line), [format!("ha.cf:5: warning: {warning}")], "{line}");
    }
}
