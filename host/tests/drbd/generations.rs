//! What DRBD 0.7, 8.0 to 8.3 and 9 print, each as its documented form says, read as the state it tells.
//!
//! Nothing here was recorded: no such module ran. The texts were written from their print formats; 8.4's own recordings
//! are read by `states`.
use ovzha_host::drbd::{Events, Seen, parse_json, parse_proc, parse_status};

fn proc(text: &str, minors: &[u32]) -> String {
    let state = parse_proc(text).and_then(|read| read.state(minors));
    state.map_or_else(|error| error.to_string(), |state| state.to_string())
}

const V07: &str = "version: 0.7.20 (api:79/proto:74)\nSVN Revision: 2260 build by root@build, 2006-07-04 12:00:00\n \
    0: cs:DiskLessClient st:Primary/Secondary ld:Inconsistent\n    ns:0 nr:4 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0\n \
    1: cs:ServerForDLess st:Secondary/Primary ld:Consistent\n    ns:0 nr:4 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0\n \
    2: cs:SkippedSyncT st:Secondary/Primary ld:Inconsistent\n    ns:0 nr:4 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0\n \
    3: cs:SyncSource st:Primary/Secondary ld:Consistent\n    ns:4 nr:0 dw:0 dr:4 al:0 bm:0 lo:0 pe:0 ua:0 ap:0\n\
    \t[>...................] sync'ed:100.0% (1020/1020)K\n\tstalled\n \
    4: cs:Connected st:Primary/Secondary ld:Consistent\n    ns:4 nr:0 dw:0 dr:4 al:0 bm:0 lo:0 pe:0 ua:0 ap:0\n \
    5: cs:WFConnection st:Secondary/Unknown ld:Consistent\n    ns:4 nr:0 dw:0 dr:4 al:0 bm:0 lo:0 pe:0 ua:0 ap:0\n \
    6: cs:Unconfigured\n";

#[test]
fn of_07() {
    for (minor, told) in [
        (
            0,
            "role=Primary/Secondary cstate=Connected dstate=Diskless/DUnknown drbd=0.7",
        ),
        (
            1,
            "role=Secondary/Primary cstate=Connected dstate=Consistent/Diskless drbd=0.7",
        ),
        (
            2,
            "role=Secondary/Primary cstate=SkippedSyncT dstate=Inconsistent/DUnknown drbd=0.7",
        ),
        // its percentage says done, with everything left
        (
            3,
            "role=Primary/Secondary cstate=SyncSource dstate=Consistent/DUnknown resync=1020K drbd=0.7",
        ),
        (
            4,
            "role=Primary/Secondary cstate=Connected dstate=Consistent/DUnknown drbd=0.7",
        ),
        (
            5,
            "role=Secondary/Unknown cstate=WFConnection dstate=Consistent/DUnknown drbd=0.7",
        ),
        (
            6,
            "role=Secondary/Unknown cstate=Unconfigured dstate=Diskless/DUnknown drbd=0.7",
        ),
        (7, "/proc/drbd doesn't list minor 7"),
    ] {
        assert_eq!(proc(V07, &[minor]), told);
    }
    let state = |minor| parse_proc(V07).unwrap().state(&[minor]).unwrap();
    assert!(state(4).mirrored() && !state(4).ahead());
    assert!(!state(0).mirrored() && !state(1).mirrored() && state(3).ahead());
    assert!(state(5).good_disk() && !state(5).peer_is_old());
    // as the article has it, in one line of a web page
    let article = "[root@testmachine ~]# cat /proc/drbd version: 0.7.17 (api:77/proto:74) SVN Revision: 2093 build by \
                   phil@mescal, 2006-03-06 15:04:12 0: cs:Unconfigured 1: cs:Unconfigured [root@testmachine ~]#";
    let unconfigured = "role=Secondary/Unknown cstate=Unconfigured dstate=Diskless/DUnknown drbd=0.7";
    assert_eq!(
        (proc(article, &[0]), proc(article, &[1])),
        (unconfigured.into(), unconfigured.into())
    );
}

