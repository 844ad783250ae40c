//! The state of a DRBD resource at one moment, and what may be concluded from it.
//!
//! Whatever tool a state was read with, it is this one type: several volumes or peers count as the worst of them, and
//! what a text leaves out is unknown, never good.
use std::fmt;

use super::words::{Connection, Disk, Generation, ParseError, Proof, Resync, Role, Suspended};

/// A resource as DRBD showed it at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Our role.
    pub role: Role,
    /// The peer's role as far as DRBD knows; up to ten seconds behind the truth.
    pub peer_role: Role,
    /// The connection.
    pub connection: Connection,
    /// Our disk, the worst volume.
    pub disk: Disk,
    /// The peer's disk, the worst volume; [`Disk::Unknown`] in 0.7, which doesn't tell.
    pub peer_disk: Disk,
    /// Why I/O waits, if it does.
    pub suspended: Suspended,
    /// 9: too few nodes are seen, so DRBD refuses to promote, `UpToDate` or not.
    pub quorum_lost: bool,
    /// DRBD said that both sides have data the other lacks. Only `events2` tells, and only while it is listened to.
    pub split_brain: bool,
    /// How far a resync is, where one runs or is paused.
    pub resync: Option<Resync>,
    /// Whose words these are, where the text shows it.
    pub generation: Option<Generation>,
    /// What the metadata said before the resource was attached, as long as the peer has not been heard since.
    pub proved: Option<Proof>,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State {
            role,
            peer_role,
            connection,
            disk,
            peer_disk,
            suspended,
            quorum_lost,
            split_brain,
            resync,
            generation,
            proved,
        } = self;
        write!(
            f,
            "role={role}/{peer_role} cstate={connection} dstate={disk}/{peer_disk}"
        )?;
        if suspended.is_so() {
            write!(f, " suspended={suspended}")?;
        }
        if *quorum_lost {
            f.write_str(" quorum=no")?;
        }
        if *split_brain {
            f.write_str(" split-brain=yes")?;
        }
        if let Some(resync) = resync {
            write!(f, " resync={resync}")?;
        }
        if let Some(generation) = generation {
            write!(f, " drbd={generation}")?;
        }
        if let Some(proved) = proved {
            write!(f, " proved={proved}")?;
        }
        Ok(())
    }
}

impl State {
    /// A state of these words, with nothing else to tell.
    #[must_use]
    pub const fn new(roles: (Role, Role), connection: Connection, disks: (Disk, Disk)) -> State {
        State {
            role: roles.0,
            peer_role: roles.1,
            connection,
            disk: disks.0,
            peer_disk: disks.1,
            suspended: Suspended::NO,
            quorum_lost: false,
            split_brain: false,
            resync: None,
            generation: None,
            proved: None,
        }
    }

    /// The state of a resource that is down: nothing uses it, and of its data nothing is known.
    pub(super) const DOWN: State = State::new(
        (Role::Secondary, Role::Unknown),
        Connection::Unconfigured,
        (Disk::Unknown, Disk::Unknown),
    );

    /// Both together: Primary only if both are, a Primary peer if either is, the worse connection and disks.
    #[must_use]
    pub fn worse(self, other: State) -> State {
        let primary_first = |a: Role, b: Role| match (a, b) {
            (Role::Primary, _) | (_, Role::Primary) => Role::Primary,
            (Role::Unknown, _) | (_, Role::Unknown) => Role::Unknown,
            (Role::Secondary, Role::Secondary) => Role::Secondary,
        };
        let primary_last = |a: Role, b: Role| match (a, b) {
            (Role::Primary, Role::Primary) => Role::Primary,
            (Role::Secondary, _) | (_, Role::Secondary) => Role::Secondary,
            (Role::Unknown, _) | (_, Role::Unknown) => Role::Unknown,
        };
        State {
            role: primary_last(self.role, other.role),
            peer_role: primary_first(self.peer_role, other.peer_role),
            connection: self.connection.min(other.connection),
            disk: self.disk.min(other.disk),
            peer_disk: self.peer_disk.min(other.peer_disk),
            suspended: self.suspended.and(other.suspended),
            quorum_lost: self.quorum_lost || other.quorum_lost,
            split_brain: self.split_brain || other.split_brain,
            resync: match (self.resync, other.resync) {
                (Some(one), Some(two)) => Some(one.with(two)),
                (one, two) => one.or(two),
            },
            // one module speaks for all of them
            generation: self.generation.or(other.generation),
            proved: self.proved.zip(other.proved).map(|(one, two)| one.min(two)),
        }
    }

    /// Whether the own disk carries the best word that this generation has for a disk: `UpToDate`; in 0.7, which has
    /// no such word, `Consistent`. That means whole. Whether it is the newest, in 0.7 nobody can tell from the word.
    #[must_use]
    pub fn good_disk(&self) -> bool {
        self.disk == Disk::UpToDate || (self.is_07() && self.disk == Disk::Consistent)
    }

