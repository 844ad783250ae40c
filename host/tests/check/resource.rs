//! A resource of `drbd.conf` for a test's machine.

/// A resource of two nodes with these lines in it, in the words of every release from 8.0 on.
pub fn r0(lines: &str) -> String {
    let host = |name: &str, last: u8| {
        format!(
            " on {name} {{ device /dev/drbd0; disk /dev/hda3; address 192.168.255.{last}:7788; meta-disk internal; }}\n"
        )
    };
    let hosts = host("ovz-node1", 1) + &host("ovz-node2", 2);
    format!("resource r0 {{\n{lines}\n{hosts}}}\n")
}