#[test]
fn of_80_to_83() {
    let from_80 = "version: 8.0.16 (api:86/proto:86)\nGIT-hash: 0000 build by root@build, 2009-01-01 00:00:00\n\n \
               1: cs:WFConnection st:Primary/Unknown ds:UpToDate/DUnknown C s---\n    ns:1 nr:0\n\
               \tresync: used:0/61 hits:0 misses:0\n\tact_log: used:1/257 hits:9\n \
               2: cs:Connected st:Secondary/Primary ds:Outdated/UpToDate B r---\n    ns:1 nr:0\n";
    let from_82 = "version: 8.2.7 (api:88/proto:86-88)\n 0: cs:SyncTarget st:Secondary/Primary ds:Inconsistent/UpToDate C r---\n    \
                ns:0 nr:9 lo:0 pe:0 ua:0 ap:0 ep:1 wo:b oos:16124\n\t[=========>..........] sync'ed: 50.0% (16124/20668)K\n\
                \tfinish: 0:00:05 speed: 2,272 (2,272) K/sec\n";
    let from_83 = "version: 8.3.0 (api:88/proto:86-89)\n 0: cs:Connected ro:Secondary/Secondary ds:Inconsistent/Inconsistent C r---\n";
    let later_83 = "version: 8.3.11 (api:88/proto:86-96)\nsrcversion: F937DCB2E5D83C6CCE4A6C9 \n \
                 0: cs:StandAlone ro:Primary/Unknown ds:UpToDate/DUnknown   s----s\n    ns:0 nr:0 ep:1 wo:b oos:24\n \
                 1: cs:Ahead ro:Primary/Secondary ds:UpToDate/Consistent A r---n-\n    ns:0 nr:0 ep:1 wo:b oos:24\n \
                 2: cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r---n-\n    ns:0 nr:0 ep:1 wo:b\n\
                 \t[>....................] sync'ed:  0.1% (102376/102400)Mfinish: 2:24:00 speed: 11,456 (11,456) K/sec\n \
                 3: cs:TOO_LARGE ro:Primary/Secondary ds:UpToDate/UpToDate C r-----\n";
    for (text, minor, told) in [
        (
            from_80,
            1,
            "role=Primary/Unknown cstate=WFConnection dstate=UpToDate/DUnknown suspended=untold drbd=8",
        ),
        (
            from_80,
            2,
            "role=Secondary/Primary cstate=Connected dstate=Outdated/UpToDate drbd=8",
        ),
        (
            from_82,
            0,
            "role=Secondary/Primary cstate=SyncTarget dstate=Inconsistent/UpToDate resync=16124K drbd=8",
        ),
        (
            from_83,
            0,
            "role=Secondary/Secondary cstate=Connected dstate=Inconsistent/Inconsistent drbd=8",
        ),
        (
            later_83,
            0,
            "role=Primary/Unknown cstate=StandAlone dstate=UpToDate/DUnknown suspended=untold drbd=8",
        ),
        (
            later_83,
            1,
            "role=Primary/Secondary cstate=Ahead dstate=UpToDate/Consistent drbd=8",
        ),
        (
            later_83,
            2,
            "role=Primary/Secondary cstate=SyncSource dstate=UpToDate/Inconsistent resync=104833024K drbd=8",
        ),
        (
            later_83,
            3,
            "minor 3 in /proc/drbd: \"TOO_LARGE\" is no DRBD connection state",
        ),
    ] {
        assert_eq!(proc(text, &[minor]), told);
    }
    // several minors of one group: the worst of each
    let both = "role=Primary/Unknown cstate=StandAlone dstate=UpToDate/DUnknown suspended=untold drbd=8";
    assert_eq!(proc(later_83, &[0, 1]), both);
}

#[test]
fn of_9_in_its_file() {
    let plain = "version: 9.1.12 (api:2/proto:110-121)\nGIT-hash: 0000 build by root@build, 2023-01-01 00:00:00\n\
                 Transports (api:18): tcp (9.1.12)\n";
    assert_eq!(proc(plain, &[0]), "/proc/drbd of 9.1.12 shows no states");
    let compat = "version: 9.3.3 (api:2/proto:118-124) (compat 8.4)\n \
                  0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----\n";
    let told = "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate drbd=9";
    assert_eq!(proc(compat, &[0]), told);
    // other resources of the node are missing there
    assert_eq!(proc(compat, &[1]), "/proc/drbd doesn't list minor 1");
}

