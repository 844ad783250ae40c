//! The `ovzha` command.

fn main() {}
