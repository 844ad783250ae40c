//! The ledger of seeds of one program: a line a batch, appended when its end is known, never rewritten.
//!
//! It lies in the cache under the digest of the sources, so that seeds add up over runs and those of another program
//! don't count; a run goes on behind the last seed of the last whole line.

use std::fmt::Write as _;
use std::path::Path;

use ovzha_tests::lines::{self, Lines};

/// What became of some seeds in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The first one.
    pub from: u64,
    pub seeds: u64,
    pub faults: u64,
    pub violations: u64,
    /// Two actives that their row admits.
    pub admitted: u64,
    /// Times that users lost writes as their row admits.
    pub lost: u64,
    pub simulated_hours: u64,
    pub milliseconds: u64,
}

const NAMES: [&str; 8] = [
    "from",
    "seeds",
    "faults",
    "violations",
    "admitted",
    "lost",
    "simulated_hours",
    "ms",
];

impl Entry {
    fn numbers(&self) -> [u64; 8] {
        [
            self.from,
            self.seeds,
            self.faults,
            self.violations,
            self.admitted,
            self.lost,
            self.simulated_hours,
            self.milliseconds,
        ]
    }

    fn line(&self) -> String {
        let pairs: Vec<String> = NAMES
            .iter()
            .zip(self.numbers())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join(" ")
    }

    fn parse(line: &str) -> Option<Self> {
        let value = |name| lines::number(line, name);
        Some(Self {
            from: value("from")?,
            seeds: value("seeds")?,
            faults: value("faults")?,
            violations: value("violations")?,
            admitted: value("admitted")?,
            lost: value("lost")?,
            simulated_hours: value("simulated_hours")?,
            milliseconds: value("ms")?,
        })
    }
}

/// The open ledger.
pub struct Ledger {
    file: Lines,
    digest: String,
    pub entries: Vec<Entry>,
}

impl Ledger {
    pub fn open(dir: &Path, digest: &str) -> Self {
        let path = dir.join(format!("{digest}.ledger"));
        let (file, lines) = Lines::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let entry = |line: &String| Entry::parse(line).unwrap_or_else(|| panic!("{}: {line:?}", path.display()));
        let entries = lines.iter().map(entry).collect();
        Self {
            file,
            digest: digest.to_owned(),
            entries,
        }
    }

    /// Behind the highest seed that was run.
    pub fn next(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| entry.from + entry.seeds)
            .max()
            .unwrap_or(0)
    }

    /// Whether some of these seeds are in it already: they count once.
    pub fn has_any(&self, from: u64, seeds: u64) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| from < entry.from + entry.seeds && entry.from < from + seeds)
    }

    pub fn add(&mut self, entry: &Entry) {
        self.file.add(&entry.line()).unwrap();
        self.entries.push(entry.clone());
    }

    /// The line for machines: sums over the whole ledger.
    pub fn totals(&self) -> String {
        let sum = |of: fn(&Entry) -> u64| self.entries.iter().map(of).sum::<u64>();
        let mut text = format!(
            "sim: seeds={} faults={} violations={} seconds={}",
            sum(|entry| entry.seeds),
            sum(|entry| entry.faults),
            sum(|entry| entry.violations),
            sum(|entry| entry.milliseconds) / 1000
        );
        let (admitted, lost) = (sum(|entry| entry.admitted), sum(|entry| entry.lost));
        let hours = sum(|entry| entry.simulated_hours);
        write!(
            text,
            " admitted={admitted} lost={lost} simulated_hours={hours} program={}",
            self.digest
        )
        .unwrap();
        text
    }
}

#[test]
fn a_ledger_goes_on_behind_its_last_whole_line_and_is_of_one_program() {
    let dir = std::env::temp_dir().join(format!("ovzha-seeds-{}", std::process::id()));
    let entry = |from| Entry {
        from,
        seeds: 100,
        faults: 1200,
        lost: 2,
        milliseconds: 1500,
        ..Entry::default()
    };
    let mut ledger = Ledger::open(&dir, "one");
    assert_eq!(ledger.next(), 0);
    ledger.add(&entry(0));
    ledger.add(&entry(100));
    drop(ledger);
    let path = dir.join("one.ledger");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("from=200 see");
    std::fs::write(&path, text).unwrap();
    let mut again = Ledger::open(&dir, "one");
    assert_eq!((again.entries.clone(), again.next()), (vec![entry(0), entry(100)], 200));
    let has = [(0, 1), (199, 1), (150, 200), (200, 100)].map(|(from, seeds)| again.has_any(from, seeds));
    assert_eq!(has, [true, true, true, false]);
    again.add(&entry(200));
    drop(again);
    let totals = "sim: seeds=300 faults=3600 violations=0 seconds=4 admitted=0 lost=6 simulated_hours=0 program=one";
    assert_eq!(Ledger::open(&dir, "one").totals(), totals);
    assert_eq!(Ledger::open(&dir, "other").entries, Vec::new());
    std::fs::remove_dir_all(dir).unwrap();
}
