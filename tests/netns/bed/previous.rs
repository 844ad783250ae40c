//! The release before this one, as a program: kept compressed in `tests/fixtures`, see the README there.
use super::process::{run, sh};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Of the unpacked program.
const SHA256: &str = "afd14c1d7c47a6e1deb98d4cb319237257b6e8c23e2e4ce968e241360a6c233c";
const PACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ovzha-0.1.0-x86_64.xz");

/// The static `ovzha` 0.1.0, unpacked once in each run of the tests.
pub fn previous() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        assert!(sh("command -v xz").ok, "xz is missing: apt-get install xz-utils");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ovzha-0.1.0");
        let unpacked = path.with_extension(std::process::id().to_string());
        let place = unpacked.display();
        sh(&format!("xz -dc {PACKED} >{place} && chmod 755 {place}")).must();
        let digest = run("sha256sum", &[&place.to_string()]).must();
        assert!(digest.starts_with(SHA256), "the fixture is damaged: {digest}");
        fs::rename(&unpacked, &path).unwrap();
        path
    })
    .clone()
}
