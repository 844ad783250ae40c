//! Reads `witness.cf`: where a witness listens, and whose votes it has.
//!
//! ```text
//! listen 192.0.2.7:694              default: every address of this host, port 694
//! lends-for 60s                     no longer than this, and to nobody for so long after its start; default 60s
//! cluster NODE1 NODE2 KEYFILE       one line each; KEYFILE beside witness.cf, or an absolute path
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ovzha_core::auth::Keyring;
use ovzha_core::config::DEADTIME_MAX;
use ovzha_core::id::ClusterId;
use ovzha_core::time::Span;

use super::keys;
use crate::core_config::cluster_id;
use crate::diagnostic::{Diagnostic, Problems, Severity, quote};
use crate::ha_cf::{PORT_DEFAULT, split, values};
use crate::trusted_file::{self, Secrecy};
use crate::words;

/// Most clusters of one witness: each has a bound of its own, and so has the whole.
pub const CLUSTERS_MAX: usize = 20_000;
/// Most `listen` lines.
const LISTENS_MAX: usize = 16;
const LENDS_FOR: Span = Span::from_secs(60);

/// One cluster.
#[derive(Clone, Debug)]
pub struct Hosted {
    /// Its nodes, sorted by name.
    pub nodes: [String; 2],
    /// Its name on the wire.
    pub cluster: ClusterId,
    /// The keys between its nodes and the witness.
    pub keyring: Keyring,
}

/// What the file says.
#[derive(Clone, Debug)]
pub struct WitnessCf {
    /// Where to listen, at least one.
    pub listens: Vec<SocketAddr>,
    /// The longest time it lends for.
    pub lends_for: Span,
    /// The clusters, at least one.
    pub clusters: Vec<Hosted>,
}

/// Reads the file and its key files.
///
/// # Errors
/// Every problem, each with its file and line.
pub fn load(path: &Path) -> Result<WitnessCf, Vec<Diagnostic>> {
    let missing = || vec![Diagnostic::of_file(Severity::Error, path, "is missing")];
    let bytes = trusted_file::read(path, Secrecy::Public)?.ok_or_else(missing)?;
    let mut reader = Reader {
        problems: Problems::new(path),
        dir: path.parent().unwrap_or(Path::new("/")).to_owned(),
        more: Vec::new(),
        listens: Vec::new(),
        lends_for: None,
        clusters: Vec::new(),
    };
    if let Err((line, why)) = words::is_text(&bytes) {
        reader.problems.error(line, why);
    } else {
        for line in words::lines(&bytes) {
            match words::code(line) {
                Ok(text) => reader.line(line.number, text),
                Err(why) => reader.problems.error(line.number, why),
            }
        }
        if reader.clusters.is_empty() {
            let last = words::last_line(&bytes);
            reader.problems.error(last, "there is no `cluster` line");
        }
    }
    let mut diagnostics = reader.problems.into_vec();
    diagnostics.append(&mut reader.more);
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    if reader.listens.is_empty() {
        reader
            .listens
            .push(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT_DEFAULT)));
    }
    Ok(WitnessCf {
        listens: reader.listens,
        lends_for: reader.lends_for.unwrap_or(LENDS_FOR),
        clusters: reader.clusters,
    })
}

struct Reader {
    problems: Problems,
    dir: PathBuf,
    /// Of the key files.
    more: Vec<Diagnostic>,
    listens: Vec<SocketAddr>,
    lends_for: Option<Span>,
    clusters: Vec<Hosted>,
}

impl Reader {
    fn line(&mut self, line: u32, text: &str) {
        let said: Vec<&str> = split(text).collect();
        let done = match said.as_slice() {
            [] => Ok(()),
            ["listen", place] => self.listen(place),
            ["lends-for", time] => self.lends_for(time),
            ["cluster", one, two, file] => self.cluster([one, two], file),
            ["listen", ..] => Err("`listen` needs ADDRESS[:PORT]".to_owned()),
            ["lends-for", ..] => Err("`lends-for` needs TIME".to_owned()),
            ["cluster", ..] => Err("`cluster` needs NODE NODE KEYFILE".to_owned()),
            [name, ..] => Err(format!("unknown directive {}", quote(name))),
        };
        if let Err(why) = done {
            self.problems.error(line, why);
        }
    }

    fn listen(&mut self, place: &str) -> Result<(), String> {
        let at = values::place(place).ok_or_else(|| format!("{} is no ADDRESS or ADDRESS:PORT", quote(place)))?;
        if self.listens.contains(&at) {
            return Err(format!("{at} stands there already"));
        }
        if self.listens.len() >= LISTENS_MAX {
            return Err(format!("more than {LISTENS_MAX} places to listen"));
        }
        self.listens.push(at);
        Ok(())
    }

