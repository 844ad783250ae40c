//! The core's effects as children of the daemon, and their ends as the core's events.
//!
//! One child each: our own program in its agent mode. What a former life of the daemon left running is waited for
//! before anything is begun: two of them at one resource would be one too many.

use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use ovzha_core::data::Seen;
use ovzha_core::event::Outcome;
use ovzha_core::id::{EffectId, GroupId};
use ovzha_core::output::{Effect, Op};
use ovzha_core::time::{Instant, Span};

use crate::agent;
use crate::authkeys::AuthKeys;
use crate::config::{Config, Group};
use crate::drbd::{Order, State, for_core};
use crate::effect::{Work, limit, outcome, work};
use crate::environment;
use crate::haresources::Resource;
use crate::label::{group_of, label};
use crate::owner::Owner;
use crate::record::keep;
use crate::stonith;
use crate::sys::{CoreLimit, Pid};
use crate::task::{self, Exit, How, Spec, TaskId, Tasks};
use crate::validate::Handover;
use crate::watcher::{Said, Watchers};

/// Between TERM and KILL, and between KILL and giving a child up.
const GRACE: Span = Span::from_secs(5);
/// The same for a look: it changes nothing, and a stop may be waiting for its end.
const GRACE_LOOK: Span = Span::from_secs(2);
/// A child that only looks or writes a small file.
const BRIEF: Span = Span::from_secs(60);
/// An order to DRBD: it may take until DRBD has noticed that its peer is gone (10.5 s).
const ORDER: Span = Span::from_secs(20);
/// How often DRBD of a group is looked at.
pub const OBSERVE: Span = Span::from_secs(10);
/// How soon when a look is still under way.
const OBSERVE_AGAIN: Span = Span::from_secs(1);

/// What a child is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Job {
    Effect(Effect),
    Store(u32),
    /// A look at DRBD, and when it began.
    Observe(GroupId, Instant),
    Bug,
    Keep,
    Validate,
    /// A shot at the other node's power.
    Shot(EffectId),
    /// Left by a former life; of that group, or nobody knows of which.
    Former(Option<GroupId>),
}

/// What a child's end means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// An effect.
    Effect(Effect, Outcome, String),
    /// A shot at the other node's power.
    Shot(EffectId, Outcome, String),
    /// The durable state of this version was written, or why not.
    Stored(u32, Result<(), String>),
    /// A bug could not be recorded, and why.
    Unrecorded(String),
    /// The record was copied to the disk, or why not.
    Kept(Result<(), String>),
    /// DRBD of a group was seen.
    Observed(GroupId, Seen),
    /// Something else of the child that watches it, for the log.
    Watch(GroupId, Said),
    /// The configuration was looked at again: its problems, whether it is good, and its keys.
    Validated(bool, String, Option<AuthKeys>),
    /// A child that could not be killed is gone, of this resource.
    Unstuck(GroupId, u8),
    /// A child of a former life is gone.
    Former(String),
}

/// All children.
#[derive(Debug)]
pub struct Children {
    tasks: Tasks,
    jobs: Vec<(TaskId, Job)>,
    /// Effects that wait for children of a former life.
    waiting: Vec<Effect>,
    /// Ends of children that could not even be begun.
    stillborn: Vec<Ended>,
    state_dir: PathBuf,
    /// Whose state lies there.
    owner: Owner,
    config_dir: PathBuf,
    /// What the child that validates hands over apart from its output.
    handover: Option<Handover>,
    next_observe: Instant,
    /// Every group's DRBD is to be looked at, the watched ones too.
    look_at_all: bool,
    watchers: Watchers,
}