fn status(text: &str) -> String {
    match parse_status(text, "r0") {
        Ok(Some(state)) => state.to_string(),
        Ok(None) => "down".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn of_9_as_status() {
    for (text, told) in [
        (
            "r0 role:Primary\n  disk:UpToDate\n  b role:Secondary\n    peer-disk:UpToDate\n\n",
            "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate",
        ),
        // a split brain, in whose words everything looks well
        (
            "r0 role:Secondary\n  disk:UpToDate\n  b connection:StandAlone\n",
            "role=Secondary/Unknown cstate=StandAlone dstate=UpToDate/DUnknown",
        ),
        (
            "r0 role:Secondary\n  disk:UpToDate quorum:no\n  b connection:Connecting\n",
            "role=Secondary/Unknown cstate=WFConnection dstate=UpToDate/DUnknown quorum=no",
        ),
        // wrapped before any field, also the first
        (
            "r0\n    node-id:0 role:Primary\n    suspended:no-data,quorum\n  volume:0 minor:1 disk:UpToDate\n      quorum:yes\n  \
             volume:1 minor:2 disk:Failed\n  b node-id:1 connection:Connected\n      role:Secondary congested:no\n    volume:0 \
             replication:SyncSource peer-disk:Inconsistent done:12.07\n        resync-suspended:no\n    volume:1 \
             replication:Established peer-disk:UpToDate\n",
            "role=Primary/Secondary cstate=SyncSource dstate=Failed/Inconsistent suspended=no-data,quorum resync=12.07%",
        ),
        // the peer tells of one volume only: of the other the two still talk
        (
            "r0 role:Secondary\n  volume:0 disk:UpToDate\n  volume:1 disk:UpToDate\n  b role:Primary\n    volume:0 peer-disk:UpToDate\n",
            "role=Secondary/Primary cstate=WFReportParams dstate=UpToDate/DUnknown",
        ),
        // a third node that only votes says nothing of the data
        (
            "r0 role:Primary\n  disk:UpToDate\n  b role:Secondary\n    peer-disk:UpToDate\n  c role:Secondary\n    \
             peer-disk:Diskless peer-client:yes\n",
            "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate",
        ),
        // one old peer doesn't make the other one old
        (
            "r0 role:Secondary\n  disk:UpToDate\n  b connection:Connecting\n    peer-disk:Outdated\n  c role:Primary\n    \
             peer-disk:UpToDate\n",
            "role=Secondary/Primary cstate=WFConnection dstate=UpToDate/DUnknown",
        ),
        ("other role:Primary\n  disk:UpToDate\n", "down"),
        ("r0 role:Boss\n", "\"Boss\" is no DRBD role"),
        (
            "r0 role:Primary\n  disk:UpToDate\n  b replication:Connecting\n",
            "\"Connecting\" is no DRBD replication state",
        ),
        ("r0 role:Primary\nr0 role:Primary\n", "resource r0 is shown twice"),
        (
            "  disk:UpToDate\n",
            "a status begins with a resource, not with \"disk:UpToDate\"",
        ),
        ("r0 disk:UpToDate\n", "role: is missing"),
    ] {
        assert_eq!(status(text), told, "{text}");
    }
    let outdated = "r0 role:Secondary\n  disk:UpToDate\n  b connection:Connecting\n    peer-disk:Outdated\n";
    assert!(parse_status(outdated, "r0").unwrap().unwrap().peer_is_old());
}

/// What becomes of a healthy resource's JSON when this is put in place of that, and how it is read.
const JSON_CHANGES: &[(&str, &str, &str)] = &[
    (
        "\"Established\"",
        "\"SyncSource\"",
        "role=Primary/Secondary cstate=SyncSource dstate=UpToDate/UpToDate resync=0K drbd=9",
    ),
    (
        "\"Established\"",
        "\"Off\"",
        "role=Primary/Secondary cstate=WFReportParams dstate=UpToDate/UpToDate drbd=9",
    ),
    (
        "\"Connected\"",
        "\"StandAlone\"",
        "role=Primary/Secondary cstate=StandAlone dstate=UpToDate/UpToDate drbd=9",
    ),
    (
        "\"suspended\": false",
        "\"suspended\": true",
        "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate suspended=untold drbd=9",
    ),
    (
        "\"suspended\": false",
        "\"suspended-fencing\": true",
        "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate suspended=fencing drbd=9",
    ),
    (
        "\"quorum\": true",
        "\"quorum\": false",
        "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate quorum=no drbd=9",
    ),
    // what is left out is not known, and never good
    (
        "\"disk-state\": \"UpToDate\", ",
        "",
        "role=Primary/Secondary cstate=Connected dstate=Diskless/UpToDate drbd=9",
    ),
    (
        "\"peer-disk-state\": \"UpToDate\", ",
        "",
        "role=Primary/Secondary cstate=Connected dstate=UpToDate/DUnknown drbd=9",
    ),
    (
        "\"connection-state\": \"Connected\", ",
        "",
        "role=Primary/Secondary cstate=StandAlone dstate=UpToDate/UpToDate drbd=9",
    ),
    ("\"role\": \"Primary\", ", "", "role: is missing"),
    (
        "\"role\": \"Primary\"",
        "\"role\": \"Boss\"",
        "\"Boss\" is no DRBD role",
    ),
    ("\"r0\"", "\"r1\"", "down"),
];

#[test]
fn of_9_as_json() {
    let healthy = r#"[{"name": "r0", "node-id": 0, "role": "Primary", "suspended": false, "devices": [
        {"volume": 0, "minor": 1, "disk-state": "UpToDate", "quorum": true, "client": false}], "connections": [
        {"peer-node-id": 1, "name": "b", "connection-state": "Connected", "peer-role": "Secondary",
         "ap-in-flight": 18446744073709551608, "peer_devices": [
            {"volume": 0, "replication-state": "Established", "peer-disk-state": "UpToDate", "out-of-sync": 0,
             "db0/dt0 [MiB/s]": 1.5, "percent-in-sync": 100.00}]}]}]"#;
    let told = |text: &str| match parse_json(text, "r0") {
        Ok(Some(state)) => state.to_string(),
        Ok(None) => "down".to_owned(),
        Err(error) => error.to_string(),
    };
    let well = "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate drbd=9";
    assert_eq!(told(healthy), well);
    for (was, is, expected) in JSON_CHANGES {
        let text = healthy.replacen(was, is, 1);
        assert_ne!(text, healthy, "{was}");
        assert_eq!(told(&text), *expected, "{was} {is}");
    }
    assert_eq!(told("[]"), "down");
    assert!(
        told(&healthy[..200]).starts_with("status --json can't be read: "),
        "{}",
        told(&healthy[..200])
    );
}

