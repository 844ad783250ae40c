//! Each checker can fire: fed a trace that is wrong in one thing it tells of that, and of the right one it is silent.

#[cfg(test)]
mod tests {
    use ovzha_core::decide::Why;
    use ovzha_core::event::{Command, Outcome};
    use ovzha_core::id::GroupSet;
    use ovzha_core::message::Phase;
    use ovzha_core::output::Op;
    use ovzha_world::act::Act;
    use ovzha_world::check::{Cause, Excuses, Fact, Step, Watch};
    use ovzha_world::seed::{nothing_bounced, settle};
    use ovzha_world::setup::{GroupSetup, Model, Setup};
    use ovzha_world::wire::Origin;
    use ovzha_world::world::World;

    struct Room {
        watch: Watch,
        now: u64,
        ids: [u32; 2],
    }

    impl Room {
        fn new() -> Self {
            Self {
                watch: Watch::new(vec![vec![Model::Data, Model::Plain, Model::Mail]]),
                now: 0,
                ids: [0; 2],
            }
        }

        fn see(&mut self, fact: &Fact) {
            self.now += 1000;
            self.watch.see(self.now, fact, &Excuses::default());
        }

        fn begin(&mut self, node: usize, op: Op, resource: u8, excuses: &Excuses) -> u32 {
            self.now += 1000;
            self.ids[node] += 1;
            let (id, effective) = (self.ids[node], true);
            let fact = Fact::Begun {
                step: step(node, op, resource),
                id,
                effective,
            };
            self.watch.see(self.now, &fact, excuses);
            id
        }

        fn end(&mut self, node: usize, op: Op, resource: u8, outcome: Outcome) {
            let id = self.ids[node];
            self.see(&Fact::Ended {
                step: step(node, op, resource),
                id,
                outcome,
                told: true,
            });
        }

        fn does(&mut self, node: usize, op: Op, resource: u8, outcome: Outcome) {
            self.begin(node, op, resource, &Excuses::default());
            self.end(node, op, resource, outcome);
        }

        fn start(&mut self, node: usize) {
            for resource in 0..3 {
                self.does(node, Op::Start, resource, Outcome::Done);
            }
        }

        fn stop(&mut self, node: usize) {
            for resource in (0..3).rev() {
                self.does(node, Op::Stop, resource, Outcome::Done);
            }
        }

        #[track_caller]
        fn fires(&self, name: &str) {
            let found = self.watch.violations.first();
            assert!(
                found.is_some_and(|text| text.contains(name)),
                "{:?}",
                self.watch.violations
            );
        }

        #[track_caller]
        fn silent(&self) {
            assert_eq!(self.watch.violations, Vec::<String>::new());
        }
    }

    const fn step(node: usize, op: Op, resource: u8) -> Step {
        Step {
            node,
            group: 0,
            resource,
            op,
        }
    }

    #[test]
    fn an_orderly_move_is_silent() {
        let mut room = Room::new();
        room.start(0);
        assert!(room.watch.is_whole(0, 0));
        room.stop(0);
        room.start(1);
        room.silent();
        assert!(room.watch.admitted.is_empty());
    }

    #[test]
    fn s1_two_actives() {
        let mut room = Room::new();
        room.start(0);
        room.begin(1, Op::Start, 0, &Excuses::default());
        room.fires("S1");
    }

    #[test]
    fn s1_stop_that_failed_still_runs() {
        let mut room = Room::new();
        room.does(0, Op::Start, 0, Outcome::Done);
        room.does(0, Op::Stop, 0, Outcome::Failed);
        room.begin(1, Op::Start, 0, &Excuses::default());
        room.fires("S1");
    }

    #[test]
    fn s1_after_a_power_cut_is_silent() {
        let mut room = Room::new();
        room.start(0);
        room.see(&Fact::PowerLost(0));
        room.start(1);
        room.silent();
    }

    /// An excuse admits, and counts; a freeze excuses only what comes after a deadtime of silence.
    #[test]
    fn s1_excuses_are_counted_and_narrow() {
        let mut room = Room::new();
        room.start(0);
        let cut = Excuses {
            cut: true,
            ..Excuses::default()
        };
        room.begin(1, Op::Start, 0, &cut);
        room.silent();
        assert_eq!(
            room.watch
                .admitted
                .iter()
                .map(|(_, _, cause)| *cause)
                .collect::<Vec<_>>(),
            [Cause::Cut]
        );

        let mut room = Room::new();
        room.start(0);
        let early = Excuses {
            frozen: true,
            silence: Some((3000, 9500)),
            ..Excuses::default()
        };
        room.begin(1, Op::Start, 0, &early);
        room.fires("S1");
    }

