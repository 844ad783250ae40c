//! Happenings in the daemon's own words, and which of them are worth a line.

use ovzha_core::decide::Why;
use ovzha_core::event::Outcome;
use ovzha_core::message::Phase;
use ovzha_core::notice::Notice;
use ovzha_core::output::Op;
use ovzha_host::config::{Config, Group};
use ovzha_host::line::Line;
use ovzha_host::log::Level;
use ovzha_host::told;
use ovzha_world::record::Happening;

/// What every healthy cluster does all the time, or what says nothing to a person.
pub const fn is_routine(what: &Happening) -> bool {
    match what {
        Happening::Notice(notice) => is_routine_notice(notice),
        Happening::HandlerAsks(_) => true,
        Happening::Answered(..)
        | Happening::Boots
        | Happening::DaemonUp
        | Happening::Thaws
        | Happening::Resets(_)
        | Happening::Fires
        | Happening::Exits
        | Happening::SplitBrain(_)
        | Happening::Bug(_) => false,
    }
}

const fn is_routine_notice(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::Step {
            op: Op::Probe | Op::Outdate,
            outcome: Outcome::Done | Outcome::NotRunning,
            ..
        } | Notice::Step {
            op: Op::Monitor,
            outcome: Outcome::Done,
            ..
        } | Notice::Phase {
            phase: Phase::Probing | Phase::Claiming,
            ..
        } | Notice::Phase {
            phase: Phase::Idle,
            why: Why::NotRunning,
            ..
        }
    )
}

/// One about a link: where it tells of the peer as a whole at the same moment, that is enough.
pub const fn is_of_a_link(what: &Happening) -> bool {
    matches!(
        what,
        Happening::Notice(Notice::LinkUp(_) | Notice::LinkLate(..) | Notice::LinkDead(..))
    )
}

/// One about the peer as a whole.
pub const fn is_of_the_peer(what: &Happening) -> bool {
    matches!(
        what,
        Happening::Notice(
            Notice::PeerAlive { .. } | Notice::PeerLate(_) | Notice::PeerDead(_) | Notice::PeerNeverHeard
        )
    )
}

/// A happening on a node, with how bad it is; `asked` are the words of each client's request.
pub fn of(config: &Config, what: &Happening, asked: &[String]) -> (Level, String) {
    let group = |place: usize| config.groups.get(place).map(Group::name).unwrap_or_default();
    match what {
        Happening::Notice(notice) => {
            let line = told::line(config, *notice, "");
            (line.level(), line.text().to_owned())
        }
        Happening::Answered(client, answer) => {
            let asked = usize::try_from(*client)
                .ok()
                .and_then(|client| asked.get(client.checked_sub(1)?));
            let asked = asked.map_or("DRBD's handler", String::as_str);
            let text = match told::answer(config, *answer) {
                (word, None) => format!("{asked}: {word}"),
                (word, Some(why)) => format!("{asked}: {word}: {why}"),
            };
            (Level::Info, text)
        }
        Happening::Boots => (Level::Info, "the machine boots".to_owned()),
        Happening::DaemonUp => (Level::Info, "the daemon starts".to_owned()),
        Happening::Thaws => (Level::Info, "it moves again".to_owned()),
        Happening::Resets(id) => {
            let group = told::group(config, *id);
            let line = Line::Reset { group: &group };
            (line.level(), line.to_string())
        }
        Happening::Fires => (Level::Error, "the watchdog resets this machine".to_owned()),
        Happening::Exits => (Level::Info, Line::Stopped.to_string()),
        Happening::SplitBrain(place) => {
            let text = "DRBD finds that both sides have writes of their own: split brain, StandAlone";
            (Level::Error, format!("{}: {text}", group(*place)))
        }
        Happening::HandlerAsks(place) => (
            Level::Info,
            format!("{}: DRBD calls its fence-peer handler", group(*place)),
        ),
        Happening::Bug(bug) => {
            let what = told::bug(config, *bug);
            let line = Line::Bug(&what);
            (line.level(), line.to_string())
        }
    }
}
