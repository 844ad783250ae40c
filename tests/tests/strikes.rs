//! Each fault of the World really strikes: what it does is seen from outside.

#[cfg(test)]
mod tests {
    use ovzha_core::event::{Command, Outcome};
    use ovzha_core::frame::peek;
    use ovzha_core::id::GroupSet;
    use ovzha_core::member::MemberState;
    use ovzha_core::output::{Durable, Op};
    use ovzha_core::witness::Relay;
    use ovzha_world::act::{Act, Loss, UNTIL_THAWED};
    use ovzha_world::faults::Kind;
    use ovzha_world::node::{Freeze, Script, Truth};
    use ovzha_world::seed::Case;
    use ovzha_world::setup::{GroupSetup, Model, Setup};
    use ovzha_world::world::World;

    const SECOND: u64 = 1_000_000;

    fn running(resources: Vec<Model>) -> World {
        let groups = vec![GroupSetup {
            preferred: 0,
            resources,
        }];
        let mut world = World::new(
            Setup {
                groups,
                ..Setup::default()
            },
            1,
            true,
        )
        .unwrap();
        for act in [Act::On(0), Act::On(1), Act::Pass(10 * SECOND)] {
            world.step(&act);
        }
        assert!(world.watch.is_whole(0, 0), "it runs on its preferred node");
        world
    }

    fn peer(world: &World, node: usize) -> MemberState {
        world.nodes[node].daemon.as_ref().unwrap().snapshot().peer
    }

    fn said(world: &World, text: &str) -> bool {
        world.trace.lines.iter().any(|line| line.contains(text))
    }

    /// A frame that is late by minutes arrives minutes later, and is no proof of life any more.
    #[test]
    fn frames_late_by_minutes() {
        let mut world = running(vec![Model::Data]);
        world.step(&Act::Slow(0, 120 * SECOND));
        world.step(&Act::Pass(20 * SECOND));
        assert_eq!(peer(&world, 1), MemberState::Dead);
        world.step(&Act::Pass(110 * SECOND));
        assert!(
            world.nodes[1].heard.is_some_and(|at| at + SECOND > world.now),
            "they come at last"
        );
    }

    #[test]
    fn stragglers() {
        let mut world = running(vec![Model::Data]);
        let before = world.wire.sent[0].len();
        world.step(&Act::Stray(1000, 180 * SECOND));
        world.step(&Act::Pass(10 * SECOND));
        let given = &world.nodes[1].given;
        let late = (before..world.wire.sent[0].len()).filter(|place| given.get(*place).is_none_or(Option::is_none));
        assert!(late.count() >= 10, "two frames of three are late");
        assert!(!said(&world, "PeerDead"), "chance alone is no cut");
    }

    #[test]
    fn a_device_that_goes_closes_its_link_on_one_node_and_silences_it_on_the_other() {
        let mut world = running(vec![Model::Data]);
        world.step(&Act::Device(1, 0, false));
        world.step(&Act::Pass(15 * SECOND));
        assert!(said(&world, "a LinkDead(L0"), "{:?}", world.trace.lines);
        assert_eq!(peer(&world, 0), MemberState::Alive, "the other link is there");
        world.step(&Act::Device(1, 0, true));
        world.step(&Act::Pass(5 * SECOND));
        assert!(
            world
                .trace
                .lines
                .iter()
                .filter(|line| line.contains("a LinkUp(L0)"))
                .count()
                > 1
        );
    }

    /// Two clocks at opposite ends are two per cent apart, also after the rate changes in the middle.
    #[test]
    fn drift() {
        let mut world = running(vec![Model::Data]);
        for (node, rate) in [(0, 990_000), (1, 1_010_000)] {
            world.step(&Act::Drift(node, rate));
        }
        let local = |world: &World, node: usize| world.nodes[node].clock.local(world.now).as_millis();
        let before = [local(&world, 0), local(&world, 1)];
        world.step(&Act::Pass(1000 * SECOND));
        assert_eq!(
            [local(&world, 0) - before[0], local(&world, 1) - before[1]],
            [990_000, 1_010_000]
        );
    }