    #[test]
    fn s4_start_out_of_order() {
        let mut room = Room::new();
        room.begin(0, Op::Start, 1, &Excuses::default());
        room.fires("S4");
    }

    #[test]
    fn s4_start_beside_one_that_failed() {
        let mut room = Room::new();
        room.does(0, Op::Start, 0, Outcome::Failed);
        room.begin(0, Op::Start, 1, &Excuses::default());
        room.fires("S4");
    }

    #[test]
    fn s4_stop_out_of_order() {
        let mut room = Room::new();
        room.start(0);
        room.begin(0, Op::Stop, 0, &Excuses::default());
        room.fires("S4");
    }

    fn cut(node: usize, on: bool) -> Fact {
        let (term, seen) = (10_000_000, on);
        Fact::Relay { node, on, term, seen }
    }

    #[test]
    fn s7_a_node_that_is_heard_is_cut() {
        let mut room = Room::new();
        room.see(&Fact::WitnessUp);
        room.see(&Fact::WitnessHeard(0));
        room.now += 9_000_000;
        room.see(&cut(0, false));
        room.fires("S7");
    }

    #[test]
    fn s7_both_are_cut() {
        let mut room = Room::new();
        room.see(&Fact::WitnessUp);
        room.see(&cut(0, false));
        room.silent();
        room.see(&cut(1, false));
        room.fires("S7");
    }

    #[test]
    fn s7_a_silent_node_is_cut_again_and_again() {
        let mut room = Room::new();
        room.see(&Fact::WitnessUp);
        for _ in 0..2 {
            room.see(&Fact::WitnessHeard(0));
            room.now += 11_000_000;
            room.see(&cut(0, false));
            room.see(&Fact::RelayStuck(0));
            room.see(&cut(0, true));
        }
        room.silent();
        room.see(&cut(0, false));
        room.fires("S7");
    }

    #[test]
    fn s7_a_relay_that_sticks_is_not_told() {
        let mut room = Room::new();
        room.see(&Fact::WitnessUp);
        room.see(&cut(0, false));
        room.silent();
        room.see(&cut(0, true));
        room.fires("S7");
    }

    #[test]
    fn s8_two_effects_at_once() {
        let mut room = Room::new();
        room.begin(0, Op::Start, 0, &Excuses::default());
        room.begin(0, Op::Start, 0, &Excuses::default());
        room.fires("S8");
    }

    #[test]
    fn s8_an_effect_that_ends_twice() {
        let mut room = Room::new();
        room.does(0, Op::Start, 0, Outcome::Done);
        room.end(0, Op::Start, 0, Outcome::Done);
        room.fires("S8");
    }

    #[test]
    fn s8_a_number_used_again() {
        let mut room = Room::new();
        room.does(0, Op::Start, 0, Outcome::Done);
        room.ids[0] = 0;
        room.begin(0, Op::Start, 1, &Excuses::default());
        room.fires("S8");
    }

    #[test]
    fn s8_a_step_beside_a_stuck_child() {
        let mut room = Room::new();
        room.does(0, Op::Start, 0, Outcome::Stuck);
        room.begin(0, Op::Stop, 0, &Excuses::default());
        room.fires("S8");
    }

    #[test]
    fn s8_what_is_not_under_way_is_abandoned() {
        let mut room = Room::new();
        room.see(&Fact::Abandoned(0, 7));
        room.fires("S8");
    }

    #[test]
    fn l3_answers() {
        let mut room = Room::new();
        room.see(&Fact::Asked(0, 1));
        assert_eq!(room.watch.unanswered().count(), 1);
        room.see(&Fact::Answered(0, 1));
        room.silent();
        assert_eq!(room.watch.unanswered().count(), 0);
        room.see(&Fact::Answered(0, 1));
        room.fires("L3");
    }

    #[test]
    fn pinged_again_too_soon() {
        let mut room = Room::new();
        room.watch.pinged_pause = 10_000;
        let fact = |node| Fact::Phase(node, 0, Phase::Stopping, Why::FewerPings);
        room.see(&fact(0));
        room.now += 10_000;
        room.see(&fact(1));
        room.see(&Fact::DaemonUp(1));
        room.see(&fact(0));
        room.silent();
        room.see(&fact(1));
        room.fires("L2 group 0 moves for ping nodes again");
    }

    #[test]
    fn both_yield() {
        let mut room = Room::new();
        room.see(&Fact::Phase(0, 0, Phase::Stopping, Why::EarlierTenure));
        room.silent();
        room.see(&Fact::Phase(1, 0, Phase::Stopping, Why::Slept));
        room.fires("S-50");
    }

