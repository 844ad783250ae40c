//! The failover table, over every combination of the facts that bear on the rule under test.

#[cfg(test)]
mod tests {
    use ovzha_core::decide::{
        Ailing, Attached, Data, Decision, Entitled, Foreign, Mine, Peer, PeerGroup, View, Why, decide,
    };
    use ovzha_core::message::{GroupFlags, Phase};

    const PHASES: [Phase; 8] = [
        Phase::Probing,
        Phase::Idle,
        Phase::Claiming,
        Phase::Starting,
        Phase::Active,
        Phase::Stopping,
        Phase::Failed,
        Phase::Stuck,
    ];
    const MINE: [Mine; 11] = [
        Mine::Probing,
        Mine::Partial,
        Mine::Idle,
        Mine::Claiming,
        Mine::Starting,
        Mine::StartingPart,
        Mine::Restarting,
        Mine::Active,
        Mine::Stopping,
        Mine::Failed,
        Mine::Stuck,
    ];
    const BOTH: [bool; 2] = [false, true];

    fn view(mine: Mine, peer: Peer) -> View {
        View {
            mine,
            peer,
            bug: false,
            preferred: false,
            stopping: false,
            held: false,
            differs: false,
            fenced: false,
            failed: Why::StartFailed,
            unfit: false,
            blocked: false,
            unrecorded: false,
            data: Data::Current,
            attached: Attached::Unknown,
            foreign: Foreign::Nobody,
            entitled: Entitled::Unneeded,
            lonely: false,
            unheard: false,
            doubtful: false,
            demoted: false,
            secured: false,
            standby: false,
            wanted: false,
            yielded: false,
            failback: false,
            unable: true,
            fewer_pings: false,
            ailing: Ailing::Well,
            diskless: false,
        }
    }

    fn peer(phase: Phase, able: bool) -> PeerGroup {
        let flags = GroupFlags {
            able,
            ..GroupFlags::default()
        };
        PeerGroup {
            phase,
            flags,
            earlier: false,
            fresh: true,
            stopping: false,
            isolated: false,
        }
    }

    /// Every peer there can be, of the given phase if it lives.
    fn peers() -> impl Iterator<Item = Peer> {
        let silent = [
            Peer::Awaited,
            Peer::NeverHeard,
            Peer::Newer,
            Peer::Dead,
            Peer::Left,
            Peer::Unfenced,
            Peer::Unfenceable,
        ];
        let alive = PHASES.into_iter().flat_map(|phase| {
            (0_u8..128).map(move |bits| {
                let bit = |n: u8| bits & (1 << n) != 0;
                Peer::Alive(PeerGroup {
                    phase,
                    flags: GroupFlags {
                        able: bit(0),
                        yielded: bit(1),
                        wanted: bit(2),
                        doubtful: bit(3),
                        degraded: false,
                    },
                    earlier: bit(4),
                    fresh: bit(5),
                    stopping: bit(6),
                    isolated: bits.count_ones() % 2 == 1,
                })
            })
        });
        silent.into_iter().chain(alive)
    }

    /// SAFETY, after healing: of two that both have it and know of each other, exactly one yields.
    #[test]
    fn of_two_actives_exactly_one_yields() {
        for bits in 0_u8..32 {
            let bit = |n: u8| bits & (1 << n) != 0;
            let (doubt, isolated, a_first) = ([bit(0), bit(1)], [bit(2), bit(3)], bit(4));
            let side = |me: usize| {
                let other = 1 - me;
                let mut peer = peer(Phase::Active, false);
                peer.flags.doubtful = doubt[other];
                peer.isolated = isolated[other];
                peer.earlier = a_first == (other == 0);
                let mut view = view(Mine::Active, Peer::Alive(peer));
                view.doubtful = doubt[me];
                view.attached = if isolated[me] {
                    Attached::Isolated
                } else {
                    Attached::Proved
                };
                matches!(decide(&view), Decision::Release(_))
            };
            assert!(
                side(0) != side(1),
                "doubt {doubt:?} isolated {isolated:?} a first {a_first}"
            );
        }
    }

