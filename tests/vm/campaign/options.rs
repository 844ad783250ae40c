//! What a campaign is asked to do: the words behind `.ci/run campaign --`, in `OVZHA_CAMPAIGN`.
use crate::bed::Files;

pub const USAGE: &str = "campaign -- [--faults N] [--seed S] [--protection none|fencing|witness|board] [--plan] [--only NUMBER [--active NODE]]";

/// Which row of SAFETY, section 2, the files earn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// The article as written.
    None,
    /// DRBD asks the fence-peer handler, and the hardware watchdog is armed.
    Fencing,
    /// The same, and a third vote.
    Witness,
    /// The third vote is a board's, whose relays are in place of the watchdogs.
    Board,
}

impl Protection {
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fencing => "fencing",
            Self::Witness => "witness",
            Self::Board => "board",
        }
    }

    /// The files of the pair; DRBD notices a lost peer within its own time-outs of a few seconds, and comes back as fast.
    pub fn files(self) -> Files {
        let files = Files::usual()
            .on_frail_disks()
            .with_drbd("net { timeout 30; ping-int 4; connect-int 4; }");
        match self {
            Self::None => files,
            Self::Fencing => files.fenced().watched(),
            Self::Witness => files.fenced().watched().witnessed(),
            Self::Board => files.fenced().boarded(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// So many more than the ledger has.
    pub faults: u32,
    pub seed: u64,
    pub protection: Protection,
    /// Print the plan, run nothing.
    pub plan: bool,
    /// Repeat this one alone on a fresh pair, past the ledger.
    pub only: Option<u32>,
    /// Which node is active when it strikes.
    pub active: u8,
}

impl Options {
    pub fn parse(words: &str) -> Result<Self, String> {
        let mut options = Self {
            faults: 10,
            seed: 1,
            protection: Protection::None,
            plan: false,
            only: None,
            active: 1,
        };
        let mut words = words.split_whitespace();
        while let Some(word) = words.next() {
            let mut number = || {
                let value = words.next().unwrap_or_default();
                let parsed = value.parse::<u64>();
                parsed.map_err(|_| format!("{word} wants a number, not {value:?}\n{USAGE}"))
            };
            let small = |number: u64| u32::try_from(number).map_err(|_| format!("{word} {number} is too large"));
            match word {
                "--faults" => options.faults = small(number()?)?,
                "--seed" => options.seed = number()?,
                "--only" => match small(number()?)? {
                    0 => return Err("faults count from 1".to_owned()),
                    number => options.only = Some(number),
                },
                "--active" => match number()? {
                    1 => options.active = 1,
                    2 => options.active = 2,
                    other => return Err(format!("there is no node {other}")),
                },
                "--plan" => options.plan = true,
                "--protection" => match words.next() {
                    Some("none") => options.protection = Protection::None,
                    Some("fencing") => options.protection = Protection::Fencing,
                    Some("witness") => options.protection = Protection::Witness,
                    Some("board") => options.protection = Protection::Board,
                    other => {
                        return Err(format!(
                            "--protection is none, fencing, witness or board, not {other:?}"
                        ));
                    }
                },
                _ => return Err(format!("unknown word {word:?}\n{USAGE}")),
            }
        }
        Ok(options)
    }
}

#[test]
fn words_are_understood_or_refused() {
    let options = Options::parse("--faults 100 --seed 4 --protection fencing").unwrap();
    assert_eq!(
        (options.faults, options.seed, options.protection),
        (100, 4, Protection::Fencing)
    );
    for wrong in [
        "--faults",
        "--faults x",
        "--only 0",
        "--active 3",
        "--protection watchdog",
        "more",
    ] {
        assert!(Options::parse(wrong).is_err(), "{wrong}");
    }
}