    #[test]
    fn tenure_goes_back() {
        let mut room = Room::new();
        room.see(&Fact::Durable(0, vec![(2, 3)]));
        room.see(&Fact::Durable(0, vec![(2, 2)]));
        room.fires("S-50");
    }

    fn running() -> World {
        running_with(vec![Model::Data])
    }

    fn mirrored() -> World {
        running_with(vec![Model::Drbd, Model::Data])
    }

    fn running_with(resources: Vec<Model>) -> World {
        let setup = Setup {
            groups: vec![GroupSetup {
                preferred: 0,
                resources,
            }],
            ..Setup::default()
        };
        let mut world = World::new(setup, 1, false).unwrap();
        world.power_on(0);
        world.power_on(1);
        world.advance(10_000_000);
        assert!(world.watch.is_whole(0, 0), "it runs on its preferred node");
        world
    }

    /// S5 fires when a frame that the World calls forged is believed: here a good one, mislabelled.
    #[test]
    fn s5_a_forged_frame_that_is_believed() {
        let mut world = running();
        world.set_cut(None, 0, true);
        world.advance(13_000_000);
        let newest = world.wire.sent[0].last().unwrap().clone();
        world.inject(1, newest.link, &newest.bytes, Origin::Forged);
        world.advance(13_100_000);
        let text = world.watch.violations.join("\n");
        assert!(text.contains("S5"), "{text}");
    }

    /// S1 fires in the World, too: what runs on the second node was started behind its daemon's back.
    #[test]
    fn s1_a_start_behind_the_daemons_back() {
        let mut world = running();
        let fact = Fact::Begun {
            step: step(1, Op::Start, 0),
            id: 1000,
            effective: true,
        };
        let now = world.now;
        world.watch.see(now, &fact, &Excuses::default());
        assert!(world.watch.violations.join("\n").contains("S1"));
    }

    fn fires(world: &World, name: &str) {
        let text = world.watch.violations.join("\n");
        assert!(text.contains(name), "{text}");
    }

    #[test]
    fn s3_old_data_are_promoted() {
        let mut world = mirrored();
        // writes that nobody was told of: the mirror lied
        (world.mirrors[0].wrote[0], world.mirrors[0].wrote_at[0]) = (true, 0);
        world.power_off(0);
        world.advance(world.now + 30_000_000);
        fires(&world, "S3");
    }

    #[test]
    fn s3_what_is_written_a_moment_before_the_end_is_lost_without_fencing_and_only_then() {
        for (fencing, lost) in [(false, 1), (true, 0)] {
            let mut world = mirrored();
            world.mirrors[0].fencing = fencing;
            (world.mirrors[0].wrote[0], world.mirrors[0].wrote_at[0]) = (true, world.now);
            world.power_off(0);
            world.advance(world.now + 30_000_000);
            assert_eq!(world.old_data, lost);
            if fencing {
                fires(&world, "S3");
            } else {
                assert!(world.watch.violations.is_empty(), "{:?}", world.watch.violations);
            }
        }
    }

    #[test]
    fn s3_the_newest_data_are_silent() {
        let mut world = mirrored();
        world.power_off(0);
        world.advance(world.now + 30_000_000);
        assert!(world.watch.is_whole(1, 0) && world.watch.violations.is_empty());
    }

    /// S2: the other half said that it holds what it does not, and DRBD has no record of that.
    #[test]
    fn s2_acknowledged_writes_are_gone_after_a_takeover() {
        let mut world = mirrored();
        world.step(&Act::Pass(1_000_000));
        world.step(&Act::Off(0));
        world.mirrors[0].writes.forget(1);
        world.step(&Act::Pass(30_000_000));
        fires(&world, "S2 group 0: node 1 goes on without");
        let text = world.watch.violations.join("\n");
        assert!(!text.contains("S3"), "what DRBD knows is in order: {text}");
    }

    /// S2: a half that holds more is overwritten by a resync.
    #[test]
    fn s2_a_resync_overwrites_acknowledged_writes() {
        let mut world = mirrored();
        // node 1 has no disk for a while, then the resync goes the wrong way
        world.step(&Act::Diskless(1, 0, true));
        world.step(&Act::Pass(5_000_000));
        world.step(&Act::Diskless(1, 0, false));
        assert_eq!(world.mirrors[0].syncing, Some(1), "the right way");
        world.mirrors[0].syncing = Some(0);
        world.step(&Act::Pass(5_000_000));
        fires(&world, "S2 group 0: a resync from node 1 overwrites");
    }