    /// Nothing is yielded to old news: the peer may have said it before it died.
    #[test]
    fn stale_word_of_a_second_active_moves_nothing() {
        for earlier in BOTH {
            let mut peer = peer(Phase::Active, false);
            (peer.fresh, peer.earlier) = (false, earlier);
            assert_eq!(
                decide(&view(Mine::Active, Peer::Alive(peer))),
                Decision::Stay(Why::Running)
            );
        }
    }

    /// What forbids a start forbids it whatever else is so.
    #[test]
    fn nothing_is_acquired_against_a_veto() {
        for mine in [Mine::Idle, Mine::Claiming, Mine::Partial, Mine::Failed] {
            for peer in peers() {
                for veto in 0..6 {
                    for bits in 0_u8..8 {
                        let mut view = view(mine, peer);
                        view.preferred = bits & 1 != 0;
                        view.wanted = bits & 2 != 0;
                        view.yielded = bits & 4 != 0;
                        match veto {
                            0 => view.stopping = true,
                            1 => view.held = true,
                            2 => view.differs = true,
                            3 => view.unfit = true,
                            4 => view.blocked = true,
                            _ => view.unrecorded = true,
                        }
                        assert!(!matches!(decide(&view), Decision::Acquire(_)), "{view:?}");
                    }
                }
            }
        }
    }

    /// S-60: no copy is promoted that is not known to be the newest, whoever asks and whoever is away.
    #[test]
    fn nothing_is_acquired_without_current_data() {
        let mut refused = 0;
        for mine in [Mine::Idle, Mine::Claiming, Mine::Partial, Mine::Failed] {
            for peer in peers() {
                for bits in 0_u8..8 {
                    let mut view = view(mine, peer);
                    (view.preferred, view.wanted, view.yielded) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
                    let with = decide(&view);
                    for data in [Data::Awaited, Data::Unproved, Data::Old, Data::Unusable] {
                        view.data = data;
                        let without = decide(&view);
                        assert!(!matches!(without, Decision::Acquire(_)), "{view:?}");
                        // and it changes nothing else, but that nobody is shot for it
                        let shoots = matches!(peer, Peer::Unfenced | Peer::Unfenceable);
                        if matches!(with, Decision::Acquire(_)) || shoots {
                            refused += 1;
                        } else {
                            assert_eq!(without, with, "{view:?}");
                        }
                    }
                }
            }
        }
        assert!(refused > 1000, "{refused}");
    }

    /// Nothing is begun while the peer has it in any phase but a clear one, nor while it speaks what we can't read.
    #[test]
    fn nothing_is_acquired_from_a_living_peer_that_has_it() {
        for peer in peers() {
            for bits in 0_u8..8 {
                let mut view = view(Mine::Idle, peer);
                (view.preferred, view.wanted, view.yielded) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
                let forbidden = match peer {
                    Peer::Newer | Peer::Awaited | Peer::Unfenced | Peer::Unfenceable => true,
                    Peer::Alive(group) => !group.phase.is_clear(),
                    Peer::NeverHeard | Peer::Dead | Peer::Left => false,
                };
                let acquires = matches!(decide(&view), Decision::Acquire(_));
                assert!(!(forbidden && acquires), "{view:?}");
            }
        }
    }

    /// Crossed claims: at most one goes on, and of two that stand exactly the preferred one.
    #[test]
    fn of_two_claims_the_preferred_one_stands() {
        for bits in 0_u8..4 {
            let side = |preferred: bool| {
                let mut view = view(Mine::Claiming, Peer::Alive(peer(Phase::Claiming, true)));
                view.preferred = preferred;
                (view.wanted, view.yielded) = (bits & 1 != 0, bits & 2 != 0);
                matches!(decide(&view), Decision::Acquire(_))
            };
            assert!(side(true) && !side(false));
        }
        // who has not claimed yet leaves it to who has
        let mut idle = view(Mine::Idle, Peer::Alive(peer(Phase::Claiming, true)));
        idle.preferred = true;
        assert_eq!(decide(&idle), Decision::Stay(Why::PeersTurn));
    }

