//! A choice, and the one door through which each of them changes the World: [`World::step`].
//!
//! A driver makes choices and reads; nothing else of it touches the World. Between two choices nothing happens: time
//! passes by [`Act::Pass`], or one event at a time by [`Act::Next`].

use ovzha_core::config::Config;
use ovzha_core::event::Command;
use ovzha_core::output::Op;

use crate::node::{Freeze, Input, Script, op_number};
use crate::stonith::Agent;
use crate::wire::Origin;
use crate::world::World;

/// A freeze without an end of its own.
pub const UNTIL_THAWED: u64 = u64::MAX;

/// What becomes of a state directory while its daemon is away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// It can't be read.
    Damaged,
    /// It is gone.
    Gone,
    /// What it held this many writes ago is put back.
    Older(usize),
}

/// One choice. Nodes are 0 and 1, times in microseconds, chances per mille.
#[derive(Clone, Debug)]
pub enum Act {
    /// So much time passes, and everything that is due in it happens.
    Pass(u64),
    /// The next thing that is due happens.
    Next,
    /// A node loses power.
    Off(usize),
    /// It gets it back.
    On(usize),
    /// Its daemon dies.
    Kill(usize),
    /// Its supervisor starts it.
    Revive(usize),
    /// It stands still for so long, or [`UNTIL_THAWED`].
    Freeze(usize, Freeze, u64),
    /// It moves again.
    Thaw(usize),
    /// Its clock runs so many parts of a million in a million from now on.
    Drift(usize, u64),
    /// A way of a link (of all) is cut or mended.
    Cut(Option<usize>, usize, bool),
    /// A link's device on a node is there, or is not.
    Device(usize, u8, bool),
    /// A node loses everything together, or gets it back.
    Isolate(usize, bool),
    /// The witness gets power or loses it.
    WitnessPower(bool),
    /// The relay of a node's power sticks, or moves again.
    RelayStuck(usize, bool),
    /// The witness's input for a node's power sees no loss of it, or does again.
    SenseBlind(usize, bool),
    /// What a node's fence agent does from now on.
    Agent(usize, Agent),
    /// A person at the machine of the other node says to this one that it is off, if it is.
    ConfirmFenced(usize),
    /// The way between a node and the witness.
    WitnessCut(usize, bool),
    /// DRBD's path is cut or mended.
    Drbd(bool),
    /// The path of one group's DRBD alone.
    Path(usize, bool),
    /// Chances of loss, copies, damage, and the longest delay, on every way.
    Weather(u64, u64, u64, u64),
    /// Chance of a frame that is late by up to so much, on every way.
    Stray(u64, u64),
    /// Everything from this node takes so much longer.
    Slow(usize, u64),
    /// The newest so many frames of a node are played to a node again.
    Replay(usize, usize, usize),
    /// Old frames of a node are played to a node again: from that per mille of all it ever sent, so many, over a link
    /// of the attacker's choice.
    Recall(usize, usize, u64, usize, Option<u8>),
    /// Garbage.
    Noise(usize),
    /// These bytes arrive at a node over its first link.
    Bytes(usize, Vec<u8>),
    /// Another machine that has the key uses the node's name in so many frames.
    Impostor(usize, u32),
    /// What an operation's next calls bring.
    Script(usize, usize, u8, Op, Script),
    /// Its next calls bring what is true.
    Unscript(usize, usize, u8, Op),
    /// The next call of an operation says that it is done, and nothing was done.
    Feign(usize, usize, u8, Op),
    /// A resource of a group ends by itself, or in part.
    Die(usize, usize, u8, bool),
    /// A half of a mirror loses its disk, or gets it back.
    Diskless(usize, usize, bool),
    /// I/O of a half waits, or goes on.
    Suspend(usize, usize, bool),
    /// Stuck children are gone.
    Unstick(usize),
    /// A person ends what stops that lied have left running.
    Reap(usize),
    /// A request.
    Ask(usize, Command),
    /// The disk of the state directory fails, or is well.
    Disk(usize, bool),
    /// A write to it takes so long.
    DiskTakes(usize, u64),
    /// What its next daemon finds there.
    Lose(usize, Loss),
    /// Ping nodes answer, or don't.
    Pings(usize, bool),
    /// The files of its next daemon.
    Config(usize, Box<Config>),
    /// `authkeys`, for its next daemon and as by SIGHUP.
    Key(usize, String),
    /// The program is replaced: its next daemon speaks this protocol version at most.
    Speak(usize, u8),
    /// Its frames go out as an invented later version would send them.
    Newer(usize, bool),
    /// Its host tells the daemon what is not so; bugs that are found then are no violation.
    Lie(usize, Input),
    /// A person ends every DRBD split brain.
    Resolve,
}

