//! Writes a directory as an initramfs: one uncompressed `newc` archive, the same bytes for the same tree.
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What an entry is, with its permissions.
const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;

struct Archive {
    out: BufWriter<File>,
    entries: u32,
    written: usize,
}

impl Archive {
    fn put(&mut self, bytes: &[u8]) {
        let end = (4 - bytes.len() % 4) % 4;
        self.out.write_all(bytes).unwrap();
        self.out.write_all(&[0; 3][..end]).unwrap();
        self.written += bytes.len() + end;
    }

    fn entry(&mut self, name: &str, mode: u32, data: &[u8], device: (u32, u32)) {
        self.entries += 1;
        let size = u32::try_from(data.len()).unwrap();
        let length = u32::try_from(name.len() + 1).unwrap();
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            size,
            0,
            0,
            device.0,
            device.1,
            length,
            0,
        ];
        let mut head = "070701".to_owned();
        for field in fields {
            write!(head, "{field:08X}").unwrap();
        }
        head.push_str(name);
        head.push('\0');
        self.put(head.as_bytes());
        self.put(data);
    }
}

/// Writes `root` to `out`. Everything belongs to root; `/dev/console` and `/dev/null` are added, because the kernel opens
/// the console before anything of the guest runs.
pub fn write(root: &Path, out: &Path) {
    let mut paths = Vec::new();
    collect(root, &mut paths);
    paths.sort();
    let mut archive = Archive {
        out: BufWriter::new(File::create(out).unwrap()),
        entries: 0,
        written: 0,
    };
    for path in &paths {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        let meta = fs::symlink_metadata(path).unwrap();
        let mode = meta.permissions().mode() & 0o7777;
        if meta.is_symlink() {
            let target = fs::read_link(path).unwrap();
            archive.entry(name, LINK | 0o777, target.as_os_str().as_bytes(), (0, 0));
        } else if meta.is_dir() {
            archive.entry(name, DIRECTORY | mode, b"", (0, 0));
        } else {
            archive.entry(name, FILE | mode, &fs::read(path).unwrap(), (0, 0));
        }
    }
    archive.entry("dev/console", CHARACTER | 0o600, b"", (5, 1));
    archive.entry("dev/null", CHARACTER | 0o666, b"", (1, 3));
    archive.entry("TRAILER!!!", 0, b"", (0, 0));
    // archives that follow one another begin at a multiple of 512
    let end = (512 - archive.written % 512) % 512;
    archive.out.write_all(&vec![0; end]).unwrap();
    archive.out.flush().unwrap();
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let is_dir = fs::symlink_metadata(&path).unwrap().is_dir();
        paths.push(path.clone());
        if is_dir {
            collect(&path, paths);
        }
    }
}
