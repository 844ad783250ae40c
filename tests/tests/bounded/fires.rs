//! Each check fires: the machine room does behind the daemons' backs what they never do.

use ovzha_core::id::{EffectId, GroupId};
use ovzha_core::message::Phase;
use ovzha_core::notice::Notice;
use ovzha_core::output::{Effect, Op};

use crate::machine::{RESOURCES, Truth};
use crate::model::Model;
use crate::rows::ROWS;
use crate::search::{heals, start};
use ovzha_core::decide::Why;

fn effect(id: u32, resource: u8, op: Op) -> Effect {
    Effect {
        id: EffectId(id),
        group: GroupId(0),
        resource,
        op,
    }
}

fn names(model: &Model) -> Vec<&'static str> {
    model.violations.iter().map(|violation| violation.name).collect()
}

#[test]
fn s1_and_l1_the_standby_starts_it_too() {
    let mut model = start(&ROWS[0]);
    assert!(heals(&model));
    model.begin(1, effect(900, 0, Op::Start));
    assert_eq!(names(&model), ["S1"]);
    model.nodes[1].truth = [Truth::On; RESOURCES];
    assert!(!heals(&model));
}

#[test]
fn l1_nobody_runs_it() {
    let mut model = start(&ROWS[0]);
    model.nodes[0].truth = [Truth::Off; RESOURCES];
    assert!(!heals(&model));
}

#[test]
fn s4_a_start_and_a_stop_out_of_order() {
    let mut model = start(&ROWS[0]);
    model.begin(0, effect(900, 0, Op::Stop));
    assert_eq!(names(&model), ["S4"]);
    model.power_off(0);
    model.begin(1, effect(900, 1, Op::Start));
    assert_eq!(names(&model), ["S4", "S4"]);
}

#[test]
fn s8_two_effects_at_once_and_a_number_used_twice() {
    let mut model = start(&ROWS[0]);
    model.begin(0, effect(900, 1, Op::Stop));
    model.begin(0, effect(901, 1, Op::Stop));
    assert_eq!(names(&model), ["S8"]);
    model.nodes[0].tasks.clear();
    model.begin(0, effect(901, 1, Op::Stop));
    assert_eq!(names(&model), ["S8", "S8"]);
}

#[test]
fn s50_both_yield() {
    let mut model = start(&ROWS[0]);
    for node in 0..2 {
        let (group, phase, why) = (GroupId(0), Phase::Stopping, Why::Slept);
        model.notice(node, &Notice::Phase { group, phase, why });
    }
    assert_eq!(names(&model), ["S-50"]);
}
