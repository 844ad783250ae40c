//! Tells a fresh core what a recorded one was told, and compares what it says.
//!
//! Each segment begins from its own checkpoint, so a part that can't be replayed costs no other. Where a segment follows
//! its predecessor without a gap, the state that the replay has come to is compared with that checkpoint, too: a core
//! that says the same and believes something else is found at the next segment.

use ovzha_core::auth::Keyring;
use ovzha_core::cluster::Cluster;
use ovzha_core::event::Event;
use ovzha_core::frame::{FRAME_MAX, FrameBuf, HEADER_LEN};
use ovzha_core::id::KeyId;
use ovzha_core::message::Message;
use ovzha_core::output::Output;
use ovzha_core::time::Instant;

use super::entry::{Begins, Entry};
use super::reader::{Record, Segment, keyring};
use super::recorded::untagged;

/// Where the fresh core went another way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// When, by the node's clock.
    pub at: Instant,
    /// The same as milliseconds since 1970.
    pub wall: u64,
    /// What the core had last been told.
    pub after: String,
    /// What the recorded core said.
    pub expected: String,
    /// What the fresh one says.
    pub came: String,
}

/// What a replay has shown of one segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shown {
    /// The same, and so many events and outputs were compared.
    Same {
        /// Events that it was told.
        events: u64,
        /// Outputs that were the same.
        outputs: u64,
    },
    /// Something else.
    Differs(Box<Difference>),
    /// This release's core can't be what the recorded one was.
    Unreadable,
}

/// Replays every segment of a record, the oldest first.
pub fn replay(record: &Record) -> impl Iterator<Item = (Segment<'_>, Shown)> {
    // what the segment before came to
    let mut before: Option<(u64, Cluster)> = None;
    record.segments().map(move |segment| {
        let follows = segment.opening.begins == Begins::Full;
        let earlier = before
            .take()
            .filter(|(number, _)| follows && number + 1 == segment.number);
        let shown = match segment.cluster() {
            None => Shown::Unreadable,
            Some(cluster) => {
                let earlier = earlier.map(|(_, cluster)| cluster);
                if let Some(difference) = disagreement(&segment, earlier, &cluster) {
                    Shown::Differs(Box::new(difference))
                } else {
                    let mut run = Run::new(cluster);
                    let shown = run.through(&segment, |_| true);
                    before = Some((segment.number, run.cluster));
                    shown
                }
            }
        };
        (segment, shown)
    })
}

/// The core as it was at the moment `until` of the segment (milliseconds since 1970), or at its end.
#[must_use]
pub fn core_at(segment: &Segment<'_>, until: u64) -> Option<Cluster> {
    let mut run = Run::new(segment.cluster()?);
    run.through(segment, |at| segment.wall(at) <= until);
    Some(run.cluster)
}

fn disagreement(segment: &Segment<'_>, came: Option<Cluster>, expected: &Cluster) -> Option<Difference> {
    let mut came = came?;
    came.rekey(keyring(segment.opening.signing));
    came.hear(keyring(segment.opening.signing));
    let (came, expected) = (came.believed(), expected.believed());
    (came != expected).then(|| {
        let at = segment.opening.now;
        let (came, expected) = first_difference(&format!("{came:#?}"), &format!("{expected:#?}"));
        Difference {
            at,
            wall: segment.wall(at),
            after: "all of the segment before".to_owned(),
            expected,
            came,
        }
    })
}

/// The first lines of two texts that are not the same.
fn first_difference(came: &str, expected: &str) -> (String, String) {
    let mut pairs = came.lines().zip(expected.lines());
    let found = pairs.find(|(came, expected)| came != expected);
    let (came, expected) = found.unwrap_or(("more", "less"));
    (came.trim().to_owned(), expected.trim().to_owned())
}

/// A core on its way through a segment.
struct Run {
    cluster: Cluster,
    keyring: Keyring,
    frame: FrameBuf,
    events: u64,
    outputs: u64,
}

impl Run {
    fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            keyring: keyring(KeyId(0)),
            frame: FrameBuf::new(),
            events: 0,
            outputs: 0,
        }
    }

    /// Tells the core all that stands in the segment as long as `wanted`.
    fn through(&mut self, segment: &Segment<'_>, wanted: impl Fn(Instant) -> bool) -> Shown {
        let mut entries = segment.entries().take_while(|(at, _)| wanted(*at)).peekable();
        let mut after = "nothing yet".to_owned();
        while let Some((at, entry)) = entries.next() {
            match entry {
                Entry::Told { event, .. } => {
                    let forged = entries.next_if(|(_, next)| *next == Entry::Forged).is_some();
                    after = told(&event);
                    self.tell(at, event, !forged);
                }
                // only ever behind a frame
                Entry::Forged => {}
                Entry::Rekeyed { signing } => {
                    self.cluster.rekey(keyring(signing));
                    self.cluster.hear(keyring(signing));
                }
                Entry::Said(expected) => {
                    let came = untagged(self.cluster.poll(&mut self.frame));
                    if came != expected {
                        return Shown::Differs(Box::new(Difference {
                            at,
                            wall: segment.wall(at),
                            after,
                            expected: said(&expected),
                            came: said(&came),
                        }));
                    }
                    self.outputs += 1;
                }
            }
        }
        Shown::Same {
            events: self.events,
            outputs: self.outputs,
        }
    }

    fn tell(&mut self, now: Instant, event: Event<'_>, good: bool) {
        self.events += 1;
        let Event::Received { link, bytes } = event else {
            return self.cluster.handle(now, event);
        };
        let mut sealed = Vec::with_capacity(FRAME_MAX);
        sealed.extend_from_slice(bytes);
        // all keys of the replay are alike
        let tag = self.keyring.tag(KeyId(0), bytes).unwrap_or_default();
        sealed.extend(tag.iter().map(|byte| if good { *byte } else { !*byte }));
        let bytes = sealed.as_slice();
        self.cluster.handle(now, Event::Received { link, bytes });
    }
}

/// An event in the words of the code.
fn told(event: &Event<'_>) -> String {
    if let Event::Received { link, bytes } = event {
        return format!("Received over link {}: {}", link.0, message(bytes));
    }
    format!("{event:?}")
}

/// An output in the words of the code.
fn said(output: &Output<'_>) -> String {
    if let Output::Send { link, bytes } = output {
        return format!("Send over link {}: {}", link.0, message(bytes));
    }
    format!("{output:?}")
}

/// What a frame without its tag says.
fn message(bytes: &[u8]) -> String {
    let body = bytes.get(HEADER_LEN..).unwrap_or_default();
    let head = bytes.get(..HEADER_LEN).unwrap_or(bytes);
    match Message::decode(body) {
        Some(message) => format!("{head:02x?} {message:?}"),
        None => format!("{bytes:02x?}"),
    }
}
