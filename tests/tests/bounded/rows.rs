//! The list of what is searched. Deadtimes are the shortest in whole keepalives that leave room for what the row promises.

use ovzha_core::witness::Relay;

use crate::machine::{Still, Wrong};
use crate::row::{Act, Net, Row};

const EXACT: [u64; 2] = [1000; 2];
const A_SLOW: [u64; 2] = [990, 1010];
const A_FAST: [u64; 2] = [1010, 990];

const CRASHES: &[Act] = &[Act::PowerCut(0), Act::PowerCut(1)];
const DEATHS: &[Act] = &[Act::PowerCut(0), Act::PowerCut(1), Act::WitnessDies];
const KILLS: &[Act] = &[Act::Kill(0), Act::Kill(1)];
const KILLS_AND_CRASHES: &[Act] = &[
    Act::Kill(0),
    Act::Kill(1),
    Act::Restart(0, 1500),
    Act::Restart(1, 1500),
    Act::PowerCut(0),
    Act::PowerCut(1),
];
const BAD_SHOTS: &[Act] = &[
    Act::GoesWrong(0, Wrong::Shot),
    Act::GoesWrong(1, Wrong::Shot),
    Act::PowerCut(0),
    Act::PowerCut(1),
    Act::Freeze(0, Still::Machine),
    Act::Freeze(1, Still::Machine),
];
const RESTARTS: &[Act] = &[
    Act::Restart(0, 500),
    Act::Restart(1, 500),
    Act::Restart(0, 1500),
    Act::Restart(1, 1500),
];
const FAILURES: &[Act] = &[
    Act::GoesWrong(0, Wrong::Start),
    Act::GoesWrong(1, Wrong::Start),
    Act::GoesWrong(0, Wrong::Stop),
    Act::GoesWrong(1, Wrong::Stop),
    Act::PowerCut(0),
    Act::PowerCut(1),
];
const BAD_STOPS: &[Act] = &[
    Act::GoesWrong(0, Wrong::Stop),
    Act::GoesWrong(1, Wrong::Stop),
    Act::GoesWrong(0, Wrong::Hang),
    Act::GoesWrong(1, Wrong::Hang),
];
const FREEZES: &[Act] = &[
    Act::Freeze(0, Still::Process),
    Act::Freeze(1, Still::Process),
    Act::Freeze(0, Still::Kernel),
    Act::Freeze(1, Still::Kernel),
    Act::Freeze(0, Still::Machine),
    Act::Freeze(1, Still::Machine),
];
/// What a watchdog is for.
const HANGS: &[Act] = &[
    Act::Freeze(0, Still::Process),
    Act::Freeze(1, Still::Process),
    Act::Freeze(0, Still::Kernel),
    Act::Freeze(1, Still::Kernel),
    Act::Kill(0),
    Act::Kill(1),
    Act::Restart(0, 1500),
    Act::Restart(1, 1500),
];
const PAUSES: &[Act] = &[Act::Freeze(0, Still::Machine), Act::Freeze(1, Still::Machine)];

const fn none(name: &'static str, quick: u8, deep: u8) -> Row {
    Row {
        name,
        deadtime: 4,
        ping: false,
        votes: None,
        agents: false,
        watchdog: None,
        rates: EXACT,
        cold: false,
        net: Net::Good,
        acts: &[],
        faults: 0,
        admits: None,
        quick,
        deep,
    }
}

const fn ping(name: &'static str, quick: u8, deep: u8) -> Row {
    Row {
        deadtime: 6,
        ping: true,
        net: Net::Isolations(4),
        ..none(name, quick, deep)
    }
}

const fn watchdog(name: &'static str, quick: u8, deep: u8) -> Row {
    Row {
        deadtime: 5,
        watchdog: Some(3000),
        acts: HANGS,
        faults: 1,
        ..none(name, quick, deep)
    }
}

const fn both(name: &'static str, quick: u8, deep: u8) -> Row {
    Row {
        deadtime: 10,
        ping: true,
        watchdog: Some(3000),
        ..none(name, quick, deep)
    }
}

const fn votes(name: &'static str, quick: u8, deep: u8) -> Row {
    Row {
        deadtime: 6,
        votes: Some(Relay::None),
        net: Net::Roads(3),
        ..none(name, quick, deep)
    }
}

const fn votes_and_watchdog(name: &'static str, quick: u8, deep: u8) -> Row {
    Row {
        deadtime: 10,
        watchdog: Some(3000),
        ..votes(name, quick, deep)
    }
}

const fn fencing(name: &'static str, quick: u8, deep: u8) -> Row {
    Row {
        agents: true,
        ..none(name, quick, deep)
    }
}