    /// Row "fencing": what may have power is not taken over; where a dead peer would be, the reason is that.
    #[test]
    fn nothing_is_acquired_from_a_peer_that_may_have_power() {
        let mut waits = 0;
        for mine in MINE {
            for bits in 0_u8..32 {
                let bit = |n: u8| bits & (1 << n) != 0;
                let mut view = view(mine, Peer::Dead);
                (view.preferred, view.held, view.lonely) = (bit(0), bit(1), bit(2));
                view.attached = if bit(3) { Attached::Proved } else { Attached::Unproved };
                view.data = if bit(4) { Data::Current } else { Data::Old };
                let dead = decide(&view);
                for (peer, instead) in [
                    (Peer::Unfenced, Decision::Stay(Why::AwaitingFence)),
                    (Peer::Unfenceable, Decision::Hold(Why::FenceFailed)),
                ] {
                    view.peer = peer;
                    let now = decide(&view);
                    // what was begun goes on, for the peer starts nothing before this node is off
                    let begun = matches!(mine, Mine::Starting | Mine::StartingPart);
                    if begun || !matches!(dead, Decision::Acquire(_)) {
                        assert_eq!(now, dead, "{view:?}");
                        continue;
                    }
                    waits += 1;
                    if mine == Mine::Claiming {
                        assert!(matches!(now, Decision::Release(_)), "{view:?}");
                    } else if mine == Mine::Partial && peer == Peer::Unfenced {
                        assert_eq!(now, Decision::Stay(Why::Partial), "{view:?}");
                    } else {
                        assert_eq!(now, instead, "{view:?}");
                    }
                }
            }
        }
        assert!(waits > 10, "{waits}");
    }

    /// Row "ping": alone, a node acts only on proof of its own attachment.
    #[test]
    fn alone_without_proof_nothing_is_acquired() {
        for peer in [Peer::Dead, Peer::NeverHeard] {
            for (attached, may) in [
                (Attached::Unknown, true),
                (Attached::Proved, true),
                (Attached::Unproved, false),
                (Attached::Isolated, false),
            ] {
                let mut view = view(Mine::Idle, peer);
                view.attached = attached;
                assert_eq!(matches!(decide(&view), Decision::Acquire(_)), may, "{attached:?}");
            }
            for foreign in [Foreign::Key, Foreign::Heartbeat, Foreign::Name] {
                let mut view = view(Mine::Idle, peer);
                view.foreign = foreign;
                assert!(matches!(decide(&view), Decision::Hold(_)));
            }
        }
    }

    /// A hold stops every decision but those a step under way needs to end.
    #[test]
    fn a_hold_moves_nothing_that_runs() {
        for peer in peers() {
            let mut view = view(Mine::Active, peer);
            view.held = true;
            (view.standby, view.failback, view.fewer_pings, view.unheard, view.lonely) = (true, true, true, true, true);
            view.diskless = true;
            for ailing in [Ailing::Well, Ailing::Once, Ailing::Again, Ailing::Due, Ailing::Stuck] {
                view.ailing = ailing;
                assert_eq!(decide(&view), Decision::Stay(Why::Held));
            }
        }
    }

    /// A group is handed over only to a peer that says it is able and has nothing of it running.
    #[test]
    fn nothing_is_handed_to_a_peer_that_is_not_able() {
        for phase in PHASES {
            for able in BOTH {
                for reason in 0..8 {
                    let mut there = peer(phase, able);
                    there.flags.wanted = reason == 1;
                    let mut view = view(Mine::Active, Peer::Alive(there));
                    match reason {
                        0 => view.standby = true,
                        2 => view.unheard = true,
                        3 => view.fewer_pings = true,
                        4 => view.ailing = Ailing::Again,
                        5 => view.ailing = Ailing::Due,
                        6 => view.diskless = true,
                        _ => view.failback = true,
                    }
                    let released = matches!(decide(&view), Decision::Release(_));
                    let yields = matches!(phase, Phase::Starting | Phase::Active);
                    assert_eq!(
                        released && !yields,
                        able && phase.is_clear(),
                        "{phase:?} able {able} reason {reason}"
                    );
                }
            }
        }
    }

