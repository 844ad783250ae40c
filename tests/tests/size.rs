//! Prints the sizes that `.ci/run size` compares with `.ci/size.budget`: `size NAME BYTES`.

use std::io::Write;

use ovzha_core::cluster::Cluster;

#[test]
fn sizes() {
    writeln!(std::io::stdout(), "\nsize cluster-state {}", size_of::<Cluster>()).unwrap();
}