/// Every row.
pub const ROWS: &[Row] = &[
    Row {
        net: Net::Gaps(2),
        ..none("none: gaps of two keepalives in either direction", 4, 7)
    },
    Row {
        net: Net::Gaps(2),
        rates: A_SLOW,
        ..none("none: the same, a's clock slow", 4, 6)
    },
    Row {
        acts: FAILURES,
        faults: 2,
        ..none("none: crashes and failing steps", 7, 11)
    },
    Row {
        acts: FAILURES,
        faults: 2,
        cold: true,
        ..none("none: the same from a cold start", 7, 11)
    },
    Row {
        acts: CRASHES,
        faults: 1,
        net: Net::Gaps(1),
        ..none("none: a crash beside gaps of one keepalive", 4, 6)
    },
    Row {
        acts: RESTARTS,
        faults: 2,
        ..none("none: daemons restarted within the deadtime", 6, 9)
    },
    Row {
        net: Net::Cuts,
        admits: Some("S-10"),
        ..none("none: links cut", 6, 9)
    },
    Row {
        acts: FREEZES,
        faults: 1,
        admits: Some("S-10"),
        ..none("none: a node stands still", 7, 12)
    },
    Row {
        acts: KILLS,
        faults: 1,
        admits: Some("S-24"),
        ..none("none: a dead daemon", 7, 12)
    },
    ping("ping: isolations", 9, 13),
    Row {
        rates: A_SLOW,
        ..ping("ping: isolations, a's clock slow", 9, 12)
    },
    Row {
        rates: A_FAST,
        ..ping("ping: isolations, a's clock fast", 9, 12)
    },
    Row {
        net: Net::Isolations(3),
        ..ping("ping: isolations of three keepalives", 9, 12)
    },
    Row {
        acts: BAD_STOPS,
        faults: 1,
        ..ping("ping: isolations beside stops that fail or hang", 7, 11)
    },
    Row {
        acts: CRASHES,
        faults: 1,
        ..ping("ping: isolations beside a crash", 6, 10)
    },
    Row {
        net: Net::Isolations(2),
        admits: Some("S-11"),
        ..ping("ping: isolations too short to be seen", 7, 10)
    },
    Row {
        net: Net::Cuts,
        admits: Some("S-11"),
        ..ping("ping: paths cut, the ping node reached", 6, 8)
    },
    Row {
        net: Net::Good,
        acts: FREEZES,
        faults: 1,
        admits: Some("S-11"),
        ..ping("ping: a node stands still", 8, 12)
    },
    Row {
        net: Net::Good,
        acts: KILLS,
        faults: 1,
        admits: Some("S-11"),
        ..ping("ping: a dead daemon", 8, 12)
    },
    watchdog("watchdog: hangs and dead daemons", 9, 13),
    Row {
        rates: A_SLOW,
        ..watchdog("watchdog: the same, a's clock slow", 9, 13)
    },
    Row {
        rates: A_FAST,
        ..watchdog("watchdog: the same, a's clock fast", 9, 13)
    },
    Row {
        faults: 2,
        ..watchdog("watchdog: two hangs or dead daemons", 6, 10)
    },
    Row {
        acts: PAUSES,
        admits: Some("S-12"),
        ..watchdog("watchdog: a paused machine", 8, 12)
    },
    Row {
        acts: &[],
        faults: 0,
        net: Net::Cuts,
        admits: Some("S-12"),
        ..watchdog("watchdog: links cut", 6, 8)
    },
    Row {
        acts: HANGS,
        faults: 1,
        ..both("ping+watchdog: hangs and dead daemons", 12, 15)
    },
    Row {
        net: Net::Isolations(4),
        ..both("ping+watchdog: isolations", 11, 13)
    },
    Row {
        net: Net::Isolations(4),
        acts: HANGS,
        faults: 1,
        ..both("ping+watchdog: isolations beside a hang", 5, 9)
    },
    Row {
        net: Net::Cuts,
        ..fencing("fencing: links cut", 7, 10)
    },
    Row {
        net: Net::Cuts,
        cold: true,
        ..fencing("fencing: the same from a cold start", 7, 9)
    },
    Row {
        acts: FREEZES,
        faults: 2,
        ..fencing("fencing: two nodes stand still", 10, 13)
    },
    Row {
        acts: KILLS_AND_CRASHES,
        faults: 2,
        ..fencing("fencing: dead daemons and crashes", 10, 13)
    },
    Row {
        acts: BAD_SHOTS,
        faults: 2,
        ..fencing("fencing: shots that fail beside a crash or a freeze", 9, 12)
    },
    votes("witness: links and ways to it cut", 7, 14),
    Row {
        rates: A_SLOW,
        ..votes("witness: the same, a's clock slow", 7, 13)
    },
    Row {
        rates: A_FAST,
        ..votes("witness: the same, a's clock fast", 7, 13)
    },
    Row {
        acts: DEATHS,
        faults: 2,
        net: Net::Roads(1),
        ..votes("witness: crashes of all three beside a cut", 4, 8)
    },
    Row {
        acts: BAD_STOPS,
        faults: 1,
        ..votes("witness: cuts beside stops that fail or hang", 5, 11)
    },
    Row {
        acts: HANGS,
        faults: 1,
        net: Net::Good,
        admits: Some("S-14"),
        ..votes("witness: hangs and dead daemons without a watchdog", 10, 13)
    },
    Row {
        acts: HANGS,
        faults: 1,
        net: Net::Roads(1),
        ..votes_and_watchdog("witness+watchdog: hangs and dead daemons beside a cut", 6, 14)
    },
    Row {
        acts: HANGS,
        faults: 1,
        net: Net::Roads(1),
        rates: A_SLOW,
        ..votes_and_watchdog("witness+watchdog: the same, a's clock slow", 6, 14)
    },
    Row {
        acts: PAUSES,
        faults: 1,
        net: Net::Roads(1),
        votes: Some(Relay::InPlace),
        ..votes("witness in place of watchdogs: a paused machine beside a cut", 6, 13)
    },
];
