//! The guests' image: kernel and initramfs, built from Debian's packages once and kept in the cache.
//!
//! Nothing is installed on this machine and no maintainer script runs: packages are fetched with `apt-get download` and
//! unpacked below the cache. The directory's name holds the versions and a digest of our own guest files, so that a
//! change of either builds anew.
use super::archive;
use super::modules::Modules;
use super::tool::{must, sh};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Loaded at boot.
const MODULES: [&str; 7] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "crc32c_generic",
    "ext4",
    "drbd",
];
/// In the image, loaded by a case that needs them.
const ON_DEMAND: [&str; 7] = ["i6300esb", "softdog", "veth", "loop", "dm_mod", "dm_delay", "dm_flakey"];
/// What a plain Debian lacks for QEMU when it is unpacked rather than installed.
const QEMU: &str = "qemu-system-x86 qemu-system-common qemu-system-data seabios ipxe-qemu libbrlapi0.8 libcacard0 libcapstone4 \
    libdaxctl1 libepoxy0 libexecs0 libfdt1 liborc-0.4-0 libgstreamer-plugins-base1.0-0 libnl-3-200 libnl-route-3-200 libibverbs1 \
    libndctl6 libopus0 libpmem1 librdmacm1 libslirp0 libsndio7.0 libspice-server1 libusb-1.0-0 libusbredirparser1 libvdeplug2";
const INIT: &str = include_str!("../guest/init");
const VZ: &str = include_str!("../guest/vz");
const CONTAINER: &str = include_str!("../guest/container-init");
const LOAD: &str = include_str!("../guest/load");
const DATA: &str = include_str!("../guest/data");

/// What a machine is started from.
#[derive(Clone)]
pub struct Image {
    pub kernel: PathBuf,
    pub initramfs: PathBuf,
    pub qemu: PathBuf,
    /// Libraries of an unpacked QEMU.
    pub libraries: Option<String>,
    /// Where things made from the image are kept, next to it.
    pub dir: PathBuf,
}

/// Where what outlives a run lies, outside the source tree.
pub fn cache() -> PathBuf {
    let dir = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache"),
        PathBuf::from,
    );
    dir.join("ovzha")
}

impl Image {
    /// The image, built if it is not there. `ovzha` is put into it by [`Image::with`].
    pub fn get() -> Self {
        let cache = cache().join("vm");
        fs::create_dir_all(&cache).unwrap();
        let lock = File::create(cache.join("lock")).unwrap();
        lock.lock().unwrap();
        let kernel = must("apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ { print $2; exit }'");
        let kernel = kernel.trim();
        assert!(
            !kernel.is_empty(),
            "apt-cache knows no linux-image-amd64: run apt-get update on a Debian machine"
        );
        let version = must(&format!(
            "apt-cache policy {kernel} drbd-utils | awk '/Candidate/ {{ print $2 }}'"
        ));
        let mut digest = DefaultHasher::new();
        ([INIT, VZ, CONTAINER, LOAD, DATA], MODULES, ON_DEMAND, version).hash(&mut digest);
        let dir = cache.join(format!("{kernel}-{:016x}", digest.finish()));
        if !dir.join("ready").exists() {
            build(&cache, &dir, kernel);
        }
        let unpacked = cache.join("qemu");
        let (qemu, libraries) = if sh("command -v qemu-system-x86_64").ok {
            (PathBuf::from(must("command -v qemu-system-x86_64").trim()), None)
        } else {
            unpack_qemu(&cache, &unpacked);
            (
                unpacked.join("usr/bin/qemu-system-x86_64"),
                Some(format!(
                    "{0}/usr/lib/x86_64-linux-gnu:{0}/lib/x86_64-linux-gnu",
                    unpacked.display()
                )),
            )
        };
        Self {
            kernel: dir.join("vmlinux"),
            initramfs: dir.join("initramfs"),
            qemu,
            libraries,
            dir,
        }
    }

    /// The initramfs with more files in it: archives one after the other are one to the kernel.
    pub fn with(&self, overlay: &Path, out: &Path) {
        let more = out.with_extension("more");
        archive::write(overlay, &more);
        let mut bytes = fs::read(&self.initramfs).unwrap();
        bytes.extend(fs::read(&more).unwrap());
        fs::write(out, bytes).unwrap();
        fs::remove_file(more).unwrap();
    }
}

fn fetch(cache: &Path, packages: &str, into: &Path) {
    let debs = into.with_extension("debs");
    fs::create_dir_all(&debs).unwrap();
    fs::create_dir_all(into).unwrap();
    let line = format!(
        "cd {0} && (apt-get download -q {packages} || (apt-get update -q && apt-get download -q {packages})) >fetch.log 2>&1 || \
         {{ tail -5 fetch.log >&2; exit 1; }}; for deb in *.deb; do dpkg-deb -x $deb {1} || exit 1; done",
        debs.display(),
        into.display()
    );
    must(&line);
    fs::remove_dir_all(debs).unwrap();
    assert!(into.starts_with(cache), "unpacked outside the cache");
}

fn unpack_qemu(cache: &Path, dir: &Path) {
    if !dir.join("ready").exists() {
        drop(fs::remove_dir_all(dir));
        fetch(cache, QEMU, dir);
        fs::write(dir.join("ready"), "").unwrap();
    }
}

