//! What survives a restart of the daemon, and its bytes in `/var/lib/ovzha`.
//!
//! The first byte is the layout. A later layout gets the next number; earlier ones are read for ever, so that an
//! upgrade loses nothing.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::config::GroupDraft;
use crate::fence::FENCES;
use crate::gather::gather;
use crate::id::{GROUPS_MAX, Mark, Tenure};
use crate::message::{Hold, hold_reason};

/// Longest encoding.
pub const DURABLE_MAX: usize = 404;

/// What a node knows of one group after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each kept for its own reason"
)]
pub struct GroupDurable {
    /// Tenure of the newest run on this node.
    pub run: Tenure,
    /// Highest tenure seen anywhere.
    pub known: Tenure,
    /// The last start here failed.
    pub failed: bool,
    /// This node reset itself twice within an hour: not to be started here.
    pub fenced: bool,
    /// The other node's copy lacks writes of this one, or may.
    pub ahead: bool,
    /// This node's copy lacks writes of the other one: not to be started here.
    pub marked: bool,
    /// This node was isolated since it last knew that its copy is current: the other one may have gone on without it.
    pub unsure: bool,
}

impl GroupDurable {
    /// Not to be started here before somebody or something has cleared it.
    #[must_use]
    pub const fn is_barred(&self) -> bool {
        self.failed || self.fenced
    }
}

/// What survives a restart.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Durable {
    /// The hold.
    pub hold: Hold,
    /// The groups.
    pub groups: Vec<GroupDurable, GROUPS_MAX>,
    /// Which groups they are; empty: in the order of `haresources`.
    pub names: Vec<Mark, GROUPS_MAX>,
    /// Resets of this node by itself, each within an hour of the one before.
    pub fences: u8,
    /// The longest time that this node lends its vote for, in tenths of a second; 0: it never did, or that is lost.
    pub term: u16,
    /// The groups whose vote of this node is lent to the other one without end.
    pub pledged: Vec<Mark, GROUPS_MAX>,
}

/// Layout 4: of a node that knows of a witness, and of no pledge.
#[derive(Deserialize)]
struct Fourth {
    hold: Hold,
    groups: Vec<GroupDurable, GROUPS_MAX>,
    names: Vec<Mark, GROUPS_MAX>,
    fences: u8,
    term: u16,
}

/// Layout 3: version 0.3.0.
#[derive(Deserialize)]
struct Third {
    hold: Hold,
    groups: Vec<GroupDurable, GROUPS_MAX>,
    names: Vec<Mark, GROUPS_MAX>,
    fences: u8,
}

/// Layout 1: version 0.1.0.
#[derive(Deserialize)]
struct First {
    hold: Hold,
    groups: Vec<FirstGroup, GROUPS_MAX>,
}

#[derive(Deserialize)]
struct FirstGroup {
    run: Tenure,
    known: Tenure,
    failed: bool,
}

/// Layout 2: version 0.2.0.
#[derive(Deserialize)]
struct Second {
    hold: Hold,
    groups: Vec<SecondGroup, GROUPS_MAX>,
    names: Vec<Mark, GROUPS_MAX>,
    fences: u8,
}

#[derive(Deserialize)]
struct SecondGroup {
    run: Tenure,
    known: Tenure,
    failed: bool,
    fenced: bool,
}

impl From<Fourth> for Durable {
    fn from(fourth: Fourth) -> Self {
        Self {
            hold: fourth.hold,
            groups: fourth.groups,
            names: fourth.names,
            fences: fourth.fences,
            term: fourth.term,
            pledged: Vec::new(),
        }
    }
}

impl From<Third> for Durable {
    fn from(third: Third) -> Self {
        Self {
            hold: third.hold,
            groups: third.groups,
            names: third.names,
            fences: third.fences,
            ..Self::default()
        }
    }
}

