//! The list of what is searched. Deadtimes are the shortest in whole keepalives that leave room for what the row promises.

use ovzha_core::witness::Relay;

use crate::machine::{Still, Wrong};
use crate::row::{Act, Net, Row};

const A_SLOW: [u64; 2] = [990, 1010];
const A_FAST: [u64; 2] = [1010, 990];

/// What may befall each of the nodes.
type Acts = &'static [fn(usize) -> Act];

const CRASHES: Acts = &[Act::PowerCut];
const DEATHS: Acts = &[Act::PowerCut, |_| Act::WitnessDies];
const LEAVES: Acts = &[Act::Stop];
const LEAVES_AND_DEATHS: Acts = &[Act::Stop, Act::PowerCut, |_| Act::WitnessDies];
const LEAVES_AND_HANGS: Acts = &[
    Act::Stop,
    |node| Act::Freeze(node, Still::Process),
    |node| Act::Freeze(node, Still::Kernel),
    Act::Kill,
    |node| Act::Restart(node, 1500),
];
const KILLS: Acts = &[Act::Kill];
const KILLS_AND_CRASHES: Acts = &[Act::Kill, |node| Act::Restart(node, 1500), Act::PowerCut];
const BAD_SHOTS: Acts = &[
    |node| Act::GoesWrong(node, Wrong::Shot),
    Act::PowerCut,
    |node| Act::Freeze(node, Still::Machine),
];
const RESTARTS: Acts = &[|node| Act::Restart(node, 500), |node| Act::Restart(node, 1500)];
const FAILURES: Acts = &[
    |node| Act::GoesWrong(node, Wrong::Start),
    |node| Act::GoesWrong(node, Wrong::Stop),
    Act::PowerCut,
];
const BAD_STOPS: Acts = &[
    |node| Act::GoesWrong(node, Wrong::Stop),
    |node| Act::GoesWrong(node, Wrong::Hang),
];
const FREEZES: Acts = &[
    |node| Act::Freeze(node, Still::Process),
    |node| Act::Freeze(node, Still::Kernel),
    |node| Act::Freeze(node, Still::Machine),
];
/// What a watchdog is for.
const HANGS: Acts = &[
    |node| Act::Freeze(node, Still::Process),
    |node| Act::Freeze(node, Still::Kernel),
    Act::Kill,
    |node| Act::Restart(node, 1500),
];
const PAUSES: Acts = &[|node| Act::Freeze(node, Still::Machine)];
const BAD_RELAYS: Acts = &[
    Act::Sticks,
    |node| Act::Freeze(node, Still::Machine),
    Act::Kill,
    |_| Act::WitnessDies,
];
const LEAVES_AND_PAUSES: Acts = &[Act::Stop, Act::PowerCut, |node| Act::Freeze(node, Still::Machine)];

const fn none(name: &'static str, quick: u8, deep: u8) -> Row {
    Row::new(name, quick, deep, 4)
}

const fn ping(name: &'static str, quick: u8, deep: u8) -> Row {
    Row::new(name, quick, deep, 6).pinged().net(Net::Isolations(4))
}

const fn watchdog(name: &'static str, quick: u8, deep: u8) -> Row {
    Row::new(name, quick, deep, 5).watched().up_to(1, HANGS)
}

const fn both(name: &'static str, quick: u8, deep: u8) -> Row {
    Row::new(name, quick, deep, 10).pinged().watched()
}

const fn votes(name: &'static str, quick: u8, deep: u8) -> Row {
    Row::new(name, quick, deep, 6).relay(Relay::None).net(Net::Roads(3))
}

const fn votes_and_watchdog(name: &'static str, quick: u8, deep: u8) -> Row {
    Row::new(name, quick, deep, 10)
        .relay(Relay::None)
        .watched()
        .net(Net::Roads(1))
}

const fn fencing(name: &'static str, quick: u8, deep: u8) -> Row {
    Row::new(name, quick, deep, 4).armed()
}