fn build(cache: &Path, dir: &Path, kernel: &str) {
    drop(fs::remove_dir_all(dir));
    fs::create_dir_all(dir).unwrap();
    let (kernel_dir, user_dir) = (dir.join("kernel"), dir.join("user"));
    fetch(cache, kernel, &kernel_dir);
    fetch(
        cache,
        "drbd-utils busybox-static e2fsprogs dmsetup libdevmapper1.02.1",
        &user_dir,
    );
    let boot = must(&format!("ls {}/boot/vmlinuz-*", kernel_dir.display()));
    extract(&fs::read(boot.trim()).unwrap(), &dir.join("vmlinux"));
    let root = dir.join("root");
    fill(&root, &kernel_dir, &user_dir);
    archive::write(&root, &dir.join("initramfs"));
    for unneeded in [&kernel_dir, &user_dir, &root] {
        fs::remove_dir_all(unneeded).unwrap();
    }
    fs::write(dir.join("ready"), "").unwrap();
}

/// Takes the ELF kernel out of a bzImage (its place stands in the boot header), so that no guest unpacks it under emulation.
fn extract(image: &[u8], out: &Path) {
    let word = |at: usize| usize::try_from(u32::from_le_bytes(image[at..at + 4].try_into().unwrap())).unwrap();
    let sectors = match image[0x1f1] {
        0 => 4,
        count => usize::from(count),
    };
    let begin = (sectors + 1) * 512 + word(0x248);
    let payload = &image[begin..begin + word(0x24c)];
    let program = match payload {
        [0xfd, b'7', b'z', ..] => "xz",
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        _ => panic!("the kernel is packed in a way this bed doesn't know"),
    };
    let packed = out.with_extension("packed");
    // four bytes with the size follow what was packed; gzip's own end with it
    let end = if program == "gzip" {
        payload.len()
    } else {
        payload.len() - 4
    };
    fs::write(&packed, &payload[..end]).unwrap();
    let line = format!("{program} -dc <{} >{} 2>/dev/null", packed.display(), out.display());
    drop(sh(&line));
    let size = fs::metadata(out).unwrap().len();
    let expected = u32::from_le_bytes(payload[payload.len() - 4..].try_into().unwrap());
    assert_eq!(
        size,
        u64::from(expected),
        "{program} did not unpack the kernel (is it installed?)"
    );
    fs::remove_file(packed).unwrap();
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn fill(root: &Path, kernel: &Path, user: &Path) {
    let dirs = "usr/bin usr/sbin usr/lib usr/lib/drbd lib lib64 dev proc sys run tmp root vz mnt etc/ha.d etc/init.d etc/drbd.d \
        etc/vz/conf var/lib/drbd var/lib/ovzha var/log lib/modules/boot";
    for dir in dirs.split_whitespace() {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    symlink("usr/bin", root.join("bin")).unwrap();
    symlink("usr/sbin", root.join("sbin")).unwrap();
    let (root_path, user_path) = (root.display(), user.display());
    let script = format!(
        r"set -e
R={root_path} U={user_path}
cp $U/bin/busybox $R/usr/bin/busybox
for f in $($U/bin/busybox --list-full); do
    d=usr/bin; case $f in *sbin/*) d=usr/sbin;; esac
    [ ${{f##*/}} = busybox ] || ln -sf /usr/bin/busybox $R/$d/${{f##*/}}
done
rm -f $R/usr/*bin/mke2fs $R/usr/*bin/tune2fs
for f in mke2fs e2fsck tune2fs dumpe2fs; do cp $U/sbin/$f $R/usr/sbin/$f; done
ln -sf mke2fs $R/usr/sbin/mkfs.ext4; ln -sf mke2fs $R/usr/sbin/mkfs.ext3
for f in ext2 ext3 ext4; do ln -sf e2fsck $R/usr/sbin/fsck.$f; done
cp $U/etc/mke2fs.conf $R/etc/
cp $U/sbin/dmsetup $R/usr/sbin/
cp $U/sbin/drbdadm $U/sbin/drbdsetup $U/sbin/drbdmeta $R/usr/sbin/
mkdir -p $R/lib/drbd; cp $U/lib/drbd/drbdadm-84 $U/lib/drbd/drbdsetup-84 $R/lib/drbd/
for f in $R/usr/sbin/* $R/lib/drbd/*; do
    [ -L $f ] || LD_LIBRARY_PATH=$U/lib/x86_64-linux-gnu ldd $f 2>/dev/null || true
done | awk '/=> \//{{ print $3 }} /^\t\/lib64/{{ print $1 }}' | sort -u | while read -r l; do
    t=${{l#$U}}; mkdir -p $R$(dirname $t); cp -L $l $R$t
done
"
    );
    must(&script);
    let modules = Modules::below(kernel);
    let boot = modules.in_order(&MODULES);
    let all: Vec<&str> = MODULES.iter().chain(&ON_DEMAND).copied().collect();
    for path in modules.in_order(&all) {
        fs::copy(&path, root.join("lib/modules/boot").join(path.file_name().unwrap())).unwrap();
    }
    let names = |paths: &[PathBuf]| -> String {
        let name = |path: &PathBuf| format!("{}\n", path.file_name().unwrap().to_str().unwrap());
        paths.iter().map(name).collect()
    };
    let lists = root.join("lib/modules/boot");
    fs::write(lists.join("order"), names(&boot)).unwrap();
    for name in ON_DEMAND {
        let needs = names(&modules.in_order(&[name]));
        assert!(!needs.is_empty(), "Debian's kernel has no module {name}");
        fs::write(lists.join(format!("needs.{name}")), needs).unwrap();
    }
    executable(&root.join("init"), INIT);
    executable(&root.join("usr/sbin/load"), LOAD);
    executable(&root.join("usr/sbin/data"), DATA);
    executable(&root.join("etc/init.d/vz"), VZ);
    executable(&root.join("etc/vz/container-init"), CONTAINER);
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\n").unwrap();
    fs::write(root.join("etc/fstab"), "").unwrap();
    symlink("/proc/mounts", root.join("etc/mtab")).unwrap();
}