/// What is known after each of these lines.
fn follow(lines: &[&str]) -> Vec<String> {
    let mut events = Events::new("r0");
    let mut told = Vec::new();
    for line in lines {
        if let Err(error) = events.line(line) {
            told.push(error.to_string());
            break;
        }
        told.push(match events.seen() {
            Ok(Seen::Nothing) => "nothing".to_owned(),
            Ok(Seen::Down) => "down".to_owned(),
            Ok(Seen::Up(state)) => state.to_string(),
            Err(error) => error.to_string(),
        });
    }
    told
}

/// The first description of a resource, and what it amounts to.
const FIRST: [&str; 5] = [
    "exists resource name:r0 role:Secondary suspended:no force-io-failures:no may_promote:no promotion_score:10101",
    "exists connection name:r0 peer-node-id:1 conn-name:b connection:Connecting role:Unknown",
    "exists device name:r0 volume:0 minor:0 backing_dev:/dev/sda disk:UpToDate client:no open:no quorum:yes",
    "exists peer-device name:r0 peer-node-id:1 conn-name:b volume:0 replication:Off peer-disk:Outdated peer-client:no resync-suspended:no",
    "exists -",
];
const ALONE: &str = "role=Secondary/Unknown cstate=WFConnection dstate=UpToDate/Outdated";

/// What is known after each of these lines, which follow the first description.
fn then(lines: &[&str]) -> Vec<String> {
    follow(&[&FIRST[..], lines].concat()).split_off(5)
}

