//! No start files: `_start` is ours. The C library stays, for memcpy and its kin only.

fn main() {
    println!("cargo::rustc-link-arg-bins=-nostartfiles");
    println!("cargo::rustc-link-arg-bins=-no-pie");
    println!("cargo::rustc-link-arg-bins=-lc");
}
