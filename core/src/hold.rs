//! The hold: set by a person on one node, in force on both, until it is lifted or its time is over (SAFETY S-46).

use crate::cluster::Cluster;
use crate::id::Sequence;
use crate::message::{Hold, HoldReason};
use crate::notice::Notice;
use crate::time::{Instant, Span};

impl Cluster {
    /// Whether a hold of either node is in force.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.durable.hold.held
    }

    /// The peer knows of our hold: it will not take over from us.
    pub(crate) fn hold_is_known(&self) -> bool {
        self.member.taken() >= self.hold_from
    }

    /// Row "ping": a held node that is isolated stays active until its own hold ends, which may be later than ours. With a
    /// witness: its daemon may have been stopped, which leaves what runs to a person.
    /// What a silent peer that was held is doing, only a person can say (S-46), also if this life never heard it.
    pub(crate) fn peer_is_held(&self) -> bool {
        let may_run = self.pings.any() || self.config.witness;
        self.durable.hold.is_lapsed() && self.peer_says_held() && may_run && !self.member.is_alive()
    }

    /// As far as is known.
    fn peer_says_held(&self) -> bool {
        self.member.head().is_none_or(|head| head.bits.held())
    }

    pub(crate) fn set_hold(
        &mut self,
        now: Instant,
        client: crate::id::ClientId,
        held: bool,
        span: Option<Span>,
        reason: HoldReason,
    ) {
        let seconds = span.map_or(0, |span| span.as_millis().checked_div(1000).unwrap_or(0).max(1));
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        let epoch = self.durable.hold.epoch.saturating_add(1);
        self.take_hold(
            now,
            Hold {
                epoch,
                held,
                seconds,
                reason,
            },
        );
        self.reply(client, crate::output::Answer::Done);
    }

    /// The peer's hold, if it is newer than ours.
    pub(crate) fn adopt_hold(&mut self, now: Instant, theirs: &Hold) {
        if theirs.epoch > self.durable.hold.epoch {
            self.take_hold(now, theirs.clone());
            self.hold_from = Sequence(0);
        }
    }

    pub(crate) fn take_hold(&mut self, now: Instant, hold: Hold) {
        let before = self.durable.hold.held;
        if before && !hold.held {
            self.unheld = Some(now);
        }
        self.hold_until = (hold.held && hold.seconds > 0).then(|| now.after(Span::from_secs(u64::from(hold.seconds))));
        if hold.held != before {
            self.notice(if hold.held {
                Notice::HoldBegan
            } else {
                Notice::HoldEnded
            });
        }
        self.hold_from = self.sequence.next();
        self.durable.hold = hold;
        self.version = self.version.saturating_add(1);
        self.detail_from = self.sequence.next();
    }

    pub(crate) fn settle_hold(&mut self, now: Instant) {
        if self.hold_until.is_some_and(|until| now >= until) {
            // both nodes count the same seconds; whoever is first tells the other by the next epoch
            let Hold { epoch, seconds, .. } = self.durable.hold;
            self.take_hold(
                now,
                Hold {
                    epoch: epoch.saturating_add(1),
                    seconds,
                    ..Hold::default()
                },
            );
        }
        if self.durable.hold.is_lapsed() && self.member.is_alive() && !self.peer_says_held() {
            self.durable.hold.seconds = 0;
            self.version = self.version.saturating_add(1);
        }
    }
}