    #[test]
    fn old_frames_of_an_earlier_life_change_nothing() {
        let mut world = running(vec![Model::Data]);
        for act in [Act::Kill(0), Act::Revive(0), Act::Pass(20 * SECOND)] {
            world.step(&act);
        }
        let struck = world.struck;
        world.step(&Act::Recall(0, 1, 0, 20, Some(1)));
        world.step(&Act::Pass(SECOND));
        let told = world.nodes[1].daemon.as_ref().unwrap().snapshot();
        let refused: u32 = told.links.iter().map(|link| link.rejections.total()).sum();
        assert!(refused >= 20, "{refused}");
        assert_eq!((world.struck, world.watch.violations.len()), (struck + 1, 0));
    }

    #[test]
    fn a_damaged_state_starts_held_and_a_lost_one_as_new() {
        for (loss, held) in [(Loss::Damaged, true), (Loss::Gone, false), (Loss::Older(1), false)] {
            let mut world = running(vec![Model::Data]);
            for act in [Act::Off(1), Act::Lose(1, loss)] {
                world.step(&act);
            }
            let found = Durable::decode(&world.nodes[1].disk);
            assert_eq!(found.is_some(), matches!(loss, Loss::Older(_)), "{loss:?}");
            for act in [Act::On(1), Act::Pass(SECOND)] {
                world.step(&act);
            }
            let told = world.nodes[1].daemon.as_ref().unwrap().snapshot();
            assert_eq!(told.hold.held, held, "{loss:?}");
        }
    }

    #[test]
    fn a_stop_that_lies_leaves_it_running_and_drbd_below_it_tells() {
        let mut world = running(vec![Model::Drbd, Model::Data]);
        world.step(&Act::Feign(0, 0, 1, Op::Stop));
        world.step(&Act::Ask(0, Command::Standby { groups: GroupSet::ALL }));
        world.step(&Act::Pass(1_000_000));
        assert_eq!(world.nodes[0].truth[0][1], Truth::On);
        assert!(said(&world, "a stop g0 fs: Done") && said(&world, "a stop g0 drbd: Failed"));
        world.step(&Act::Pass(60 * SECOND));
        assert!(
            said(&world, "a resets itself"),
            "a data resource that won't stop (S-41)"
        );
        assert!(world.watch.admitted.is_empty() && world.watch.violations.is_empty());
    }

    #[test]
    fn a_start_that_lies_is_found_by_the_next_look() {
        let mut world = running(vec![Model::Data]);
        world.step(&Act::Feign(1, 0, 0, Op::Start));
        world.step(&Act::Ask(0, Command::Standby { groups: GroupSet::ALL }));
        world.step(&Act::Pass(3 * SECOND));
        assert_eq!(world.nodes[1].truth[0][0], Truth::Off);
        assert!(!world.watch.is_whole(1, 0));
        world.step(&Act::Pass(30 * SECOND));
        assert!(said(&world, "b monitor g0 fs: NotRunning") && world.watch.is_whole(1, 0));
    }

    #[test]
    fn a_script_that_outlives_its_daemon_is_waited_for() {
        let mut world = running(vec![Model::Data]);
        let slow = Script {
            outcome: None,
            takes: Some(20 * SECOND),
            times: 1,
        };
        world.step(&Act::Script(0, 0, 0, Op::Stop, slow));
        world.step(&Act::Ask(0, Command::Standby { groups: GroupSet::ALL }));
        for act in [Act::Pass(SECOND), Act::Kill(0), Act::Revive(0), Act::Pass(SECOND)] {
            world.step(&act);
        }
        assert!(
            !said(&world, "b begins start"),
            "the stop of the former life is under way"
        );
        world.step(&Act::Pass(30 * SECOND));
        assert!(world.watch.is_active(0, 0) != world.watch.is_active(1, 0));
        assert_eq!(world.watch.violations, Vec::<String>::new());
    }

    #[test]
    fn a_resync_that_is_interrupted_leaves_a_half_that_is_not_promoted() {
        let mut world = running(vec![Model::Drbd]);
        world.resync_takes = 60 * SECOND;
        for act in [Act::Off(1), Act::Pass(20 * SECOND), Act::On(1), Act::Pass(5 * SECOND)] {
            world.step(&act);
        }
        assert_eq!(world.mirrors[0].syncing, Some(1));
        world.step(&Act::Off(0));
        world.step(&Act::Pass(40 * SECOND));
        assert!(world.mirrors[0].inconsistent[1] && !world.mirrors[0].primary[1]);
        assert!(said(&world, "b g0 holds"));
        world.step(&Act::On(0));
        world.step(&Act::Pass(100 * SECOND));
        assert!(!world.mirrors[0].inconsistent[1], "the next one ends");
        assert_eq!(world.watch.violations, Vec::<String>::new());
    }

