//! The ledger of a seed and a protection: one line a fault, appended as soon as its end is known, never rewritten.
//!
//! It lies in the cache, so that faults add up over runs; a run goes on behind the last whole line.
use super::options::Options;
use ovzha_tests::lines::{self, Lines};
use std::path::Path;

/// What became of a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub number: u32,
    /// Node that was active when it struck.
    pub active: u64,
    /// 1 if a promise was broken.
    pub violation: u64,
    /// Acknowledged records that are gone, admitted or not.
    pub lost: u64,
    /// 1 if the other node has the group now.
    pub takeovers: u64,
    /// 1 if both nodes had it at once, as the row admits.
    pub two_actives: u64,
    /// How often the driver had to discard one side's data.
    pub split_brains: u64,
    pub milliseconds: u64,
    /// From healed to whole.
    pub healing_milliseconds: u64,
    /// The fault, in words.
    pub what: String,
}

impl Entry {
    fn line(&self) -> String {
        format!(
            "fault={} active={} violation={} lost={} takeovers={} two_actives={} split_brains={} ms={} healing_ms={} | {}",
            self.number,
            self.active,
            self.violation,
            self.lost,
            self.takeovers,
            self.two_actives,
            self.split_brains,
            self.milliseconds,
            self.healing_milliseconds,
            self.what
        )
    }

    fn parse(line: &str) -> Option<Self> {
        let (numbers, what) = line.split_once(" | ")?;
        let value = |name| lines::number(numbers, name);
        Some(Self {
            number: u32::try_from(value("fault")?).ok()?,
            active: value("active")?,
            violation: value("violation")?,
            lost: value("lost")?,
            takeovers: value("takeovers")?,
            two_actives: value("two_actives")?,
            split_brains: value("split_brains")?,
            milliseconds: value("ms")?,
            healing_milliseconds: value("healing_ms")?,
            what: what.to_owned(),
        })
    }
}

/// The open ledger.
pub struct Ledger {
    file: Lines,
    pub entries: Vec<Entry>,
}

impl Ledger {
    pub fn open(dir: &Path, options: &Options) -> Self {
        let path = dir.join(format!("{}-{}.ledger", options.seed, options.protection.name()));
        let (file, lines) = Lines::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let entry = |line: &String| Entry::parse(line).unwrap_or_else(|| panic!("{}: {line:?}", path.display()));
        let entries = lines.iter().map(entry).collect();
        Self { file, entries }
    }

    pub fn next(&self) -> u32 {
        self.entries.last().map_or(1, |entry| entry.number + 1)
    }

    pub fn add(&mut self, entry: Entry) {
        self.file.add(&entry.line()).unwrap();
        self.entries.push(entry);
    }

    /// The line for machines: sums over the whole ledger.
    pub fn totals(&self) -> String {
        let sum = |of: fn(&Entry) -> u64| self.entries.iter().map(of).sum::<u64>();
        let slowest = self.entries.iter().map(|entry| entry.healing_milliseconds).max();
        format!(
            "campaign: faults={} violations={} lost={} takeovers={} two_actives={} split_brains={} seconds={} slowest_healing_ms={}",
            self.entries.len(),
            sum(|entry| entry.violation),
            sum(|entry| entry.lost),
            sum(|entry| entry.takeovers),
            sum(|entry| entry.two_actives),
            sum(|entry| entry.split_brains),
            sum(|entry| entry.milliseconds) / 1000,
            slowest.unwrap_or(0)
        )
    }
}

#[test]
fn a_ledger_goes_on_behind_its_last_whole_line() {
    let dir = std::env::temp_dir().join(format!("ovzha-ledger-{}", std::process::id()));
    let options = Options::parse("--seed 9").unwrap();
    let entry = |number| Entry {
        number,
        takeovers: 1,
        lost: 2,
        what: "PowerCut(Active) for 3000 ms".to_owned(),
        ..Entry::default()
    };
    let mut ledger = Ledger::open(&dir, &options);
    assert_eq!(ledger.next(), 1);
    ledger.add(entry(1));
    ledger.add(entry(2));
    drop(ledger);
    let path = dir.join("9-none.ledger");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("fault=3 act");
    std::fs::write(&path, text).unwrap();
    let mut again = Ledger::open(&dir, &options);
    assert_eq!((again.entries.clone(), again.next()), (vec![entry(1), entry(2)], 3));
    again.add(entry(3));
    drop(again);
    let last = Ledger::open(&dir, &options);
    let totals = "campaign: faults=3 violations=0 lost=6 takeovers=3 ";
    assert!(last.totals().starts_with(totals), "{}", last.totals());
    std::fs::remove_dir_all(dir).unwrap();
}
