//! The bed without ovzha: what the cases rely on.
use crate::bed::{Files, Pair, check_count};

#[test]
fn the_bed_carries_a_group_by_hand() {
    let mut pair = Pair::new(&Files::quick());
    let node = pair.node(1);
    node.inside("ping -c1 -W2 192.168.255.2 >/dev/null || true; drbdadm primary r0 && mount -t ext4 /dev/drbd0 /vz && /etc/init.d/vz start").must();
    pair.wait("the count grows", |pair| pair.node(1).has("vz/count"));
    pair.check(!pair.node(2).inside("drbdadm primary r0").ok, "two primaries");
    assert_eq!(pair.node(2).inside("drbdadm role r0").must(), "Secondary/Primary\n");
    pair.power_cut(1);
    pair.node(2)
        .inside("drbdadm primary r0 && mount -t ext4 /dev/drbd0 /vz && /etc/init.d/vz start")
        .must();
    pair.boot(1);
    assert_eq!(pair.node(1).inside("drbdadm role r0").must(), "Secondary/Primary\n");
    let told = pair.node(2).inside("drbdadm secondary r0");
    pair.check(told.code == Some(11), "a mounted device became Secondary");
    pair.node(2)
        .inside("/etc/init.d/vz stop && umount /vz && drbdadm secondary r0")
        .must();
    pair.finish();
}

#[test]
#[should_panic(expected = "VIOLATION: two writers")]
fn the_bed_sees_two_writers() {
    let pair = Pair::new(&Files::quick());
    pair.cut_drbd();
    for number in [1, 2] {
        let by_hand = "drbdadm primary r0 && mount -t ext4 /dev/drbd0 /vz && /etc/init.d/vz start";
        pair.node(number).inside(by_hand).must();
        pair.wait_active(number);
    }
    pair.wait("both write", |pair| {
        pair.node(1).has("vz/count") && pair.node(2).has("vz/count")
    });
    pair.finish();
}

#[test]
fn the_bed_sees_a_lost_and_a_mixed_line() {
    assert_eq!(check_count("1 1 1\n2 1 1\n3 2 3\n"), Ok(()));
    assert!(check_count("1 1 1\n3 1 1\n").is_err());
    assert!(check_count("1 1 1\n2 1 1\n2 2 2\n").is_err());
    assert!(check_count("1 1 1\n2 2 2\n3 1 1\n").is_err());
}
