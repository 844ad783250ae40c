//! Which program the seeds were run with: one number for the sources of core and of the World.
//!
//! Seeds prove something of the program they ran with only, so the ledger keeps those of each program apart.

use std::fs;
use std::path::{Path, PathBuf};

/// FNV-1a over the names and the bytes of all sources, in the order of their names.
pub fn digest() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for dir in ["../core/src", "world/src"] {
        collect(&root.join(dir), &mut files);
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in &files {
        let name = file.file_name().unwrap_or_default().as_encoded_bytes();
        let content = fs::read(file).unwrap();
        for byte in name.iter().chain(&content) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_sources_have_a_digest() {
    assert_eq!(digest(), digest());
    assert_eq!(digest().len(), 16);
}
