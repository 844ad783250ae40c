//! Whether this node sees its containers' configuration, or what a package put in its place.
//!
//! In the article's layout the files of vzctl are links to the shared device. An update of the packages on the passive
//! node, where the links lead nowhere, turns them into directories of defaults and says nothing; the next `vz start`
//! there finds nothing to start. Two signs tell of it. Each good start keeps the list of the links, so that a
//! later look, with the device away, sees which of them is none any more. And with the device there, private areas
//! without one configuration file among them are containers that this node doesn't know.
use super::containers::{is_id, value_of};
use crate::store;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The file in the state directory that keeps the links.
const NAME: &str = "vz-links";
const NAME_NEXT: &str = "vz-links.next";
/// The most bytes of it that are read.
const BYTES_MAX: u64 = 4096;

/// The first of `links` whose target isn't there, as all of them while the shared device is away.
#[must_use]
pub fn dangling(links: &[PathBuf]) -> Option<&Path> {
    let dangles = |path: &&PathBuf| is_link(path) && fs::metadata(path).is_err();
    links.iter().find(dangles).map(PathBuf::as_path)
}

/// Keeps in `state_dir` which of `links` are links. What can't be kept warns of nothing later.
pub fn keep(state_dir: &Path, links: &[PathBuf]) {
    let line = |path: &PathBuf| format!("{}\n", path.display());
    let text: String = links.iter().filter(|path| is_link(path)).map(line).collect();
    if text != kept(state_dir) {
        drop(store::replace(state_dir, NAME, NAME_NEXT, text.as_bytes()));
    }
}

/// Which link is something else by now, in one sentence that says what to do; none as long as none is.
#[must_use]
pub fn replaced(state_dir: &Path) -> Option<String> {
    let text = kept(state_dir);
    let is_other = |path: &&Path| fs::symlink_metadata(path).is_ok_and(|meta| !meta.file_type().is_symlink());
    let path = text.lines().map(Path::new).find(is_other)?;
    Some(format!(
        "{} is no link any more, as it was when vz last started here; an update of a package does that: put the link \
         back, or remove {} if it is meant",
        path.display(),
        state_dir.join(NAME).display(),
    ))
}

fn kept(state_dir: &Path) -> String {
    let mut text = String::new();
    // none yet, or none that can be read: then nothing is known
    drop(File::open(state_dir.join(NAME)).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text)));
    text
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_symlink())
}

/// Where the containers' private areas lie, by the text of `vz.conf` and the mount point of the shared device.
#[must_use]
pub fn private_areas(conf: &str, mount: Option<&Path>) -> PathBuf {
    let said = value_of(conf, "VE_PRIVATE").and_then(|value| Some(PathBuf::from(value.split_once("/$")?.0)));
    said.unwrap_or_else(|| mount.unwrap_or(Path::new("/vz")).join("private"))
}

/// The containers below `private`, if not one of them has a configuration in `conf_dir`; else none.
#[must_use]
pub fn unknown_containers(private: &Path, conf_dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(private).into_iter().flatten().flatten();
    let areas = entries.filter(|entry| entry.path().is_dir());
    let mut ids: Vec<String> = areas
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_id(name))
        .collect();
    if ids.iter().any(|id| conf_dir.join(format!("{id}.conf")).exists()) {
        ids.clear();
    }
    ids.sort();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_areas_lie_where_vz_conf_says() {
        let text = "VE_PRIVATE=/var/lib/vz/private/$VEID\n";
        assert_eq!(
            private_areas(text, Some(Path::new("/vz"))),
            Path::new("/var/lib/vz/private")
        );
        assert_eq!(private_areas("", Some(Path::new("/data"))), Path::new("/data/private"));
        assert_eq!(private_areas("", None), Path::new("/vz/private"));
    }
}
