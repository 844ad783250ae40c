//! The durable state: whole, absent or damaged, and never one taken for another.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ovzha_host::store::{CONTENT_MAX, Read, read, write};

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ovzha-store-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&dir));
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn dir(&self) -> PathBuf {
        self.0.join("lib/ovzha")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_is_written_is_found() {
    let scratch = Scratch::new("found");
    let dir = scratch.dir();
    assert_eq!(read(&dir), Read::Absent);
    for content in [&b""[..], b"tenure 7", &vec![0; CONTENT_MAX]] {
        write(&dir, content).unwrap();
        assert_eq!(read(&dir), Read::Found(content.to_vec()));
    }
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("state")), 0o600);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
}

#[test]
fn too_much_is_refused() {
    let scratch = Scratch::new("much");
    write(&scratch.dir(), b"old").unwrap();
    assert!(write(&scratch.dir(), &vec![0; CONTENT_MAX + 1]).is_err());
    assert_eq!(read(&scratch.dir()), Read::Found(b"old".to_vec()));
}

#[test]
fn every_truncation_is_damage() {
    let scratch = Scratch::new("short");
    let dir = scratch.dir();
    write(&dir, b"tenure 7, alone").unwrap();
    let path = dir.join("state");
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(read(&dir), Read::Damaged(_)), "{length} bytes");
    }
    let mut longer = whole;
    longer.push(0);
    fs::write(&path, longer).unwrap();
    assert!(matches!(read(&dir), Read::Damaged(_)));
}

#[test]
fn every_flipped_bit_is_damage() {
    let scratch = Scratch::new("bits");
    let dir = scratch.dir();
    write(&dir, b"tenure 7, alone").unwrap();
    let path = dir.join("state");
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, flipped).unwrap();
        assert!(matches!(read(&dir), Read::Damaged(_)), "bit {bit}");
    }
    fs::write(&path, vec![0xff; 4 * CONTENT_MAX]).unwrap();
    assert!(matches!(read(&dir), Read::Damaged(_)));
}

#[test]
fn a_newer_format_is_not_taken_for_nothing() {
    let scratch = Scratch::new("newer");
    let dir = scratch.dir();
    write(&dir, b"").unwrap();
    let mut record = b"ovzhaST\n\x02\x00\x00\x00\x00\x00".to_vec();
    let check = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&record);
    record.extend_from_slice(&check.to_le_bytes());
    fs::write(dir.join("state"), record).unwrap();
    let Read::Damaged(why) = read(&dir) else {
        return assert_eq!(read(&dir), Read::Absent);
    };
    assert!(why.ends_with("state: written in format 2, this ovzha reads 1"), "{why}");
}

#[test]
fn leftovers_of_a_write_are_passed_over() {
    let scratch = Scratch::new("left");
    let dir = scratch.dir();
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("state.next"), b"half a rec").unwrap();
    assert_eq!(read(&dir), Read::Absent);
    write(&dir, b"new").unwrap();
    assert_eq!(read(&dir), Read::Found(b"new".to_vec()));
}

#[test]
fn what_cannot_be_read_is_damage() {
    let scratch = Scratch::new("odd");
    let dir = scratch.dir();
    fs::create_dir_all(dir.join("state")).unwrap();
    assert!(matches!(read(&dir), Read::Damaged(_)), "a directory");
    fs::remove_dir(dir.join("state")).unwrap();
    std::os::unix::fs::symlink("/dev/null", dir.join("state")).unwrap();
    assert!(matches!(read(&dir), Read::Damaged(_)), "a link");
}

#[test]
fn an_unwritable_place_is_named() {
    // below a file: not even root can create a directory there
    let scratch = Scratch::new("file");
    let file = scratch.0.join("file");
    fs::write(&file, b"").unwrap();
    let why = write(&file.join("lib"), b"x").unwrap_err().to_string();
    assert!(why.contains("/file/lib: "), "{why}");
    // the old record stays when the new one cannot be written beside it
    let dir = scratch.dir();
    write(&dir, b"old").unwrap();
    fs::create_dir(dir.join("state.next")).unwrap();
    let why = write(&dir, b"new").unwrap_err().to_string();
    assert!(why.contains("/state.next: "), "{why}");
    assert_eq!(read(&dir), Read::Found(b"old".to_vec()));
}
