//! Which lives of the peer are believed, and for how long what was heard of it counts.

use ovzha_core::id::{BootId, Sequence};
use ovzha_core::lives::Belief;
use ovzha_core::member::Member;
use ovzha_core::message::Echo;
use ovzha_core::time::{Instant, Span};

const ME: BootId = BootId([7; 4]);
const KNOWN: BootId = BootId([1; 4]);
const OTHER: BootId = BootId([2; 4]);
const SPAN: Span = Span::from_secs(10);

fn start() -> Instant {
    Instant::from_millis(50_000)
}

/// An echo of our present life.
fn echo(sequence: u32) -> Echo {
    Echo {
        boot: ME,
        sequence: Sequence(sequence),
    }
}

/// What becomes of a frame that echoes `echoed` of ours, when our newest is `mine`.
fn judge(member: &mut Member, now: Instant, (boot, sequence): (BootId, u32), echoed: u32, mine: u32) -> Belief {
    member.judge(
        now,
        (boot, Sequence(sequence)),
        Some(echo(echoed)),
        (ME, Sequence(mine)),
    )
}

/// What a life before has echoed may be as new as our newest frame when the present life was last believed, no newer.
#[test]
fn a_life_before_does_not_come_back_with_what_it_has_echoed() {
    let mut member = Member::new(start());
    assert_eq!(judge(&mut member, start(), (KNOWN, 1), 10, 10), Belief::NewLife);
    assert_eq!(judge(&mut member, start(), (OTHER, 99), 10, 12), Belief::Unproved);
    assert_eq!(judge(&mut member, start(), (KNOWN, 2), 10, 11), Belief::Known);
    assert_eq!(judge(&mut member, start(), (OTHER, 100), 11, 12), Belief::Unproved);
    assert_eq!(judge(&mut member, start(), (OTHER, 101), 13, 12), Belief::Unproved);
    assert_eq!(judge(&mut member, start(), (OTHER, 102), 12, 12), Belief::NewLife);
}

/// A life that proves nothing is echoed for a while after its newest frame; a copy of that frame is no newer one.
#[test]
fn a_copy_does_not_keep_a_life_that_proves_nothing() {
    let mut member = Member::new(start());
    let seen = Echo {
        boot: OTHER,
        sequence: Sequence(5),
    };
    let half = Span::from_secs(5);
    for now in [start(), start().after(half)] {
        assert_eq!(judge(&mut member, now, (OTHER, 5), 0, 3), Belief::Unproved);
        assert_eq!(member.lives.echo(now, SPAN, 0), seen);
    }
    assert_eq!(member.lives.echo(start().after(SPAN), SPAN, 0), Echo::NOBODY);
}

/// "Within `deadtime`" ends when `deadtime` does.
#[test]
fn a_peer_that_spoke_newer_a_deadtime_ago_does_not_speak_newer() {
    let mut member = Member::new(start());
    member.cannot_read(start(), 9);
    let last = start().after(SPAN).before(Span::from_millis(1));
    assert_eq!(member.newer(last, SPAN), Some(9));
    assert_eq!(member.newer(start().after(SPAN), SPAN), None);
}