impl Children {
    /// No children; those of a former life are taken over from `running`, the file it kept.
    #[must_use]
    pub fn new(
        now: Instant,
        config: &Config,
        (state_dir, config_dir): (PathBuf, PathBuf),
        limit: Option<CoreLimit>,
        running: &[u8],
    ) -> Self {
        let mut tasks = Tasks::new(limit);
        let mut jobs = Vec::with_capacity(task::TASKS_MAX);
        for former in task::parse_running(running)
            .into_iter()
            .filter(task::Running::still_alive)
        {
            let group = group_of(&config.groups, &former.label);
            let look = former.label.starts_with(agent::Op::Monitor.word());
            let copy = former.label == keep::WORD;
            // what it has seen nobody is told: the next one begins anew
            let shot = former.label.starts_with(stonith::WORD);
            if let Ok(id) = tasks.adopt(now, former) {
                if look || copy || shot {
                    // nobody wants to know any more, and the first probe waits for it; of a copy the next is newer
                    tasks.abandon(now, id);
                }
                jobs.push((id, if copy { Job::Keep } else { Job::Former(group) }));
            }
        }
        let (waiting, stillborn) = (Vec::with_capacity(task::TASKS_MAX), Vec::new());
        Self {
            tasks,
            jobs,
            waiting,
            stillborn,
            state_dir,
            owner: Owner::of(config),
            config_dir,
            handover: None,
            next_observe: now,
            look_at_all: true,
            watchers: Watchers::new(now, watched(&config.groups), limit),
        }
    }

    /// How many children of a former life are waited for.
    #[must_use]
    pub fn former(&self) -> usize {
        let former = |(_, job): &&(TaskId, Job)| matches!(job, Job::Former(_));
        self.jobs.iter().filter(former).count()
    }

    /// Whether a child of a former life may still be at work on this group.
    fn is_awaited(&self, group: GroupId) -> bool {
        let at_work = |job: &Job| matches!(job, Job::Former(of) if of.is_none_or(|of| of == group));
        self.jobs.iter().any(|(_, job)| at_work(job))
    }

