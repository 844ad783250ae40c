//! The log: one line of defmt for each thing that is told.

use ovzha_board_logic::notice::Notice;
use ovzha_board_logic::service::Cause;
use ovzha_core::id::Mark;
use ovzha_core::witness::WitnessNotice;

defmt::timestamp!("{=u64:ms}", crate::clock::now().as_millis());

/// The first line of a life.
pub fn started(starts: Option<u32>, cause: Cause, provisioned: bool) {
    let cause = match cause {
        Cause::Power => "power",
        Cause::Pin => "reset pin",
        Cause::Debugger => "debugger",
        Cause::Watchdog => "watchdog",
        Cause::Panic => "panic",
        Cause::Provisioned => "provisioned",
    };
    if let Some(starts) = starts {
        defmt::info!(
            "start {=u32} after {=str}, provisioned {=bool}",
            starts,
            cause,
            provisioned
        );
    } else {
        defmt::error!("flash does not count starts: only forwards; after {=str}", cause);
    }
}

/// The record was to be wiped.
pub fn wiped(good: bool) {
    defmt::warn!("button held: record wiped {=bool}", good);
}

/// One line.
pub fn told(notice: Notice) {
    match notice {
        Notice::Witness(notice) => witness(notice),
        Notice::Relay { node, cut: true } => defmt::warn!("node {=u8}: relay energised", node.0),
        Notice::Relay { node, cut: false } => defmt::warn!("node {=u8}: relay at rest", node.0),
        Notice::Sensed { node, off: true } => defmt::info!("node {=u8}: no power", node.0),
        Notice::Sensed { node, off: false } => defmt::info!("node {=u8}: power", node.0),
        Notice::SenseLies(node) => defmt::error!("node {=u8}: heard without power: its sense wire is torn", node.0),
        Notice::CutRefused(node) => defmt::error!("node {=u8}: not cut, the other one is", node.0),
        Notice::Order(what) => defmt::info!("order done: {=str}", what),
        Notice::OrderRefused(what) => defmt::warn!("order refused: {=str}", what),
    }
}

fn witness(notice: WitnessNotice) {
    match notice {
        WitnessNotice::Heard { node, restarted: false } => defmt::info!("node {=u8}: heard", node.0),
        WitnessNotice::Heard { node, restarted: true } => defmt::info!("node {=u8}: heard, restarted", node.0),
        WitnessNotice::Silent(node) => defmt::info!("node {=u8}: silent", node.0),
        WitnessNotice::Lent { group, to } => defmt::info!("node {=u8}: lent the vote of {=u32:06x}", to.0, mark(group)),
        WitnessNotice::Marked { group, node, marked } => {
            defmt::info!(
                "node {=u8}: copy of {=u32:06x} is old: {=bool}",
                node.0,
                mark(group),
                marked
            );
        }
        WitnessNotice::Cut(node) => defmt::warn!("node {=u8}: silent while the other asks: cut", node.0),
        WitnessNotice::Restored(node) => defmt::warn!("node {=u8}: the cut is over", node.0),
        WitnessNotice::Stuck(node) => defmt::error!("node {=u8}: still has power: the relay is stuck", node.0),
        WitnessNotice::TooLong { node, term } => {
            defmt::warn!("node {=u8}: asks for {=u64} ms, too long", node.0, term.as_millis());
        }
        WitnessNotice::SaidOff(node) => defmt::warn!("node {=u8}: no power, a person said so", node.0),
        WitnessNotice::Kept(true) => defmt::warn!("flash keeps marks again"),
        WitnessNotice::Kept(false) => defmt::error!("flash does not keep marks"),
        WitnessNotice::Lost(count) => defmt::warn!("{=u16} lines lost", count),
    }
}

fn mark(Mark([a, b, c]): Mark) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}