    /// Whether every write reaches a current disk of the peer, and the own disk is current, too.
    ///
    /// 0.7 doesn't show the peer's disk: there, being plainly connected (no resync, none skipped, nobody without a disk)
    /// with a [`good_disk`](Self::good_disk) is the same, for it would otherwise have begun a resync.
    #[must_use]
    pub fn mirrored(&self) -> bool {
        self.good_disk() && self.replicates_to_current()
    }

    /// Whether what this node writes, the peer may lack: Primary, and not every write reaches a current disk of the peer.
    #[must_use]
    pub fn ahead(&self) -> bool {
        self.role == Role::Primary && !self.replicates_to_current()
    }

    /// Whether the two have told each other what they have since they connected.
    #[must_use]
    pub fn handshaken(&self) -> bool {
        self.connection > Connection::WfReportParams
    }

    /// Whether they have compared their copies of the data: a peer without a disk has none, and may have had a newer one.
    #[must_use]
    pub fn compared(&self) -> bool {
        let without = matches!(
            self.peer_disk,
            Disk::Diskless | Disk::Attaching | Disk::Detaching | Disk::Failed | Disk::Negotiating
        );
        self.handshaken() && !without
    }

    /// Whether DRBD's own record says that the peer can't be promoted: not connected, the own disk `UpToDate`, and the
    /// peer's disk known as `Outdated` or `Inconsistent`. Never in 0.7, which keeps no such record. Both halves of a
    /// split brain can say it of each other.
    #[must_use]
    pub fn peer_is_old(&self) -> bool {
        !self.connection.is_up()
            && self.disk == Disk::UpToDate
            && matches!(self.peer_disk, Disk::Outdated | Disk::Inconsistent)
    }

    fn is_07(&self) -> bool {
        self.generation == Some(Generation::V07)
    }

    fn replicates_to_current(&self) -> bool {
        let current = self.peer_disk == Disk::UpToDate || (self.is_07() && self.peer_disk == Disk::Unknown);
        self.connection.is_replicating() && current
    }