#[test]
fn of_9_as_events() {
    let told = follow(&FIRST);
    assert_eq!(told[..4], ["nothing"; 4]);
    assert_eq!(told[4], ALONE);
    assert_eq!(
        then(&[
            "change connection name:r0 peer-node-id:1 conn-name:b connection:Connected role:Secondary",
            "change resource name:r0 may_promote:yes promotion_score:10102",
            "change peer-device name:r0 peer-node-id:1 conn-name:b volume:0 replication:SyncSource peer-disk:Inconsistent done:37.50",
            "change peer-device name:r0 peer-node-id:1 conn-name:b volume:0",
            "change peer-device name:r0 peer-node-id:1 conn-name:b volume:0 replication:Established peer-disk:UpToDate",
            "create path name:r0 peer-node-id:1 conn-name:b local:ipv4:1.2.3.4:7789 peer:ipv4:5.6.7.8:7790 established:yes",
            "create device name:r1 volume:0 minor:9 disk:Diskless",
            "change device name:r0 volume:0 minor:0 disk:UpToDate client:no quorum:no",
            "change resource name:r0 suspended:quorum",
        ]),
        [
            "role=Secondary/Secondary cstate=WFReportParams dstate=UpToDate/Outdated",
            "role=Secondary/Secondary cstate=WFReportParams dstate=UpToDate/Outdated",
            "role=Secondary/Secondary cstate=SyncSource dstate=UpToDate/Inconsistent resync=37.50%",
            "role=Secondary/Secondary cstate=SyncSource dstate=UpToDate/Inconsistent resync=37.50%",
            "role=Secondary/Secondary cstate=Connected dstate=UpToDate/UpToDate",
            "role=Secondary/Secondary cstate=Connected dstate=UpToDate/UpToDate",
            "role=Secondary/Secondary cstate=Connected dstate=UpToDate/UpToDate",
            "role=Secondary/Secondary cstate=Connected dstate=UpToDate/UpToDate quorum=no",
            "role=Secondary/Secondary cstate=Connected dstate=UpToDate/UpToDate suspended=quorum quorum=no",
        ]
    );
}

#[test]
fn of_9_a_split_brain_and_an_end() {
    assert_eq!(
        then(&[
            "call helper name:r0 peer-node-id:1 conn-name:b helper:split-brain",
            "response helper name:r0 peer-node-id:1 conn-name:b helper:split-brain status:0",
            "destroy peer-device name:r0 peer-node-id:1 conn-name:b volume:0",
            "destroy connection name:r0 peer-node-id:1 conn-name:b",
            "destroy device name:r0 volume:0",
            "destroy resource name:r0",
        ]),
        [
            "role=Secondary/Unknown cstate=WFConnection dstate=UpToDate/Outdated split-brain=yes",
            "role=Secondary/Unknown cstate=WFConnection dstate=UpToDate/Outdated split-brain=yes",
            "role=Secondary/Unknown cstate=WFConnection dstate=UpToDate/DUnknown split-brain=yes",
            "role=Secondary/Unknown cstate=StandAlone dstate=UpToDate/DUnknown split-brain=yes",
            "role=Secondary/Unknown cstate=StandAlone dstate=Diskless/DUnknown split-brain=yes",
            "down",
        ]
    );
}

#[test]
fn of_9_what_leaves_the_picture_untrue() {
    // each of these leaves the picture untrue: the tool is to be started again
    for (line, why) in [
        ("", "\"\" is no event of DRBD"),
        ("a full disk", "\"a full disk\" is no event of DRBD"),
        ("change", "an event of DRBD without an object: \"change\""),
        (
            "change device name:r0 volume:1 disk:UpToDate",
            "an event of something that was never described, in \"change device name:r0 volume:1 disk:UpToDate\"",
        ),
        (
            "change device name:r0 disk:UpToDate",
            "volume: is missing, in \"change device name:r0 disk:UpToDate\"",
        ),
        (
            "change device name:r0 volume:x disk:UpToDate",
            "volume:x is no number, in \"change device name:r0 volume:x disk:UpToDate\"",
        ),
        (
            "change resource name:r0 role:Boss",
            "\"Boss\" is no DRBD role, in \"change resource name:r0 role:Boss\"",
        ),
        (
            "rename resource name:r0 new_name:r9",
            "the resource was renamed: rename resource name:r0 new_name:r9",
        ),
    ] {
        assert_eq!(then(&[line]), [why]);
    }
    assert_eq!(then(&["rename resource name:r7 new_name:r8"]), [ALONE]);
    assert_eq!(
        then(&["2026-11-23T05:27:49.034500+00:00 change resource name:r0 role:Primary"]),
        [ALONE.replace("Secondary", "Primary")]
    );
    let flood: Vec<String> = (0..70)
        .map(|volume| format!("create device name:r0 volume:{volume} disk:Diskless"))
        .collect();
    let flood: Vec<&str> = flood.iter().map(String::as_str).collect();
    assert!(
        then(&flood)
            .last()
            .unwrap()
            .starts_with("more than 64 volumes or peers")
    );
}