    fn lends_for(&mut self, time: &str) -> Result<(), String> {
        let span = values::time(time)?.span;
        if self.lends_for.is_some() {
            return Err("`lends-for` stands there already".to_owned());
        }
        if span < Span::from_secs(1) || span > DEADTIME_MAX {
            return Err(format!("lends-for is 1 s to {DEADTIME_MAX}"));
        }
        self.lends_for = Some(span);
        Ok(())
    }

    fn cluster(&mut self, nodes: [&str; 2], file: &str) -> Result<(), String> {
        let mut nodes = [values::node_name(nodes[0])?, values::node_name(nodes[1])?];
        nodes.sort();
        if nodes[0] == nodes[1] {
            return Err(format!("{} twice", quote(&nodes[0])));
        }
        if self.clusters.len() >= CLUSTERS_MAX {
            return Err(format!("more than {CLUSTERS_MAX} clusters"));
        }
        let path = self.dir.join(file);
        match trusted_file::read(&path, Secrecy::Secret) {
            Err(mut why) => self.more.append(&mut why),
            Ok(None) => return Err(format!("there is no key file {}", path.display())),
            Ok(Some(bytes)) => match keys::parse(&String::from_utf8_lossy(&bytes)) {
                Ok(keyring) => {
                    // other pairs may have the same names, and other keys
                    let same = |it: &Hosted| it.nodes == nodes && it.keyring == keyring;
                    if self.clusters.iter().any(same) {
                        return Err(format!("{} and {} stand there already", nodes[0], nodes[1]));
                    }
                    self.clusters.push(Hosted {
                        cluster: cluster_id(&nodes),
                        nodes,
                        keyring,
                    });
                }
                Err((line, why)) => {
                    let mut problems = Problems::new(&path);
                    problems.error(line, why);
                    self.more.append(&mut problems.into_vec());
                }
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("ovzha-witness-cf-{name}-{}", std::process::id()));
            fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
            let dir = Self(dir);
            for (name, digit) in [("one", "a"), ("two", "b")] {
                dir.write(name, &format!("auth 1\n1 sha256 {}\n", digit.repeat(64)));
            }
            dir
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }

        fn load(&self, text: &str) -> Result<WitnessCf, Vec<String>> {
            self.write("witness.cf", text);
            let dir = format!("{}/", self.0.display());
            let told = |problems: Vec<Diagnostic>| problems.iter().map(|it| it.to_string().replace(&dir, "")).collect();
            load(&self.0.join("witness.cf")).map_err(told)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn what_stands_there_is_understood() {
        let dir = Dir::new("good");
        let read = dir.load(
            "# ours\nlisten 192.0.2.7\nlisten [2001:db8::7]:1694\nlends-for 30s\ncluster B a one\ncluster a b two\n",
        );
        let read = read.unwrap();
        assert_eq!(
            read.listens,
            ["192.0.2.7:694".parse().unwrap(), "[2001:db8::7]:1694".parse().unwrap()]
        );
        assert_eq!(read.lends_for, Span::from_secs(30));
        // the same names with other keys: another pair
        assert_eq!(read.clusters.len(), 2);
        assert!(read.clusters.iter().all(|hosted| hosted.nodes == ["a", "b"]));
        let read = dir.load("cluster a b one\n").unwrap();
        assert_eq!(
            (read.listens, read.lends_for),
            (vec!["0.0.0.0:694".parse().unwrap()], LENDS_FOR)
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let dir = Dir::new("bad");
        dir.write("three", "auth 1\n1 crc 00\n");
        let told = |text: &str| dir.load(text).unwrap_err();
        assert_eq!(told("# nothing\n"), ["witness.cf:1: error: there is no `cluster` line"]);
        let text = "listen web\nlisten 192.0.2.7\nlisten 192.0.2.7:694\nlisten\nlends-for 0\nlends-for 5m\nlends-for 9s\nlends-for 9s\n\
                    cluster a b one\ncluster b a one\ncluster a a one\ncluster a b\ncluster a c four\ncluster a d three\nwitness x\n";
        assert_eq!(
            told(text),
            [
                "witness.cf:1: error: `web` is no ADDRESS or ADDRESS:PORT",
                "witness.cf:3: error: 192.0.2.7:694 stands there already",
                "witness.cf:4: error: `listen` needs ADDRESS[:PORT]",
                "witness.cf:5: error: lends-for is 1 s to 240 s",
                "witness.cf:6: error: lends-for is 1 s to 240 s",
                "witness.cf:8: error: `lends-for` stands there already",
                "witness.cf:10: error: a and b stand there already",
                "witness.cf:11: error: `a` twice",
                "witness.cf:12: error: `cluster` needs NODE NODE KEYFILE",
                &format!(
                    "witness.cf:13: error: there is no key file {}",
                    dir.0.join("four").display()
                )
                .replace(&format!("{}/", dir.0.display()), ""),
                "witness.cf:15: error: unknown directive `witness`",
                "three:2: error: the method is sha256, sha1 or md5",
            ]
        );
    }
}