impl From<Second> for Durable {
    fn from(second: Second) -> Self {
        let groups = second.groups.iter().map(|group| GroupDurable {
            run: group.run,
            known: group.known,
            failed: group.failed,
            fenced: group.fenced,
            ..GroupDurable::default()
        });
        Self {
            hold: second.hold,
            groups: gather(groups),
            names: second.names,
            fences: second.fences,
            ..Self::default()
        }
    }
}

impl From<First> for Durable {
    fn from(first: First) -> Self {
        let groups = first.groups.iter().map(|group| GroupDurable {
            run: group.run,
            known: group.known,
            failed: group.failed,
            ..GroupDurable::default()
        });
        Self {
            hold: first.hold,
            groups: gather(groups),
            ..Self::default()
        }
    }
}

impl Durable {
    const FIRST: u8 = 1;
    const SECOND: u8 = 2;
    const THIRD: u8 = 3;
    const FOURTH: u8 = 4;
    const LAYOUT: u8 = 5;

    /// Writes it; `None` if it doesn't fit, which sixteen groups do in [`DURABLE_MAX`] bytes.
    #[must_use]
    pub fn encode<'b>(&self, out: &'b mut [u8]) -> Option<&'b [u8]> {
        let (layout, rest) = out.split_first_mut()?;
        *layout = Self::LAYOUT;
        let size = postcard::to_slice(self, rest).ok()?.len().checked_add(1)?;
        out.get(..size)
    }

    /// Reads it; `None` for a layout that is not known, or damage.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first() {
            Some((&Self::LAYOUT, rest)) => postcard::from_bytes(rest).ok(),
            Some((&Self::FOURTH, rest)) => postcard::from_bytes::<Fourth>(rest).ok().map(Self::from),
            Some((&Self::THIRD, rest)) => postcard::from_bytes::<Third>(rest).ok().map(Self::from),
            Some((&Self::SECOND, rest)) => postcard::from_bytes::<Second>(rest).ok().map(Self::from),
            Some((&Self::FIRST, rest)) => postcard::from_bytes::<First>(rest).ok().map(Self::from),
            Some(_) | None => None,
        }
    }

    /// What a node begins with whose state can't be read: a hold until a person has looked, for damage means more caution,
    /// never less (SAFETY S-48).
    #[must_use]
    pub fn damaged() -> Self {
        let hold = Hold {
            epoch: 1,
            held: true,
            reason: hold_reason("the state on disk was lost"),
            ..Hold::default()
        };
        Self {
            hold,
            ..Self::default()
        }
    }

    /// What a new life begins with: what is known of each group of `drafts`, and the state as it then is.
    pub(crate) fn begin(self, drafts: &[GroupDraft]) -> (Vec<GroupDurable, GROUPS_MAX>, Self) {
        let twice = self.fences >= FENCES;
        let known = gather(drafts.iter().enumerate().map(|(place, draft)| {
            let known = self.of(place, draft);
            GroupDurable {
                // an orderly restart forgets failures; what the daemon finds now is what counts
                failed: false,
                fenced: known.fenced || twice,
                ..known
            }
        }));
        // from here on the groups keep it that they are fenced; what is not as on disk is written soon
        let names: Vec<Mark, GROUPS_MAX> = gather(drafts.iter().map(|group| group.identity));
        let same = names == self.names && !twice;
        let durable = Self {
            hold: self.hold,
            groups: if same { self.groups } else { Vec::new() },
            names,
            fences: if twice { 0 } else { self.fences },
            term: self.term,
            // of a group that is gone nothing is lent
            pledged: gather(
                self.pledged
                    .iter()
                    .filter(|pledged| drafts.iter().any(|group| group.identity == **pledged))
                    .copied(),
            ),
        };
        (known, durable)
    }

    /// What is known of a group, by what it is; by its place where that was not kept.
    fn of(&self, place: usize, draft: &GroupDraft) -> GroupDurable {
        let place = if self.names.is_empty() {
            Some(place)
        } else {
            self.names.iter().position(|name| *name == draft.identity)
        };
        place
            .and_then(|place| self.groups.get(place))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest() -> Durable {
        let group = GroupDurable {
            run: Tenure(u32::MAX),
            known: Tenure(u32::MAX),
            failed: true,
            fenced: true,
            ahead: true,
            marked: true,
            unsure: true,
        };
        Durable {
            hold: Hold {
                epoch: u32::MAX,
                held: true,
                seconds: u32::MAX,
                reason: hold_reason(core::str::from_utf8(&[b'x'; 99]).unwrap()),
            },
            groups: gather((0..GROUPS_MAX).map(|_| group)),
            names: gather((0..GROUPS_MAX).map(|_| Mark([255; 3]))),
            fences: u8::MAX,
            term: u16::MAX,
            pledged: gather((0..GROUPS_MAX).map(|_| Mark([255; 3]))),
        }
    }

    #[test]
    fn the_longest_fits_and_comes_back() {
        let mut room = [0; DURABLE_MAX];
        let bytes = longest().encode(&mut room).unwrap();
        assert_eq!(Durable::decode(bytes), Some(longest()));
    }

    /// Bytes that 0.1.0 wrote: do not change the test, change the code.
    #[test]
    fn the_first_layout_is_read_for_ever() {
        let bytes = [
            1, 3, 1, 0x90, 0x1c, 4, b'w', b'o', b'r', b'k', 2, 5, 0xac, 2, 0, 6, 7, 1,
        ];
        let read = Durable::decode(&bytes).unwrap();
        assert_eq!((read.hold.epoch, read.hold.held, read.hold.seconds), (3, true, 3600));
        assert_eq!(read.hold.reason, "work");
        let known = |run, known, failed| GroupDurable {
            run: Tenure(run),
            known: Tenure(known),
            failed,
            ..GroupDurable::default()
        };
        assert_eq!(read.groups, [known(5, 300, false), known(6, 7, true)]);
        assert_eq!((read.names.len(), read.fences), (0, 0));
        assert_eq!(Durable::decode(&[6, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    /// Bytes that a node of layout 4 wrote: do not change the test, change the code.
    #[test]
    fn the_fourth_layout_is_read_for_ever() {
        let bytes = [4, 3, 0, 0, 0, 1, 5, 0xac, 2, 0, 1, 1, 0, 1, 1, 9, 8, 7, 1, 0xac, 2];
        let read = Durable::decode(&bytes).unwrap();
        assert_eq!((read.names[0], read.fences, read.term), (Mark([9, 8, 7]), 1, 300));
        assert_eq!((read.groups.len(), read.pledged.len()), (1, 0));
    }

    /// Bytes that 0.3.0 wrote: do not change the test, change the code.
    #[test]
    fn the_third_layout_is_read_for_ever() {
        let bytes = [3, 3, 0, 0, 0, 1, 5, 0xac, 2, 0, 1, 1, 0, 1, 1, 9, 8, 7, 1];
        let read = Durable::decode(&bytes).unwrap();
        let group = GroupDurable {
            run: Tenure(5),
            known: Tenure(300),
            fenced: true,
            ahead: true,
            unsure: true,
            ..GroupDurable::default()
        };
        assert_eq!(read.groups, [group]);
        assert_eq!((read.names[0], read.fences, read.term), (Mark([9, 8, 7]), 1, 0));
    }

    /// Bytes that 0.2.0 wrote: do not change the test, change the code.
    #[test]
    fn the_second_layout_is_read_for_ever() {
        let bytes = [2, 3, 0, 0, 0, 1, 5, 0xac, 2, 1, 1, 1, 9, 8, 7, 1];
        let read = Durable::decode(&bytes).unwrap();
        let group = GroupDurable {
            run: Tenure(5),
            known: Tenure(300),
            failed: true,
            fenced: true,
            ..GroupDurable::default()
        };
        assert_eq!(read.groups, [group]);
        assert_eq!((read.names[0], read.fences, read.hold.epoch), (Mark([9, 8, 7]), 1, 3));
    }
}
