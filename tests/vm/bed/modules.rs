//! The kernel modules that a guest loads, each behind those that it needs.
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All modules below a directory, by their names.
pub struct Modules(BTreeMap<String, PathBuf>);

impl Modules {
    pub fn below(root: &Path) -> Self {
        let mut found = BTreeMap::new();
        let mut open = vec![root.to_path_buf()];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|ending| ending == "ko") {
                let name = path.file_stem().unwrap().to_str().unwrap().replace('-', "_");
                found.insert(name, path);
            }
        }
        assert!(!found.is_empty(), "no modules below {}", root.display());
        Self(found)
    }

    /// The files of `wanted` and of all that they need, in an order in which plain `insmod` loads them. A name without a
    /// file is built into the kernel.
    pub fn in_order(&self, wanted: &[&str]) -> Vec<PathBuf> {
        let mut order = Vec::new();
        for name in wanted {
            self.add(name, &mut order);
        }
        order
    }

    fn add(&self, name: &str, order: &mut Vec<PathBuf>) {
        let Some(path) = self.0.get(&name.replace('-', "_")) else {
            return;
        };
        if order.contains(path) {
            return;
        }
        for needed in needs(&fs::read(path).unwrap()) {
            self.add(&needed, order);
        }
        order.push(path.clone());
    }
}

/// What a module says that it needs: the text behind `depends=`.
fn needs(module: &[u8]) -> Vec<String> {
    let key = b"\0depends=";
    let Some(at) = module.windows(key.len()).position(|window| window == key) else {
        return Vec::new();
    };
    let text: Vec<u8> = module[at + key.len()..]
        .iter()
        .copied()
        .take_while(|byte| *byte != 0)
        .collect();
    let text = String::from_utf8(text).unwrap();
    text.split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}
