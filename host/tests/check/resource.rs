//! A resource of `drbd.conf` for a test's machine, and the lines that findings say to write there.

use crate::machine::Machine;

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

/// The lines that the findings of a machine say to write.
pub fn lines(machine: &Machine) -> Vec<String> {
    machine
        .findings()
        .into_iter()
        .flat_map(|finding| finding.lines)
        .collect()
}
