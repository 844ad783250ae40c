//! What the board costs: bytes of its lines, memory, and the longest pass of its loop. `.ci/run board` compares the lines
//! `board NAME VALUE` with `hw/budget.txt`.

use ovzha_board_logic::provision::Hand;
use ovzha_board_logic::service::Order;

use crate::bed::{Bed, SECRET, provision};
use crate::node::Times;
use crate::pair::Pair;

const SECONDS: u64 = 30;
/// 19,200 baud, ten bits a byte, in both directions at once.
const LINE: u64 = 1_920;

#[test]
#[expect(clippy::print_stdout, reason = "the numbers are read by .ci/board.sh")]
fn what_it_costs_at_a_keepalive_of_100_ms() {
    let mut bed = Bed::new(Hand::InPlace, Times::FAST);
    bed.until(30_000, "the first node becomes active", |bed| {
        bed.active() == [true, false]
    });
    bed.run(14_000);
    let (sent, said, before, overruns) = (bed.board.sent, bed.said, bed.status(), bed.board.overruns);
    bed.run(SECONDS * 1_000);
    let after = bed.status();
    let mut worst = 0;
    for line in 0..2 {
        let out = (bed.board.sent[line] - sent[line]) / SECONDS;
        let into = (bed.said[line] - said[line]) / SECONDS;
        println!("board line-{line}-out {out} bytes/s, {} %", out * 100 / LINE);
        println!("board line-{line}-in {into} bytes/s, {} %", into * 100 / LINE);
        let (was, is) = (before.lines[line], after.lines[line]);
        println!(
            "  forwarded {} words {} dropped {} noise {}",
            is.forwarded - was.forwarded,
            is.words - was.words,
            is.dropped - was.dropped,
            is.noise - was.noise
        );
        assert_eq!(is.noise, was.noise, "frames pass intact");
        worst = worst.max(out).max(into);
    }
    assert_eq!(bed.board.overruns, overruns, "no byte is lost");
    assert_eq!(bed.active(), [true, false]);
    println!("board line-worst {worst}");
    assert!(
        worst <= LINE * 60 / 100,
        "{worst} bytes/s are more than 60 % of the line"
    );
    // a cut and a new record, for the deepest stack
    bed.nodes[0].freeze();
    bed.until(20_000, "the takeover", |bed| bed.active() == [false, true]);
    let pass_us = bed.status().pass_us;
    println!("board pass-us {pass_us}");
    bed.run(6_000);
    let record = provision(Hand::Beside, SECRET);
    bed.order(1, SECRET, Order::Provision(&record));
    bed.run(1_000);
    let [stack, statics, _] = bed.board.stack();
    println!("board stack {stack}");
    println!("board statics {statics}");
    println!("board ram {}", stack + statics);
}