/// Every row.
pub const ROWS: &[Row] = &[
    none("none: gaps of two keepalives in either direction", 4, 7).net(Net::Gaps(2)),
    none("none: the same, a's clock slow", 4, 6)
        .net(Net::Gaps(2))
        .rates(A_SLOW),
    none("none: crashes and failing steps", 7, 11).up_to(2, FAILURES),
    none("none: the same from a cold start", 7, 11)
        .cold()
        .up_to(2, FAILURES),
    none("none: a crash beside gaps of one keepalive", 4, 6)
        .net(Net::Gaps(1))
        .up_to(1, CRASHES),
    none("none: daemons restarted within the deadtime", 6, 9).up_to(2, RESTARTS),
    none("none: links cut", 6, 9).net(Net::Cuts).admits("S-10"),
    none("none: a node stands still", 7, 12)
        .admits("S-10")
        .up_to(1, FREEZES),
    none("none: a dead daemon", 7, 12).admits("S-24").up_to(1, KILLS),
    ping("ping: isolations", 9, 13),
    ping("ping: isolations, a's clock slow", 9, 12).rates(A_SLOW),
    ping("ping: isolations, a's clock fast", 9, 12).rates(A_FAST),
    ping("ping: isolations of three keepalives", 9, 12).net(Net::Isolations(3)),
    ping("ping: isolations beside stops that fail or hang", 7, 11).up_to(1, BAD_STOPS),
    ping("ping: isolations beside a crash", 6, 10).up_to(1, CRASHES),
    ping("ping: isolations too short to be seen", 7, 10)
        .net(Net::Isolations(2))
        .admits("S-11"),
    ping("ping: paths cut, the ping node reached", 6, 8)
        .net(Net::Cuts)
        .admits("S-11"),
    ping("ping: a node stands still", 8, 12)
        .net(Net::Good)
        .admits("S-11")
        .up_to(1, FREEZES),
    ping("ping: a dead daemon", 8, 12)
        .net(Net::Good)
        .admits("S-11")
        .up_to(1, KILLS),
    watchdog("watchdog: hangs and dead daemons", 9, 13),
    watchdog("watchdog: the same, a's clock slow", 9, 13).rates(A_SLOW),
    watchdog("watchdog: the same, a's clock fast", 9, 13).rates(A_FAST),
    watchdog("watchdog: two hangs or dead daemons", 6, 10).up_to(2, HANGS),
    watchdog("watchdog: a paused machine", 8, 12)
        .admits("S-12")
        .up_to(1, PAUSES),
    watchdog("watchdog: links cut", 6, 8)
        .net(Net::Cuts)
        .admits("S-12")
        .up_to(0, &[]),
    both("ping+watchdog: hangs and dead daemons", 12, 15).up_to(1, HANGS),
    both("ping+watchdog: isolations", 11, 13).net(Net::Isolations(4)),
    both("ping+watchdog: isolations beside a hang", 5, 9)
        .net(Net::Isolations(4))
        .up_to(1, HANGS),
    fencing("fencing: links cut", 7, 10).net(Net::Cuts),
    fencing("fencing: the same from a cold start", 7, 9)
        .net(Net::Cuts)
        .cold(),
    fencing("fencing: two nodes stand still", 10, 13).up_to(2, FREEZES),
    fencing("fencing: dead daemons and crashes", 10, 13).up_to(2, KILLS_AND_CRASHES),
    fencing("fencing: shots that fail beside a crash or a freeze", 9, 12).up_to(2, BAD_SHOTS),
    votes("witness: links and ways to it cut", 7, 14),
    votes("witness: the same, a's clock slow", 7, 13).rates(A_SLOW),
    votes("witness: the same, a's clock fast", 7, 13).rates(A_FAST),
    votes("witness: crashes of all three beside a cut", 4, 8)
        .net(Net::Roads(1))
        .up_to(2, DEATHS),
    votes("witness: cuts beside stops that fail or hang", 5, 11).up_to(1, BAD_STOPS),
    votes("witness: hangs and dead daemons without a watchdog", 10, 13)
        .net(Net::Good)
        .admits("S-14")
        .up_to(1, HANGS),
    votes_and_watchdog("witness+watchdog: hangs and dead daemons beside a cut", 6, 14).up_to(1, HANGS),
    votes_and_watchdog("witness+watchdog: the same, a's clock slow", 6, 14)
        .rates(A_SLOW)
        .up_to(1, HANGS),
    votes("witness in place of watchdogs: a paused machine beside a cut", 6, 13)
        .net(Net::Roads(1))
        .relay(Relay::InPlace)
        .up_to(1, PAUSES),
    votes("witness: orderly stops beside deaths and a cut", 3, 6)
        .net(Net::Roads(1))
        .up_to(2, LEAVES_AND_DEATHS),
    votes("witness: the same, each start by its command", 3, 6)
        .net(Net::Roads(1))
        .commanded()
        .up_to(2, LEAVES_AND_DEATHS),
    votes("witness long dead: an orderly stop beside a cut", 5, 13)
        .away()
        .net(Net::Roads(1))
        .up_to(1, LEAVES),
    votes_and_watchdog(
        "witness+watchdog, the witness long dead: orderly stops beside hangs",
        4,
        8,
    )
    .away()
    .net(Net::Good)
    .up_to(2, LEAVES_AND_HANGS),
    votes_and_watchdog("witness beside watchdogs: hangs and dead daemons beside a cut", 5, 12)
        .relay(Relay::Beside)
        .up_to(1, HANGS),
    votes(
        "witness in place of watchdogs: relays that stick beside pauses and dead daemons",
        4,
        9,
    )
    .net(Net::Good)
    .relay(Relay::InPlace)
    .up_to(3, BAD_RELAYS),
    votes(
        "witness in place of watchdogs, long dead: orderly stops beside pauses and crashes",
        4,
        9,
    )
    .away()
    .net(Net::Good)
    .relay(Relay::InPlace)
    .up_to(2, LEAVES_AND_PAUSES),
];