impl World {
    /// Makes one choice.
    #[expect(clippy::too_many_lines, reason = "one line or two a choice")]
    pub fn step(&mut self, act: &Act) {
        self.struck += u64::from(self.is_struck_by(act));
        match act {
            Act::Pass(span) => self.advance(self.now + span),
            Act::Next => {
                self.happen_next();
            }
            Act::Off(node) => self.power_off(*node),
            Act::On(node) => self.power_on(*node),
            Act::Kill(node) => self.kill_daemon(*node),
            Act::Revive(node) => self.start_daemon(*node),
            Act::Freeze(node, kind, takes) => self.freeze(*node, *kind, (*takes != UNTIL_THAWED).then_some(*takes)),
            Act::Thaw(node) => self.thaw(*node),
            Act::Drift(node, rate) => self.drift(*node, *rate),
            Act::Cut(link, from, cut) => self.set_cut(*link, *from, *cut),
            Act::Device(node, link, there) => self.set_device(*node, *link, *there),
            Act::WitnessPower(on) => self.power_witness(*on),
            Act::RelayStuck(node, stuck) => self.set_relay_stuck(*node, *stuck),
            Act::SenseBlind(node, blind) => self.set_sense_blind(*node, *blind),
            Act::Agent(node, agent) => self.agents.of[*node] = *agent,
            Act::ConfirmFenced(node) => self.confirm_fenced(*node),
            Act::WitnessCut(node, cut) => self.witness.cut[*node] = *cut,
            Act::Isolate(node, isolated) => self.set_isolated(*node, *isolated),
            Act::Drbd(cut) => self.set_drbd_cut(*cut),
            Act::Path(group, cut) => self.set_path_cut(*group, *cut),
            Act::Weather(loss, twice, damage, delay) => {
                for way in self.wire.ways.iter_mut().flatten() {
                    (way.loss, way.twice, way.damage) = (*loss, *twice, *damage);
                    way.delay = (300, (*delay).max(900));
                }
            }
            Act::Stray(chance, by) => {
                for way in self.wire.ways.iter_mut().flatten() {
                    way.stray = (*chance, *by);
                }
            }
            Act::Slow(node, by) => self.set_slow(*node, *by),
            Act::Replay(from, to, last) => self.replay(*from, *to, *last),
            Act::Recall(from, to, place, count, link) => self.recall(*from, *to, *place, *count, *link),
            Act::Noise(node) => {
                for length in [0_usize, 1, 30, 46, 254, 300] {
                    self.inject(*node, 0, &vec![0xf7; length], Origin::Forged);
                }
            }
            Act::Bytes(node, bytes) => self.inject(*node, 0, bytes, Origin::Forged),
            Act::Impostor(node, frames) => self.impostor(u8::from(*node == 1), *node, *frames),
            Act::Script(node, group, resource, op, script) => {
                let key = (*group, *resource, op_number(*op));
                self.nodes[*node].scripts.insert(key, *script);
                self.nodes[*node].unused.insert(key);
            }
            Act::Unscript(node, group, resource, op) => {
                let key = (*group, *resource, op_number(*op));
                self.nodes[*node].scripts.remove(&key);
                self.nodes[*node].feigns.remove(&key);
            }
            Act::Feign(node, group, resource, op) => {
                let key = (*group, *resource, op_number(*op));
                self.nodes[*node].feigns.insert(key);
            }
            Act::Die(node, group, resource, part) => self.dies(*node, *group, *resource, *part),
            Act::Diskless(node, group, lost) => self.set_diskless(*node, *group, *lost),
            Act::Suspend(node, group, on) => self.suspend(*node, *group, *on),
            Act::Unstick(node) => self.unstick(*node),
            Act::Reap(node) => self.reap(*node),
            Act::Ask(node, command) => {
                self.clients += 1;
                self.is_told_off(*node, command);
                self.ask(*node, self.clients, command.clone());
            }
            Act::Disk(node, well) => self.nodes[*node].disk_fails = !well,
            Act::DiskTakes(node, takes) => self.nodes[*node].disk_takes = *takes,
            Act::Lose(node, loss) => self.lose(*node, *loss),
            Act::Pings(node, answer) => self.nodes[*node].pings = *answer,
            Act::Config(node, config) => self.nodes[*node].config = Config::clone(config),
            Act::Key(node, text) => self.rekey(*node, text),
            Act::Speak(node, version) => self.speak(*node, *version),
            Act::Newer(node, newer) => self.speak_newer(*node, *newer),
            Act::Lie(node, input) => {
                self.lying = true;
                self.give(*node, input.clone());
            }
            Act::Resolve => self.resolve_split_brains(),
        }
    }
}
