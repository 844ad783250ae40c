//! Children that nobody waits for: mails, hooks.
//!
//! Nothing the cluster decides depends on them. One runs at a time for each label (so a hook never runs beside itself,
//! and a mail server that hangs holds up mails only); the others queue, and when the queue is full the newest is
//! dropped and counted. Each has a deadline, after which its whole group is ended (`task`). What runs survives the
//! daemon; the next life takes it over.

use std::collections::VecDeque;

use ovzha_core::time::{Instant, Span};

use crate::line::{AsideLine, ErrandFate};
use crate::sys::{CoreLimit, Ended, Pid};
use crate::task::{self, Event, Exit, How, Spec, TaskId, Tasks};

/// The most that may wait.
pub const QUEUE_MAX: usize = 32;
/// Between TERM and KILL.
const GRACE: Span = Span::from_secs(5);
/// How often drops are told.
const TELL: Span = Span::from_secs(60);

/// One errand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Errand {
    /// What it is; one of a label runs at a time.
    pub label: String,
    /// The words of our own program, its name first.
    pub argv: Vec<String>,
    /// Environment beside the base.
    pub env: Vec<String>,
    /// Its standard input.
    pub stdin: Option<String>,
    /// How long it may take.
    pub limit: Span,
}

/// All of them.
#[derive(Debug)]
pub struct Errands {
    tasks: Tasks,
    running: Vec<(TaskId, String)>,
    queue: VecDeque<Errand>,
    dropped: u32,
    told: Option<Instant>,
}

impl Errands {
    /// None waiting; those that a former life left in `kept` are taken over.
    #[must_use]
    pub fn new(now: Instant, limit: Option<CoreLimit>, kept: &[u8]) -> Self {
        let mut tasks = Tasks::new(limit);
        let mut running = Vec::new();
        for former in task::parse_running(kept) {
            let label = former.label.clone();
            if former.still_alive()
                && let Ok(id) = tasks.adopt(now, former)
            {
                running.push((id, label));
            }
        }
        Self {
            tasks,
            running,
            queue: VecDeque::with_capacity(QUEUE_MAX),
            dropped: 0,
            told: None,
        }
    }

