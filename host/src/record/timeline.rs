//! A record as lines for people and programs: what happened, in the order in which the core saw it.

use std::collections::HashMap;

use ovzha_core::data::Seen;
use ovzha_core::event::Event;
use ovzha_core::frame::{self, Header};
use ovzha_core::id::{EffectId, GroupId};
use ovzha_core::output::{Effect, Op, Output};

use super::entry::{Begins, Entry, Opening};
use super::names::Named;
use super::reader::Record;
use crate::told;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Milliseconds since 1970, as that node's clock stood.
    pub wall: u64,
    /// What kind of event or output, in one word.
    pub kind: &'static str,
    /// The core was told this; else it said it.
    pub told: bool,
    /// It happens all the time and is worth a line only to who asks for everything.
    pub routine: bool,
    /// In words.
    pub text: String,
}

/// Every line of the record, the oldest first.
pub fn timeline(record: &Record) -> impl Iterator<Item = Moment> {
    let mut known = Known::default();
    record.segments().flat_map(move |segment| {
        let opening = &segment.opening;
        let mut moments = Vec::new();
        if let Some(text) = opens(opening) {
            known = Known::default();
            moments.push(Moment {
                wall: opening.wall,
                kind: "life",
                told: true,
                routine: false,
                text,
            });
        }
        let mut entries = segment.entries().peekable();
        while let Some((at, entry)) = entries.next() {
            let forged = entries.next_if(|(_, next)| *next == Entry::Forged).is_some();
            let told = !matches!(entry, Entry::Said(_));
            let (kind, routine, text) = match entry {
                Entry::Told { event, .. } => known.event(&opening.names, &event, forged),
                Entry::Forged => continue,
                Entry::Rekeyed { signing } => ("keys", false, format!("new keys; number {} signs", signing.0)),
                Entry::Said(output) => known.output(&opening.names, &output),
            };
            moments.push(Moment {
                wall: segment.wall(at),
                kind,
                told,
                routine,
                text,
            });
        }
        moments
    })
}

fn opens(opening: &Opening) -> Option<String> {
    let (version, node) = (&opening.version, opening.names.own_node());
    match opening.begins {
        Begins::Life => Some(format!("ovzha {version} started on {node}")),
        Begins::Full => None,
        Begins::Gap => Some("something could not be recorded here".to_owned()),
    }
}

/// What earlier lines told.
#[derive(Default)]
struct Known {
    effects: HashMap<EffectId, Effect>,
    drbd: HashMap<GroupId, Seen>,
}

type Line = (&'static str, bool, String);

impl Known {
    fn event(&mut self, names: &dyn Named, event: &Event<'_>, forged: bool) -> Line {
        match event {
            Event::Tick => ("tick", true, "time has passed".to_owned()),
            Event::Received { link, bytes } => {
                let what = if forged {
                    "a frame without a good tag"
                } else {
                    "a frame"
                };
                let text = format!("{what} over link {}{}", told::link(names, *link), number(bytes));
                ("frame", true, text)
            }
            Event::Rejected { link, rejection } => {
                let link = told::link(names, *link);
                (
                    "rejected",
                    true,
                    format!("no frame over link {link}: {}", rejection.name()),
                )
            }
            Event::Opened { link } => ("opened", false, format!("link {} opened", told::link(names, *link))),
            Event::Closed { link } => ("closed", false, format!("link {} lost", told::link(names, *link))),
            Event::PingReply { ping, .. } => {
                let ping = told::address(names, *ping);
                ("ping-reply", true, format!("ping node {ping} answers"))
            }
            Event::Drbd { group, seen } => {
                let news = self.drbd.insert(*group, *seen) != Some(*seen);
                (
                    "drbd",
                    !news,
                    format!("{}: DRBD seen: {}", told::group(names, *group), disk(*seen)),
                )
            }
            Event::Done { effect, outcome } => {
                let outcome = told::outcome(*outcome);
                match self.effects.remove(effect) {
                    Some(effect) => {
                        // what is news in it is told by a notice
                        ("done", true, format!("{}: {outcome}", step(names, effect)))
                    }
                    None => ("done", false, format!("effect {}: {outcome}", effect.0)),
                }
            }
            Event::Unstuck { group, resource } => {
                let (resource, group) = (told::resource(names, *group, *resource), told::group(names, *group));
                (
                    "unstuck",
                    false,
                    format!("{group}: the child of {resource} is gone at last"),
                )
            }
            Event::Stored { version, ok: true } => ("stored", true, format!("state {version} is on disk")),
            Event::Stored { version, ok: false } => ("stored", false, format!("state {version} could not be stored")),
            Event::Request { command, .. } => ("request", false, format!("asked: {}", told::command(names, command))),
        }
    }

    fn output(&mut self, names: &dyn Named, output: &Output<'_>) -> Line {
        match output {
            Output::Send { link, bytes } => {
                let text = format!("send a frame over link {}{}", told::link(names, *link), number(bytes));
                ("send", true, text)
            }
            Output::Start(effect) => {
                self.effects.insert(effect.id, *effect);
                ("start", effect.op == Op::Monitor, step(names, *effect))
            }
            Output::Abandon(effect) => {
                let of = self.effects.get(effect).map(|effect| step(names, *effect));
                let of = of.unwrap_or_else(|| format!("effect {}", effect.0));
                ("abandon", false, format!("give up: {of}"))
            }
            Output::Store { version, .. } => ("store", true, format!("store state {version}")),
            Output::Reply { answer, .. } => {
                let (word, why) = told::answer(names, *answer);
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                ("reply", false, format!("answered: {word}{why}"))
            }
            Output::Notice(notice) => ("notice", false, told::line(names, *notice, "").text().to_owned()),
            Output::FenceSelf { group } => (
                "fence-self",
                false,
                format!("{}: this machine is to reset itself", told::group(names, *group)),
            ),
            Output::Shoot(effect) => (
                "shoot",
                false,
                format!("effect {}: cut the other node's power", effect.0),
            ),
            Output::Pet { within } => (
                "pet",
                true,
                format!("pet the watchdog within {} ms", within.as_millis()),
            ),
            Output::Disarm => ("disarm", false, "disarm the watchdog".to_owned()),
            Output::Bug(bug) => ("bug", false, told::bug(names, *bug)),
            Output::Exit => ("exit", false, "the orderly stop is done".to_owned()),
            Output::Wait { until, why } => (
                "wait",
                true,
                format!("nothing to do until {} ms: {why:?}", until.as_millis()),
            ),
        }
    }
}

fn step(names: &dyn Named, effect: Effect) -> String {
    let resource = told::resource(names, effect.group, effect.resource);
    let group = told::group(names, effect.group);
    format!("{group}: {} {resource}", told::operation(effect.op))
}

/// The number of a frame in its sender's life, if it has a header.
fn number(bytes: &[u8]) -> String {
    header(bytes).map_or_else(String::new, |header| format!(", number {}", header.sequence.0))
}

fn header(bytes: &[u8]) -> Option<Header> {
    let mut whole = bytes.to_vec();
    whole.extend([0; ovzha_core::auth::TAG_LEN]);
    frame::peek(&whole).ok()
}

fn disk(seen: Seen) -> String {
    let drbd = seen.drbd;
    let role = if drbd.primary { "Primary" } else { "not Primary" };
    let io = if drbd.suspended { ", I/O frozen" } else { "" };
    format!("{:?}, {:?}, {role}{io}", drbd.connection, drbd.disk)
}