    /// What a monitor finds first is restarted here, whatever the peer is able to; what it finds again is handed over, and
    /// restarted only where nobody else can have it.
    #[test]
    fn what_fails_is_restarted_once_then_handed_over() {
        for there in peers() {
            let able =
                matches!(there, Peer::Alive(group) if group.flags.able && group.phase.is_clear() && !group.stopping);
            // a peer that has it, or a part of it, or that can't be read: nothing is started anew beside that
            let both = there == Peer::Newer || matches!(there, Peer::Alive(group) if !group.phase.is_clear());
            let wanted = matches!(there, Peer::Alive(group) if group.flags.wanted);
            if able && wanted {
                continue;
            }
            if both {
                let mut view = view(Mine::Active, there);
                view.ailing = Ailing::Once;
                assert!(!matches!(decide(&view), Decision::Restart(_)), "{view:?}");
                continue;
            }
            for (ailing, alone, beside) in [
                (
                    Ailing::Once,
                    Decision::Restart(Why::MonitorFailed),
                    Decision::Restart(Why::MonitorFailed),
                ),
                (
                    Ailing::Again,
                    Decision::Hold(Why::MonitorFailedAgain),
                    Decision::Release(Why::MonitorFailedAgain),
                ),
                (
                    Ailing::Due,
                    Decision::Restart(Why::MonitorFailed),
                    Decision::Release(Why::MonitorFailedAgain),
                ),
                (Ailing::Stuck, Decision::Hold(Why::Stuck), Decision::Hold(Why::Stuck)),
            ] {
                let mut view = view(Mine::Active, there);
                view.ailing = ailing;
                assert_eq!(decide(&view), if able { beside } else { alone }, "{view:?}");
                // after a sleep it may run elsewhere: first that is found out
                view.doubtful = true;
                assert!(!matches!(decide(&view), Decision::Restart(_)), "{view:?}");
            }
        }
    }

    /// Total: every state of ours against every peer gives an answer, and what is being changed is left alone.
    #[test]
    fn what_is_being_changed_is_left_alone() {
        for peer in peers() {
            for mine in MINE {
                let decision = decide(&view(mine, peer));
                match mine {
                    Mine::Probing | Mine::Stopping => assert_eq!(decision, Decision::Stay(Why::Busy)),
                    Mine::Stuck => assert_eq!(decision, Decision::Hold(Why::Stuck)),
                    Mine::Failed => assert_eq!(decision, Decision::Stay(Why::StartFailed)),
                    Mine::Restarting => assert!(matches!(decision, Decision::Stay(Why::Busy) | Decision::Release(_))),
                    Mine::StartingPart => {
                        let clear = match peer {
                            Peer::Newer => false,
                            Peer::Alive(peer) => peer.phase.is_clear(),
                            Peer::Awaited
                            | Peer::NeverHeard
                            | Peer::Dead
                            | Peer::Left
                            | Peer::Unfenced
                            | Peer::Unfenceable => true,
                        };
                        assert!(clear || !matches!(decision, Decision::Acquire(_)), "{peer:?}");
                    }
                    Mine::Partial | Mine::Idle | Mine::Claiming | Mine::Starting | Mine::Active => {}
                }
            }
        }
    }

    #[test]
    fn after_a_bug_nothing_starts_or_moves_by_itself() {
        for mine in MINE {
            for peer in peers() {
                for bits in 0_u8..64 {
                    let bit = |n: u8| bits & (1 << n) != 0;
                    let view = View {
                        bug: true,
                        stopping: bit(0),
                        lonely: bit(1),
                        standby: bit(2),
                        wanted: bit(3),
                        doubtful: bit(4),
                        demoted: bit(5),
                        failback: true,
                        fewer_pings: true,
                        unheard: true,
                        ailing: Ailing::Due,
                        diskless: true,
                        ..view(mine, peer)
                    };
                    match decide(&view) {
                        Decision::Acquire(_) | Decision::Restart(_) => panic!("{view:?}"),
                        Decision::Release(Why::Stopping) => assert!(view.stopping),
                        Decision::Release(Why::Isolated) => assert!(view.lonely),
                        Decision::Release(_) => assert_eq!(mine, Mine::Claiming),
                        Decision::Stay(_) | Decision::Hold(_) => {}
                    }
                }
            }
        }
    }
}