    /// Reads the line that a state displays itself as.
    ///
    /// # Errors
    /// When a part is missing or holds an unknown word.
    pub fn parse_observed(text: &str) -> Result<State, ParseError> {
        let line = crate::program::last_line(text).unwrap_or_default();
        let given = |key: &str| {
            let mut parts = line.split_whitespace();
            parts.find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
        };
        let value = |key: &str| given(key).ok_or_else(|| ParseError(format!("{key}= is missing in {line:?}")));
        let pair = |key: &str| {
            let text = value(key)?;
            text.split_once('/')
                .ok_or_else(|| ParseError(format!("{text:?} lacks the peer's half")))
        };
        let says = |key: &str, word: &str| match given(key) {
            None => Ok(false),
            Some(value) if value == word => Ok(true),
            Some(value) => Err(ParseError(format!("{key}={value:?} means nothing"))),
        };
        let (role, peer_role) = pair("role")?;
        let (disk, peer_disk) = pair("dstate")?;
        Ok(State {
            role: Role::parse(role)?,
            peer_role: Role::parse(peer_role)?,
            connection: Connection::parse(value("cstate")?)?,
            disk: Disk::parse(disk)?,
            peer_disk: Disk::parse(peer_disk)?,
            suspended: given("suspended").map_or(Ok(Suspended::NO), Suspended::parse)?,
            quorum_lost: says("quorum", "no")?,
            split_brain: says("split-brain", "yes")?,
            resync: given("resync").map(Resync::parse).transpose()?,
            generation: given("drbd").map(Generation::parse).transpose()?,
            proved: given("proved").map(Proof::parse).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(line: &str) -> State {
        State::parse_observed(line).unwrap()
    }

    #[test]
    fn every_part_survives_being_printed() {
        for line in [
            "role=Secondary/Unknown cstate=WFSyncUUID dstate=Inconsistent/DUnknown",
            "role=Primary/Secondary cstate=SyncSource dstate=UpToDate/Inconsistent resync=65240K drbd=8",
            "role=Secondary/Primary cstate=SyncTarget dstate=Inconsistent/UpToDate resync=12.07% drbd=9",
            "role=Secondary/Secondary cstate=Connected dstate=Consistent/DUnknown drbd=0.7",
            "role=Primary/Unknown cstate=WFConnection dstate=UpToDate/DUnknown suspended=untold",
            "role=Primary/Unknown cstate=StandAlone dstate=Diskless/DUnknown suspended=user,no-data,fencing,quorum \
             quorum=no split-brain=yes drbd=9",
            "role=Secondary/Unknown cstate=WFConnection dstate=UpToDate/Outdated drbd=8 proved=peer-old",
            "role=Secondary/Unknown cstate=WFConnection dstate=UpToDate/DUnknown proved=alone",
        ] {
            assert_eq!(state(line).to_string(), line);
        }
        for line in [
            "role=Primary cstate=Connected dstate=UpToDate/UpToDate",
            "role=Primary/Secondary dstate=UpToDate/UpToDate",
            "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate suspended=perhaps",
            "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate quorum=some",
            "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate resync=100.01%",
            "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate drbd=10",
        ] {
            assert!(State::parse_observed(line).is_err(), "{line}");
        }
    }

    /// Whether `good_disk`, `mirrored`, `ahead`, `handshaken`, `peer_is_old`, in this order.
    fn concludes(cases: &[(&str, [bool; 5])]) {
        for (line, expected) in cases {
            let state = state(line);
            let told = [
                state.good_disk(),
                state.mirrored(),
                state.ahead(),
                state.handshaken(),
                state.peer_is_old(),
            ];
            assert_eq!(told, *expected, "{line}");
        }
    }

    /// S-61.
    #[test]
    fn what_has_no_disk_is_compared_with_nothing() {
        for (peer_disk, compared) in [
            ("UpToDate", true),
            ("Outdated", true),
            ("Inconsistent", true),
            ("Diskless", false),
            ("Attaching", false),
            ("Failed", false),
        ] {
            let line = format!("role=Secondary/Secondary cstate=Connected dstate=UpToDate/{peer_disk}");
            assert_eq!(state(&line).compared(), compared, "{line}");
            assert_eq!(super::super::for_core(&state(&line)).current, compared, "{line}");
        }
    }

    #[test]
    fn what_may_be_concluded() {
        concludes(&[
            (
                "role=Primary/Secondary cstate=Connected dstate=UpToDate/UpToDate",
                [true, true, false, true, false],
            ),
            (
                "role=Primary/Secondary cstate=VerifyS dstate=UpToDate/UpToDate",
                [true, true, false, true, false],
            ),
            // what it writes goes to the peer's disk only: nothing is lost with it, yet it is no mirror
            (
                "role=Primary/Secondary cstate=Connected dstate=Diskless/UpToDate",
                [false, false, false, true, false],
            ),
            (
                "role=Primary/Secondary cstate=Connected dstate=UpToDate/Diskless",
                [true, false, true, true, false],
            ),
            (
                "role=Primary/Secondary cstate=SyncSource dstate=UpToDate/Inconsistent",
                [true, false, true, true, false],
            ),
            (
                "role=Primary/Secondary cstate=Ahead dstate=UpToDate/Consistent",
                [true, false, true, true, false],
            ),
            (
                "role=Primary/Unknown cstate=WFConnection dstate=UpToDate/UpToDate",
                [true, false, true, false, false],
            ),
            (
                "role=Primary/Unknown cstate=WFConnection dstate=UpToDate/Outdated",
                [true, false, true, false, true],
            ),
            (
                "role=Secondary/Unknown cstate=StandAlone dstate=UpToDate/Inconsistent",
                [true, false, false, false, true],
            ),
            (
                "role=Secondary/Unknown cstate=WFConnection dstate=Consistent/Outdated",
                [false, false, false, false, false],
            ),
            (
                "role=Secondary/Unknown cstate=WFReportParams dstate=UpToDate/DUnknown",
                [true, false, false, false, false],
            ),
            (
                "role=Secondary/Primary cstate=WFBitMapT dstate=Outdated/UpToDate",
                [false, false, false, true, false],
            ),
            (
                "role=Secondary/Unknown cstate=Unconfigured dstate=Diskless/DUnknown",
                [false; 5],
            ),
        ]);
    }

    #[test]
    fn what_may_be_concluded_of_07() {
        concludes(&[
            // 0.7: whole is the best there is to say, and the peer's disk isn't shown
            (
                "role=Primary/Secondary cstate=Connected dstate=Consistent/DUnknown drbd=0.7",
                [true, true, false, true, false],
            ),
            (
                "role=Primary/Secondary cstate=Connected dstate=Consistent/DUnknown drbd=8",
                [false, false, true, true, false],
            ),
            (
                "role=Primary/Secondary cstate=Connected dstate=Consistent/Diskless drbd=0.7",
                [true, false, true, true, false],
            ),
            (
                "role=Primary/Secondary cstate=SkippedSyncS dstate=Consistent/DUnknown drbd=0.7",
                [true, false, true, true, false],
            ),
            (
                "role=Secondary/Unknown cstate=WFConnection dstate=Consistent/DUnknown drbd=0.7",
                [true, false, false, false, false],
            ),
        ]);
    }

    #[test]
    fn of_two_the_worse_counts_in_every_part() {
        let one =
            state("role=Primary/Secondary cstate=SyncSource dstate=UpToDate/Inconsistent resync=12K proved=peer-old");
        let two = state(
            "role=Secondary/Primary cstate=Connected dstate=Consistent/UpToDate suspended=user quorum=no resync=30K proved=alone",
        );
        let both = "role=Secondary/Primary cstate=SyncSource dstate=Consistent/Inconsistent suspended=user quorum=no \
                    resync=42K proved=alone";
        assert_eq!(one.worse(two).to_string(), both);
        assert_eq!(two.worse(one).to_string(), both);
        let unproved = State { proved: None, ..two };
        assert_eq!(one.worse(unproved).proved, None);
        let (ten, left) = (Resync::Done(1000), Resync::Left(7));
        assert_eq!((ten.with(Resync::Done(9)), ten.with(left)), (Resync::Done(9), left));
    }
}