    /// When `tick` has something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        if self.stillborn.is_empty() {
            let wakes = [self.tasks.next_wake(), self.watchers.next_wake()];
            wakes.into_iter().flatten().min()
        } else {
            Some(Instant::default())
        }
    }

    /// When DRBD is to be looked at again.
    #[must_use]
    pub const fn next_observe(&self) -> Instant {
        self.next_observe
    }

    /// DRBD may have changed: look with the next round.
    pub const fn observe_soon(&mut self, now: Instant) {
        self.next_observe = now;
        self.look_at_all = true;
    }

    /// The pipes of those that watch DRBD.
    pub fn fds(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.watchers.fds()
    }

    /// Before this process becomes another program: ends those that no next life takes over.
    pub fn stop_watching(&mut self, now: Instant) {
        self.watchers.stop(now);
    }

    /// After SIGCHLD.
    pub fn reap(&mut self) {
        self.tasks.reap();
    }

    /// Whether it is one of these.
    #[must_use]
    pub fn knows(&self, pid: Pid) -> bool {
        self.tasks.has(pid) || self.watchers.has(pid)
    }

    /// Deadlines and outputs.
    pub fn tick(&mut self, now: Instant) {
        self.tasks.tick(now);
        self.watchers.tick(now);
    }

    /// What to write to the file that the next life reads, if it changed.
    pub fn changed(&mut self) -> Option<String> {
        self.tasks.take_changed().then(|| self.tasks.render_running())
    }

    /// The same in any case.
    #[must_use]
    pub fn render(&self) -> String {
        self.tasks.render_running()
    }

    /// Begins an effect, now or as soon as the former life's children are gone.
    pub fn start(&mut self, now: Instant, config: &Config, effect: Effect) {
        if self.is_awaited(effect.group) {
            self.waiting.push(effect);
            return;
        }
        self.begin(now, config, effect);
    }

    /// Ends a start before it begins: this node can't run it now.
    pub fn refuse(&mut self, effect: Effect, why: String) {
        self.stillborn.push(Ended::Effect(effect, Outcome::Unfit, why));
    }

    fn begin(&mut self, now: Instant, config: &Config, effect: Effect) {
        let found = config.groups.get(usize::from(effect.group.0));
        let resource = found.and_then(|group| group.resources.get(usize::from(effect.resource)));
        let (Some(group), Some(resource)) = (found, resource) else {
            return;
        };
        let begun = match work(effect.op) {
            Work::Agent(op) => {
                let limit = limit(config, resource, op);
                self.agent(now, config, group, resource, op, limit, Job::Effect(effect))
            }
            Work::Drbd(order) => self.order(now, group, resource, order, effect),
        };
        if let Err(why) = begun {
            // that we can't look says nothing of what we would have seen
            let outcome = if effect.op == Op::Monitor {
                Outcome::Blocked
            } else {
                Outcome::Failed
            };
            self.stillborn.push(Ended::Effect(effect, outcome, why));
        }
    }

    /// An order to DRBD beside the steps of a group.
    fn order(
        &mut self,
        now: Instant,
        group: &Group,
        resource: &Resource,
        order: Order,
        effect: Effect,
    ) -> Result<(), String> {
        let seconds = ORDER.as_millis().div_ceil(1000).to_string();
        let mut argv = vec!["ovzha", "agent", order.word(), "--timeout", &seconds];
        argv.extend(resource.args.iter().map(String::as_str));
        let label = format!("{} {} of {}", order.word(), resource.name, group.name());
        self.spawn(now, &argv, &[], None, ORDER, &label, Job::Effect(effect))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a child is all of this; a struct would only rename it"
    )]
    fn agent(
        &mut self,
        now: Instant,
        config: &Config,
        group: &Group,
        resource: &Resource,
        op: agent::Op,
        limit: Span,
        job: Job,
    ) -> Result<(), String> {
        let seconds = limit.as_millis().div_ceil(1000).to_string();
        let mut argv = vec!["ovzha", "agent", op.word(), "--timeout", &seconds, &resource.name];
        argv.extend(resource.args.iter().map(String::as_str));
        let mut env = environment::of_scripts(config, &self.config_dir);
        let mount = group.resources.iter().find(|resource| resource.name == "Filesystem");
        if let Some(mount) = mount.and_then(|resource| resource.args.get(1)) {
            env.push(format!("HA_OVZHA_MOUNT={mount}"));
        }
        env.push(format!("HA_OVZHA_STATE={}", self.state_dir.display()));
        let label = label(op, resource, group);
        self.spawn(now, &argv, &env, None, limit, &label, job)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a child is all of this; a struct would only rename it"
    )]
    fn spawn(
        &mut self,
        now: Instant,
        argv: &[&str],
        env: &[String],
        stdin: Option<&[u8]>,
        limit: Span,
        label: &str,
        job: Job,
    ) -> Result<(), String> {
        let validates = job == Job::Validate;
        let spec = Spec {
            program: task::SELF,
            argv,
            env,
            stdin,
            file: self.handover.as_ref().filter(|_| validates).map(Handover::fd),
            ends_with_us: false,
            deadline: now.after(limit),
            grace: if matches!(job, Job::Effect(effect) if effect.op == Op::Monitor) {
                GRACE_LOOK
            } else {
                GRACE
            },
            label,
        };
        let id = self.tasks.spawn(now, &spec).map_err(|error| error.to_string())?;
        self.jobs.push((id, job));
        Ok(())
    }

    /// Kills an effect's child, or takes the effect back if it was not begun.
    pub fn abandon(&mut self, now: Instant, id: EffectId) {
        if let Some(place) = self.waiting.iter().position(|effect| effect.id == id) {
            let effect = self.waiting.swap_remove(place);
            let why = "given up before it began".to_owned();
            self.stillborn.push(Ended::Effect(effect, Outcome::Failed, why));
        }
        let wanted = |job: &Job| matches!(job, Job::Effect(effect) if effect.id == id);
        if let Some((task, _)) = self.jobs.iter().find(|(_, job)| wanted(job)) {
            self.tasks.abandon(now, *task);
        }
    }

    /// Cuts the other node's power, and sees that it is off.
    pub fn shoot(&mut self, now: Instant, config: &Config, id: EffectId) {
        let label = format!("{} {}", stonith::WORD, config.peer_node());
        let limit = config.settings.fence_timeout();
        let seconds = limit.as_millis().div_ceil(1000).to_string();
        let argv = [
            "ovzha",
            "agent",
            stonith::WORD,
            "--timeout",
            &seconds,
            config.peer_node(),
        ];
        let busy = self.jobs.iter().any(|(_, job)| matches!(job, Job::Shot(_)));
        let begun = match config.settings.fence_agent(config.own_node()) {
            Some(_) if busy => Err("the agent that was called before can't be killed".to_owned()),
            Some(agent) => {
                let input = stonith::input(agent);
                self.spawn(now, &argv, &[], Some(input.as_bytes()), limit, &label, Job::Shot(id))
            }
            None => Err("there is no fence agent".to_owned()),
        };
        if let Err(why) = begun {
            self.stillborn.push(Ended::Shot(id, Outcome::Failed, why));
        }
    }

    /// Writes the durable state.
    pub fn store(&mut self, now: Instant, version: u32, bytes: &[u8]) {
        let dir = self.state_dir.to_string_lossy().into_owned();
        let Owner { node, peer } = self.owner.clone();
        let argv = ["ovzha", "agent", "store", "--state-dir", &dir, "--owner", &node, &peer];
        if let Err(why) = self.spawn(now, &argv, &[], Some(bytes), BRIEF, "store", Job::Store(version)) {
            self.stillborn.push(Ended::Stored(version, Err(why)));
        }
    }

    /// Records a bug of our own where it survives.
    pub fn record(&mut self, now: Instant, text: &str) {
        let dir = self.state_dir.to_string_lossy().into_owned();
        let argv = ["ovzha", "agent", "bug", "--state-dir", &dir, text];
        if let Err(why) = self.spawn(now, &argv, &[], None, BRIEF, "bug", Job::Bug) {
            self.stillborn.push(Ended::Unrecorded(why));
        }
    }

    /// Copies the record to the disk; what comes of it is answered even if it could not be begun.
    pub fn keep_record(&mut self, now: Instant, run_dir: &Path) {
        let (from, to) = (run_dir.to_string_lossy(), self.state_dir.to_string_lossy().into_owned());
        let argv = ["ovzha", "agent", keep::WORD, &from, &to];
        let busy = self.jobs.iter().any(|(_, job)| *job == Job::Keep);
        let begun = if busy {
            Err("the copy before has not ended".to_owned())
        } else {
            self.spawn(now, &argv, &[], None, BRIEF, keep::WORD, Job::Keep)
        };
        if let Err(why) = begun {
            self.stillborn.push(Ended::Kept(Err(why)));
        }
    }

    /// Looks at DRBD of every group that has one and isn't watched, if it is time; at all of them after something that may
    /// have changed them.
    pub fn observe(&mut self, now: Instant, config: &Config) {
        if now < self.next_observe {
            return;
        }
        self.next_observe = now.after(OBSERVE);
        let all = std::mem::take(&mut self.look_at_all);
        for (index, group) in (0_u8..).zip(&config.groups) {
            let job = Job::Observe(GroupId(index), now);
            let looks = |job: &Job| matches!(job, Job::Observe(group, _) if *group == GroupId(index));
            if !all && self.watchers.is_watched(GroupId(index)) {
                continue;
            }
            let busy = self.is_awaited(GroupId(index)) || self.jobs.iter().any(|(_, other)| looks(other));
            if busy {
                // that look began before whatever made another one due
                self.next_observe = now.after(OBSERVE_AGAIN);
                self.look_at_all = all;
            }
            if let Some(resource) = drbd_of(group).filter(|_| !busy) {
                // what could not be begun is tried again with the next look
                drop(self.agent(now, config, group, &resource, agent::Op::Observe, BRIEF, job));
            }
        }
    }

    /// Has the files looked at again by a child; false if one is at it already.
    pub fn validate(&mut self, now: Instant, node: &str, program: &Path) -> bool {
        if self.jobs.iter().any(|(_, job)| *job == Job::Validate) {
            return false;
        }
        let dir = self.config_dir.to_string_lossy().into_owned();
        let program = program.to_string_lossy();
        let state_dir = self.state_dir.to_string_lossy().into_owned();
        let argv = ["ovzha", "agent", "validate", &dir, node, &program, &state_dir];
        let begun = Handover::new().map_err(|error| error.to_string()).and_then(|place| {
            self.handover = Some(place);
            self.spawn(now, &argv, &[], None, BRIEF, "validate", Job::Validate)
        });
        if let Err(why) = begun {
            self.stillborn.push(Ended::Validated(false, why, None));
        }
        true
    }

    /// The next end of a child.
    pub fn ended(&mut self, now: Instant, config: &Config) -> Option<Ended> {
        if let Some(ended) = self.stillborn.pop() {
            return Some(ended);
        }
        while let Some(event) = self.tasks.event(now) {
            let ended = match event {
                task::Event::Exit(exit) => self.exited(exit),
                task::Event::Unstuck { id, .. } => self.take(id, false).and_then(|job| match job {
                    Job::Effect(effect) => Some(Ended::Unstuck(effect.group, effect.resource)),
                    Job::Store(_)
                    | Job::Bug
                    | Job::Keep
                    | Job::Observe(..)
                    | Job::Validate
                    | Job::Shot(_)
                    | Job::Former(_) => None,
                }),
            };
            for effect in std::mem::take(&mut self.waiting) {
                self.start(now, config, effect);
            }
            if ended.is_some() {
                return ended;
            }
        }
        self.watchers.said(now).map(|(group, said)| match said {
            Said::State(state) => Ended::Observed(group, for_core(&state)),
            Said::Told(_) | Said::Failed(_) | Said::Ended(_) => Ended::Watch(group, said),
        })
    }

    fn take(&mut self, id: TaskId, keep: bool) -> Option<Job> {
        let place = self.jobs.iter().position(|(task, _)| *task == id)?;
        let job = self.jobs.get(place).map(|(_, job)| *job);
        if !keep {
            self.jobs.swap_remove(place);
        }
        job
    }

    fn exited(&mut self, exit: Exit) -> Option<Ended> {
        // a stuck child keeps its job until it is gone
        let job = self.take(exit.id, exit.how == How::Stuck)?;
        match job {
            Job::Effect(effect) => Some(Ended::Effect(effect, outcome(exit.how), exit.last_line)),
            Job::Shot(id) => Some(Ended::Shot(id, outcome(exit.how), exit.last_line)),
            Job::Store(version) => Some(Ended::Stored(version, exit.done())),
            Job::Keep => Some(Ended::Kept(exit.done())),
            // what was seen before the watching child's last word is old news
            Job::Observe(group, begun) if self.watchers.told_since(group, begun) => None,
            Job::Observe(group, _) => observed(&exit).map(|state| {
                let state = self.watchers.complete(group, state);
                Ended::Observed(group, for_core(&state))
            }),
            Job::Bug => (exit.how != How::Code(0)).then_some(Ended::Unrecorded(exit.last_line)),
            Job::Validate => {
                let keys = self.handover.take().and_then(Handover::keys);
                Some(Ended::Validated(exit.how == How::Code(0), exit.tail, keys))
            }
            Job::Former(_) => Some(Ended::Former(exit.label)),
        }
    }
}

impl Exit {
    /// Whether all went well, or the last word of it.
    fn done(self) -> Result<(), String> {
        if self.how == How::Code(0) {
            Ok(())
        } else {
            Err(self.last_line)
        }
    }
}

/// All DRBD resources of a group as one to be observed: a group is no better off than its worst.
fn drbd_of(group: &Group) -> Option<Resource> {
    let is_drbd = |resource: &&Resource| matches!(resource.name.as_str(), "datadisk" | "drbddisk");
    let mut drbd = group.resources.iter().filter(is_drbd);
    let mut all = drbd.next()?.clone();
    all.args.extend(drbd.flat_map(|resource| resource.args.iter().cloned()));
    Some(all)
}

/// The groups that have DRBD, with its resources.
fn watched(groups: &[Group]) -> Vec<(GroupId, Vec<String>)> {
    let numbered = (0_u8..).zip(groups);
    numbered
        .filter_map(|(index, group)| Some((GroupId(index), drbd_of(group)?.args)))
        .collect()
}

/// The line `observe` printed, among the reasons on the same output.
fn observed(exit: &Exit) -> Option<State> {
    exit.tail.lines().find_map(|line| State::parse_observed(line).ok())
}