    #[test]
    fn another_release_in_the_middle_of_a_run() {
        let mut world = running(vec![Model::Data]);
        for act in [Act::Kill(1), Act::Speak(1, 1), Act::Revive(1), Act::Pass(5 * SECOND)] {
            world.step(&act);
        }
        let version = |world: &World, node: usize| peek(&world.wire.sent[node].last().unwrap().bytes).unwrap().version;
        let spoken = [version(&world, 0), version(&world, 1)];
        for act in [Act::Kill(1), Act::Speak(1, 2), Act::Revive(1), Act::Pass(5 * SECOND)] {
            world.step(&act);
        }
        assert_eq!((spoken, version(&world, 0), version(&world, 1)), ([1, 1], 2, 2));
        assert_eq!(
            (peer(&world, 0), peer(&world, 1)),
            (MemberState::Alive, MemberState::Alive)
        );
        assert_eq!(world.watch.violations, Vec::<String>::new());
    }

    #[test]
    fn a_slow_disk_of_the_state_directory_is_waited_for() {
        let mut world = running(vec![Model::Data]);
        world.step(&Act::DiskTakes(1, 5 * SECOND));
        world.step(&Act::Ask(0, Command::Standby { groups: GroupSet::ALL }));
        world.step(&Act::Pass(3 * SECOND));
        assert!(!said(&world, "b begins start"), "the tenure comes first");
        world.step(&Act::Pass(10 * SECOND));
        assert!(world.watch.is_whole(1, 0));
    }

    /// Seeds draw a witness without a hand on the nodes' power, with one beside watchdogs, and in place of them: with what can go wrong
    /// there, and machines that stand still with their clocks only where that is covered (S-15).
    #[test]
    fn witnesses_of_all_kinds_and_their_relays() {
        let voted = (0..1600).filter(|seed| Kind::of(*seed) == Kind::Voted);
        let cases: Vec<Case> = voted.map(Case::of).collect();
        for relay in [Relay::None, Relay::Beside, Relay::InPlace] {
            let of: Vec<&Case> = cases.iter().filter(|case| case.setup.relay == relay).collect();
            let draws = |fault: fn(&Act) -> bool| {
                let mut acts = of.iter().flat_map(|case| &case.strikes).flat_map(|strike| &strike.acts);
                acts.any(|(_, act)| fault(act))
            };
            let (has, in_place) = (relay != Relay::None, relay == Relay::InPlace);
            assert_eq!(draws(|act| matches!(act, Act::RelayStuck(_, true))), has, "{relay:?}");
            assert_eq!(draws(|act| matches!(act, Act::SenseBlind(_, true))), has, "{relay:?}");
            let pauses = draws(|act| matches!(act, Act::Freeze(_, Freeze::Machine, _)));
            assert_eq!(pauses, in_place, "{relay:?}");
            assert!(of.iter().all(|case| case.setup.watchdog.is_none() == in_place));
        }
    }

    /// Only what changes something counts.
    #[test]
    fn strikes_are_counted_and_nothing_else() {
        let mut world = running(vec![Model::Data]);
        assert_eq!(world.struck, 0, "power that comes is none");
        let looks_bad = Script {
            outcome: Some(Outcome::Failed),
            takes: None,
            times: 1,
        };
        let acts = [
            (Act::Off(1), 1),
            (Act::Off(1), 1),
            (Act::On(1), 1),
            (Act::Pass(SECOND), 1),
            (Act::Freeze(1, Freeze::Process, UNTIL_THAWED), 2),
            (Act::Freeze(1, Freeze::Kernel, UNTIL_THAWED), 2),
            (Act::Thaw(1), 2),
            (Act::Cut(None, 0, true), 3),
            (Act::Cut(Some(0), 0, true), 3),
            (Act::Cut(None, 0, false), 3),
            (Act::Pings(0, false), 3),
            (Act::Diskless(0, 0, true), 3),
            (Act::Die(1, 0, 0, false), 3),
            (Act::Ask(0, Command::Resume), 3),
            (Act::Script(0, 0, 0, Op::Monitor, looks_bad), 3),
            (Act::Pass(15 * SECOND), 4),
            (Act::Kill(0), 5),
        ];
        for (act, struck) in acts {
            world.step(&act);
            assert_eq!(world.struck, struck, "{act:?}");
        }
    }
}