    /// S2: without fencing what is written between the loss of the mirror and the next word of it is lost, and counted.
    #[test]
    fn s2_what_the_row_admits_is_counted() {
        for (fencing, lost) in [(false, 1), (true, 0)] {
            let mut world = mirrored();
            world.mirrors[0].fencing = fencing;
            world.step(&Act::Drbd(true));
            // DRBD notices after two seconds: what is written from then on is on one half, and the word of it is cut off
            world.step(&Act::Pass(1_990_000));
            world.step(&Act::Cut(None, 0, true));
            world.step(&Act::Pass(40_000));
            world.step(&Act::Off(0));
            world.step(&Act::Pass(30_000_000));
            assert_eq!(world.lost_writes, lost, "fencing {fencing}");
            assert!(world.watch.violations.is_empty(), "{:?}", world.watch.violations);
        }
    }

    #[test]
    fn s2_an_orderly_move_loses_nothing() {
        let mut world = mirrored();
        world.step(&Act::Ask(0, Command::Standby { groups: GroupSet::ALL }));
        world.step(&Act::Pass(5_000_000));
        assert!(world.watch.is_whole(1, 0) && world.watch.violations.is_empty());
        assert_eq!((world.lost_writes, world.mirrors[0].writes.lacks(1)), (0, 0));
    }

    #[test]
    fn s1_a_stop_that_lied_is_admitted_and_counted() {
        let mut room = Room::new();
        room.start(0);
        room.does(0, Op::Stop, 2, Outcome::Done);
        room.does(0, Op::Stop, 1, Outcome::Done);
        room.see(&Fact::Feigned(step(0, Op::Stop, 0)));
        room.does(0, Op::Stop, 0, Outcome::Done);
        room.begin(1, Op::Start, 0, &Excuses::default());
        room.silent();
        assert!(
            matches!(room.watch.admitted[..], [(_, 0, Cause::Lie)]),
            "{:?}",
            room.watch.admitted
        );
    }

    #[test]
    fn healing_is_silent() {
        let mut world = running();
        settle(&mut world);
        assert_eq!(world.watch.violations, Vec::<String>::new());
    }

    /// L1: nobody runs it, for no node has power.
    #[test]
    fn l1_nobody_runs_it() {
        let mut world = running();
        world.power_off(0);
        world.power_off(1);
        settle(&mut world);
        fires(&world, "L1");
    }

    /// L1 and L2: both run it in the end, for the links stay cut, and the second one starts late.
    #[test]
    fn l1_both_run_it_and_l2_it_still_moves() {
        let mut world = running();
        world.set_cut(None, 0, true);
        world.set_cut(None, 1, true);
        settle(&mut world);
        fires(&world, "L1");
        fires(&world, "L2");
    }

    /// L3: a request that is never answered.
    #[test]
    fn l3_is_told_after_healing() {
        let mut world = running();
        let now = world.now;
        world.watch.see(now, &Fact::Asked(0, 99), &Excuses::default());
        settle(&mut world);
        fires(&world, "L3");
    }

    /// L4: a restart after which something was stopped or started.
    #[test]
    fn l4_a_restart_that_bounces() {
        let mut world = running();
        world.kill_daemon(0);
        world.advance(40_000_000);
        let steps = world.watch.steps;
        nothing_bounced(&mut world, steps);
        fires(&world, "L4");
    }

    /// S1 under S-12: a watchdog that counts too slowly lets the other node start beside what a dead daemon left.
    #[test]
    fn s12_a_slow_watchdog() {
        let dies = |rate: u64| {
            let setup = Setup {
                watchdog: Some(8000),
                groups: vec![GroupSetup {
                    preferred: 0,
                    resources: vec![Model::Data],
                }],
                ..Setup::default()
            };
            let mut world = World::new(setup, 1, false).unwrap();
            world.nodes[0].watchdog.rate = rate;
            world.power_on(0);
            world.power_on(1);
            world.advance(10_000_000);
            world.kill_daemon(0);
            world.advance(40_000_000);
            world
        };
        let right = dies(1_000_000);
        assert!(right.watch.violations.is_empty() && right.watch.is_whole(1, 0));
        fires(&dies(500_000), "S1");
    }

    /// L3: a daemon that stands still answers nobody.
    #[test]
    fn l3_nobody_answers() {
        let mut world = running();
        world.ask(0, 1, Command::Standby { groups: GroupSet::ALL });
        world.power_off(1);
        world.advance(10_000_100);
        assert_eq!(world.watch.unanswered().count(), 1);
    }
}