    /// Queues one; it begins at the next `tick`.
    pub fn push(&mut self, errand: Errand) {
        if self.queue.len() < QUEUE_MAX {
            self.queue.push_back(errand);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Whether one of this label waits or runs.
    #[must_use]
    pub fn has(&self, label: &str) -> bool {
        self.is_running(label) || self.queue.iter().any(|errand| errand.label == label)
    }

    /// Whether `pid` is one that runs.
    #[must_use]
    pub fn knows(&self, pid: Pid) -> bool {
        self.tasks.has(pid)
    }

    fn is_running(&self, label: &str) -> bool {
        self.running.iter().any(|(_, running)| running == label)
    }

    /// When `tick` is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let waits = self.queue.iter().any(|errand| !self.is_running(&errand.label));
        let tell = (self.dropped > 0).then(|| self.tell_at());
        let start = waits.then(Instant::default);
        [self.tasks.next_wake(), tell, start].into_iter().flatten().min()
    }

    fn tell_at(&self) -> Instant {
        self.told.map_or_else(Instant::default, |told| told.after(TELL))
    }

    /// After SIGCHLD.
    pub fn reap(&mut self) {
        self.tasks.reap();
    }

    /// Begins what can begin, ends what is late. Answers what is to be logged.
    pub fn tick(&mut self, now: Instant) -> Vec<AsideLine> {
        let mut lines = Vec::new();
        self.tasks.tick(now);
        while let Some(event) = self.tasks.event(now) {
            let id = match &event {
                Event::Exit(exit) => exit.id,
                Event::Unstuck { id, .. } => *id,
            };
            match event {
                Event::Exit(exit) => {
                    lines.extend(said(&exit));
                    // a stuck one keeps its label until it is gone
                    if exit.how == How::Stuck {
                        continue;
                    }
                }
                Event::Unstuck { label, .. } => {
                    lines.push(AsideLine::errand(&label, ErrandFate::Unstuck));
                }
            }
            self.running.retain(|(running, _)| *running != id);
        }
        let mut place = 0;
        while let Some(errand) = self.queue.get(place) {
            if self.is_running(&errand.label) {
                place += 1;
            } else if let Some(errand) = self.queue.remove(place) {
                lines.extend(self.begin(now, errand));
            }
        }
        if self.dropped > 0 && self.tell_at() <= now {
            lines.push(AsideLine::ErrandsDropped(self.dropped));
            (self.dropped, self.told) = (0, Some(now));
        }
        lines
    }

    /// Begins everything that waits, beside its like if need be: the daemon ends, they go on.
    pub fn flush(&mut self, now: Instant) -> Vec<AsideLine> {
        let mut lines = Vec::new();
        while let Some(errand) = self.queue.pop_front() {
            lines.extend(self.begin(now, errand));
        }
        lines
    }

    /// What to write to the file that the next life reads, if it changed.
    pub fn changed(&mut self) -> Option<String> {
        self.tasks.take_changed().then(|| self.tasks.render_running())
    }

    fn begin(&mut self, now: Instant, errand: Errand) -> Option<AsideLine> {
        let label = errand.label.clone();
        match self.spawn(now, &errand) {
            Ok(id) => {
                self.running.push((id, errand.label));
                None
            }
            Err(why) => Some(AsideLine::errand(&label, ErrandFate::NotBegun(why))),
        }
    }

    fn spawn(&mut self, now: Instant, errand: &Errand) -> Result<TaskId, String> {
        let argv: Vec<&str> = errand.argv.iter().map(String::as_str).collect();
        let spec = Spec {
            program: task::SELF,
            argv: &argv,
            env: &errand.env,
            stdin: errand.stdin.as_deref().map(str::as_bytes),
            file: None,
            ends_with_us: false,
            deadline: now.after(errand.limit),
            grace: GRACE,
            label: &errand.label,
        };
        self.tasks.spawn(now, &spec).map_err(|error| error.to_string())
    }
}

/// How an errand ended, for the log: its last line.
fn said(exit: &Exit) -> Option<AsideLine> {
    let last = exit.last_line.clone();
    let fate = match exit.how {
        How::Code(0) if last.is_empty() => return None,
        How::Code(0) => ErrandFate::Said(last),
        How::Code(code) => ErrandFate::Failed(Ended::Code(code), last),
        How::Signal(signal) => ErrandFate::Failed(Ended::Signal(signal), last),
        How::TimedOut => ErrandFate::Late(last),
        How::Stuck => ErrandFate::Stuck(last),
        // of a former life: nobody tells
        How::Unknown => return None,
    };
    Some(AsideLine::errand(&exit.label, fate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errand(label: &str) -> Errand {
        Errand {
            label: label.to_owned(),
            argv: vec!["x\0y".to_owned()],
            env: Vec::new(),
            stdin: None,
            limit: Span::from_secs(1),
        }
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_tells_their_number_now_and_then() {
        let now = Instant::from_millis(100_000);
        let mut errands = Errands::new(now, None, b"");
        for _ in 0..QUEUE_MAX + 3 {
            errands.push(errand("hook link"));
        }
        assert!(errands.has("hook link") && !errands.has("hook status"));
        let lines = errands.tick(now);
        // none of these can begin, each is told
        assert_eq!(lines.len(), QUEUE_MAX + 1, "{lines:?}");
        assert_eq!(lines.last(), Some(&AsideLine::ErrandsDropped(3)));
        for _ in 0..=QUEUE_MAX {
            errands.push(errand("hook link"));
        }
        assert_eq!(errands.tick(now).len(), QUEUE_MAX);
        assert_eq!(errands.next_wake(), Some(now.after(TELL)));
        assert_eq!(errands.tick(now.after(TELL)).len(), 1);
        assert_eq!(errands.next_wake(), None);
    }
}
