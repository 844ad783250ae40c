//! Writes the failover table once more for `tests/table`: the text of `core/src/decide.rs` with every read of a fact (`facts.rs`)
//! turned into a call, so that the test learns which facts a decision was made from.
//!
//! Only the spelling changes: `view.held` becomes `view.held()`, `peer.flags.able` becomes `peer.able()`. The types that
//! the test compiles it with have no such fields, so that a read which was not turned into a call does not compile.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let core = Path::new("../core/src");
    let mut made = String::new();
    for (file, names) in [
        (
            "facts.rs",
            &["Mine", "Foreign", "Attached", "Ailing", "Entitled", "Data"][..],
        ),
        ("message.rs", &["Phase"]),
        ("why.rs", &["Why"]),
    ] {
        let path = core.join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path)?;
        for name in names {
            let values = variants(&text, name).ok_or_else(|| format!("{file} has no enum {name}"))?;
            writeln!(made, "pub const {}: &[{name}] = &[{}];", name.to_uppercase(), values)?;
        }
    }
    let path = core.join("decide.rs");
    println!("cargo::rerun-if-changed={}", path.display());
    made += &observed(&fs::read_to_string(&path)?).ok_or("decide.rs has no \"/// The table.\"")?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("observed.rs"), made)?;
    Ok(())
}

/// The values of a plain enum, as its text lists them.
fn variants(text: &str, name: &str) -> Option<String> {
    let body = text.split_once(&format!("pub enum {name} {{"))?.1.split_once('}')?.0;
    let names = body.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let values = names.filter_map(|line| line.strip_suffix(','));
    Some(values.fold(String::new(), |list, value| list + name + "::" + value + ", "))
}

/// The functions of the table, reading by calls.
fn observed(text: &str) -> Option<String> {
    let functions = text.split_once("/// The table.")?.1;
    let plain = functions.replace("const fn", "fn").replace("peer.flags.", "peer.");
    let mut made = String::new();
    let mut rest = plain.as_str();
    while let Some(at) = ["view.", "peer."].iter().filter_map(|word| rest.find(word)).min() {
        let (before, found) = rest.split_at(at);
        let (of, name) = found.split_at("view.".len());
        let end = name.find(|sign: char| sign != '_' && !sign.is_ascii_lowercase())?;
        made += before;
        made += of;
        made += &name[..end];
        made += "()";
        rest = &name[end..];
    }
    Some(made + rest)
}
