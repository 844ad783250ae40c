//! What `.ci/run seeds` is asked to do: the words behind `--`, in `OVZHA_SEEDS`.

pub const USAGE: &str = "seeds -- [--count N] [--from S]";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// So many seeds.
    pub count: u64,
    /// The first of them; else the one behind the ledger's last. What the ledger has already counts once.
    pub from: Option<u64>,
}

impl Options {
    pub fn parse(words: &str) -> Result<Self, String> {
        let mut options = Self {
            count: 10_000,
            from: None,
        };
        let mut words = words.split_whitespace();
        while let Some(word) = words.next() {
            let mut number = || {
                let value = words.next().unwrap_or_default();
                let parsed = value.parse::<u64>();
                parsed.map_err(|_| format!("{word} wants a number, not {value:?}\n{USAGE}"))
            };
            match word {
                "--count" => options.count = number()?,
                "--from" => options.from = Some(number()?),
                _ => return Err(format!("no such word: {word}\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

#[test]
fn words_are_understood_or_refused() {
    let options = |count, from| Ok(Options { count, from });
    assert_eq!(Options::parse(""), options(10_000, None));
    assert_eq!(Options::parse("--count 5 --from 7"), options(5, Some(7)));
    assert!(Options::parse("--count many").is_err_and(|text| text.contains("not \"many\"")));
    assert!(Options::parse("--from").is_err_and(|text| text.contains(USAGE)));
    assert!(Options::parse("all").is_err_and(|text| text.contains("no such word: all")));
}
