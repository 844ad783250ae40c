//! Reads what a run left behind: the diary, and the count on the disk.
use super::Number;
use std::path::Path;

/// One line of the diary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: u64,
    pub node: Number,
    pub text: String,
}

/// Reads the diary.
pub fn read(path: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let entry = |line: &str| {
        let mut words = line.splitn(3, ' ');
        Some(Entry {
            at: words.next()?.parse().ok()?,
            node: words.next()?.parse().ok()?,
            text: words.next()?.to_owned(),
        })
    };
    text.lines().filter_map(entry).collect()
}

/// The first moment at which both nodes were DRBD Primary.
pub fn both_primary(diary: &[Entry]) -> Option<&Entry> {
    let mut primary = [false; 2];
    diary.iter().find(|entry| {
        let own = &mut primary[usize::from(entry.node == 2)];
        match entry.text.as_str() {
            "drbd is primary" => *own = true,
            "drbd is secondary" | "power cut" => *own = false,
            text if text.starts_with("boot ") => *own = false,
            _ => {}
        }
        primary == [true, true]
    })
}

/// The count must go up by one from line to line, and a writer that another followed must never come back.
pub fn check_count(text: &str) -> Result<(), String> {
    let mut writers: Vec<&str> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (count, writer) = line.split_once(' ').ok_or_else(|| format!("line {index}: {line:?}"))?;
        if count.parse() != Ok(index + 1) {
            return Err(format!("line {} of the count is {line:?}", index + 1));
        }
        if writers.last() != Some(&writer) {
            if writers.contains(&writer) {
                return Err(format!(
                    "the writer of {writer} writes again after another, at line {}",
                    index + 1
                ));
            }
            writers.push(writer);
        }
    }
    Ok(())
}
