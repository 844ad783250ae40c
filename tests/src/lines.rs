//! A ledger's file: lines that are appended when their truth is known, and never rewritten.
//!
//! It lies in the cache and outlives runs. One run at a time writes it. A line that a run left unfinished is cut off, so
//! that the next run goes on behind the last whole one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

/// The open file.
#[derive(Debug)]
pub struct Lines(File);

impl Lines {
    /// Opens it for this run alone, made if it is missing; and the whole lines in it.
    ///
    /// # Errors
    /// Another run writes it, a folder of its path can't be made, or it can't be read or cut.
    pub fn open(path: &Path) -> io::Result<(Self, Vec<String>)> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        file.try_lock()?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
        let kept = if text.contains('\n') { whole.len() + 1 } else { 0 };
        if kept < text.len() {
            file.set_len(u64::try_from(kept).map_err(io::Error::other)?)?;
        }
        Ok((Self(file), whole.lines().map(str::to_owned).collect()))
    }

    /// Appends a line, given without its end; it is on disk when this returns.
    ///
    /// # Errors
    /// It could not be written.
    pub fn add(&mut self, line: &str) -> io::Result<()> {
        self.0.write_all(format!("{line}\n").as_bytes())?;
        self.0.sync_all()
    }
}

/// The number that stands behind `NAME=` among words of that form.
#[must_use]
pub fn number(line: &str, name: &str) -> Option<u64> {
    let mut pairs = line.split(' ').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name)?.1.parse().ok()
}
