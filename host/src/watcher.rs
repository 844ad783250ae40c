//! The children that watch DRBD, one a group that has it, and the lines they write into our pipes.
//!
//! ```text
//! Waiting --its time--> Running --ends, falls silent, writes too long a line--> Ending --gone--> Waiting
//!                                                (KILL to its group)          (the pause doubles from 1 s to 30 s, and
//!                                                                               is 1 s again after a minute's run)
//! ```
//!
//! A child is killed by the kernel when the daemon ends, whatever way that is; before a re-exec the daemon ends them
//! itself. It is no task: nothing waits for its end, and the next life has children of its own. Lines go through a buffer
//! of fixed size; of one child a bounded number is taken in one round of the loop.

use std::ffi::{CStr, CString};
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::thread::sleep;
use std::time::Duration;

use ovzha_core::id::GroupId;
use ovzha_core::time::{Instant, Span};

use crate::drbd::{State, teller, watch};
use crate::sys::{self, CoreLimit, Pid};
use crate::task;

/// The pause before a child is started again: the first, and the longest.
const PAUSE_FIRST: Span = Span::from_secs(1);
const PAUSE_MAX: Span = Span::from_secs(30);
/// How long a run makes the next pause the first again, and the next failure news.
const STEADY: Span = Span::from_secs(60);
/// How long a child may be silent, which has a sign of life every 5 s.
const SILENCE: Span = Span::from_secs(15);
/// The same until it has told a state: bringing a resource up may take that long.
const SILENCE_FIRST: Span = Span::from_secs(90);
/// The longest line.
const LINE_MAX: usize = 512;
/// Lines taken from one child in one round.
const LINES_ROUND: u32 = 16;

/// What a child has said, or what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// The state of the group's DRBD.
    State(State),
    /// For the log.
    Told(String),
    /// For the log, and for a person; the same is not said twice in a row.
    Failed(String),
    /// It has ended, or was ended, for this reason; after a pause it is started again.
    Ended(String),
}

#[derive(Debug)]
enum Life {
    Waiting(Instant),
    Running {
        pid: Pid,
        pipe: PipeReader,
        since: Instant,
        /// When the last whole line came; its start before the first.
        heard: Instant,
    },
    /// Killed, and not gone yet.
    Ending(Pid),
}

/// One group's child.
#[derive(Debug)]
struct Watcher {
    group: GroupId,
    names: Vec<String>,
    life: Life,
    pause: Span,
    /// Whether the resources are still to be brought up: once in the daemon's life.
    up: bool,
    /// The last state it told, while it lives.
    last: Option<State>,
    /// When it told a state last.
    told: Option<Instant>,
    line: [u8; LINE_MAX],
    used: usize,
    /// Lines that may still be taken in this round.
    budget: u32,
    /// What it said that is none of its lines: why it ends, most likely.
    parting: String,
    /// What is to be told of its end.
    ended: Option<String>,
    /// What was told last of what failed.
    remark: String,
}

/// All of them.
#[derive(Debug)]
pub struct Watchers {
    list: Vec<Watcher>,
    env: Vec<CString>,
    limit: Option<CoreLimit>,
    program: CString,
}

impl Watchers {
    /// One for each of these groups, to be started by the next `tick`.
    #[must_use]
    pub fn new(now: Instant, groups: Vec<(GroupId, Vec<String>)>, limit: Option<CoreLimit>) -> Self {
        let watcher = |(group, names)| Watcher {
            group,
            names,
            life: Life::Waiting(now),
            pause: PAUSE_FIRST,
            up: true,
            last: None,
            told: None,
            line: [0; LINE_MAX],
            used: 0,
            budget: 0,
            parting: String::new(),
            ended: None,
            remark: String::new(),
        };
        Self {
            list: groups.into_iter().map(watcher).collect(),
            env: task::BASE_ENV.iter().map(|pair| CString::from(*pair)).collect(),
            limit,
            program: CString::from(task::SELF),
        }
    }

    /// With another program in place of our own.
    #[must_use]
    pub fn with_program(mut self, program: CString) -> Self {
        self.program = program;
        self
    }

    /// The pipes to wait on.
    pub fn fds(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.list.iter().filter_map(|watcher| match &watcher.life {
            Life::Running { pipe, .. } => Some(pipe.as_raw_fd()),
            Life::Waiting(_) | Life::Ending(_) => None,
        })
    }

    /// When `tick` is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let wakes = self.list.iter().filter_map(|watcher| match watcher.life {
            Life::Waiting(until) => Some(until),
            Life::Running { heard, .. } => Some(heard.after(watcher.patience())),
            // SIGCHLD tells
            Life::Ending(_) => None,
        });
        wakes.min()
    }

    /// Whether the group's DRBD is watched: a state was told, and its child lives.
    #[must_use]
    pub fn is_watched(&self, group: GroupId) -> bool {
        self.last(group).is_some()
    }

    /// `state` as a single look saw it, with what only the watching child remembers.
    #[must_use]
    pub fn complete(&self, group: GroupId, state: State) -> State {
        match self.last(group) {
            Some(last) if !state.handshaken() => State {
                proved: last.proved,
                split_brain: last.split_brain,
                ..state
            },
            Some(_) | None => state,
        }
    }

    /// Whether the group's child has told a state since then: a look that began earlier may have seen an older one.
    #[must_use]
    pub fn told_since(&self, group: GroupId, then: Instant) -> bool {
        let found = self.list.iter().find(|watcher| watcher.group == group);
        found.is_some_and(|watcher| watcher.last.is_some() && watcher.told.is_some_and(|at| at > then))
    }

    /// Whether `pid` is one of these.
    #[must_use]
    pub fn has(&self, pid: Pid) -> bool {
        self.list.iter().any(|watcher| match watcher.life {
            Life::Running { pid: own, .. } | Life::Ending(own) => own == pid,
            Life::Waiting(_) => false,
        })
    }

    fn last(&self, group: GroupId) -> Option<State> {
        self.list.iter().find(|watcher| watcher.group == group)?.last
    }

    /// Starts what waits, ends what is silent; a new round for `said`. To be called each round.
    pub fn tick(&mut self, now: Instant) {
        for watcher in &mut self.list {
            watcher.budget = LINES_ROUND;
            watcher.fill();
            if let Life::Running { heard, .. } = watcher.life
                && now.since(heard) >= watcher.patience()
                && !watcher.has_line()
            {
                watcher.end("it fell silent");
            }
            watcher.reap(now);
            if matches!(watcher.life, Life::Waiting(until) if until <= now) {
                watcher.start(now, (&self.program, &self.env, self.limit));
            }
        }
    }

    /// The next thing that a child said; of each a bounded number in one round.
    pub fn said(&mut self, now: Instant) -> Option<(GroupId, Said)> {
        self.list
            .iter_mut()
            .find_map(|watcher| watcher.said(now).map(|said| (watcher.group, said)))
    }

    /// Ends all, before the daemon becomes another program. Waits for that, at most a second. If the daemon goes on as it
    /// is, they are started again.
    pub fn stop(&mut self, now: Instant) {
        for watcher in &mut self.list {
            watcher.end("");
            watcher.ended = None;
        }
        for _ in 0..50 {
            for watcher in &mut self.list {
                watcher.reap(now);
            }
            if !self.list.iter().any(|watcher| matches!(watcher.life, Life::Ending(_))) {
                return;
            }
            sleep(Duration::from_millis(20));
        }
    }
}

/// What every child is started with: the program, its environment, its core limit.
type With<'a> = (&'a CStr, &'a [CString], Option<CoreLimit>);

impl Watcher {
    /// How long it may be silent.
    const fn patience(&self) -> Span {
        if self.up { SILENCE_FIRST } else { SILENCE }
    }

    fn start(&mut self, now: Instant, with: With<'_>) {
        match self.spawn(with) {
            Ok((pid, pipe)) => {
                self.life = Life::Running {
                    pid,
                    pipe,
                    since: now,
                    heard: now,
                };
                self.used = 0;
                self.parting.clear();
            }
            Err(error) => {
                self.rest(now);
                self.ended = Some(format!("it can't be started: {error}"));
            }
        }
    }

    fn spawn(&self, (program, env, core_limit): With<'_>) -> io::Result<(Pid, PipeReader)> {
        let up = self.up.then_some("--up");
        let words = ["ovzha", "agent", watch::WORD].into_iter().chain(up);
        let words = words.chain(self.names.iter().map(String::as_str));
        let argv: Result<Vec<CString>, _> = words.map(CString::new).collect();
        let (pipe, output) = io::pipe()?;
        sys::set_nonblocking(&pipe)?;
        let pid = sys::spawn(&sys::Child {
            program,
            argv: &argv?,
            env,
            stdin: None,
            output: output.as_fd(),
            file: None,
            core_limit,
            ends_with_us: true,
        })?;
        Ok((pid, pipe))
    }

    /// The next start comes after the pause, which grows.
    fn rest(&mut self, now: Instant) {
        self.life = Life::Waiting(now.after(self.pause));
        self.pause = self.pause.times(2).min(PAUSE_MAX);
    }

    fn end(&mut self, why: &str) {
        if let Life::Running { pid, .. } = self.life {
            // its group is gone if it has ended already
            drop(sys::kill_group(pid, libc::SIGKILL));
            self.life = Life::Ending(pid);
            self.last = None;
            self.ended = Some(why.to_owned());
        }
    }

    fn reap(&mut self, now: Instant) {
        if let Life::Ending(pid) = self.life
            && !matches!(sys::wait_for(pid), Ok(None))
        {
            self.rest(now);
        }
    }

    fn has_line(&self) -> bool {
        self.line.iter().take(self.used).any(|byte| *byte == b'\n')
    }

    /// What it said next; the lines it wrote come before its end.
    fn said(&mut self, now: Instant) -> Option<Said> {
        while self.budget > 0 && self.line_is_there() {
            self.budget -= 1;
            if let Some(said) = self.take(now) {
                return Some(said);
            }
        }
        let why = self.ended.take()?;
        self.is_news(&why).then_some(Said::Ended(why))
    }

    /// Whether a whole line waits; reads on where none does.
    fn line_is_there(&mut self) -> bool {
        self.has_line() || {
            self.fill();
            self.has_line()
        }
    }

    /// More bytes from the pipe, if there are any and there is room.
    fn fill(&mut self) {
        let Life::Running { pipe, .. } = &mut self.life else {
            return;
        };
        let Some(room) = self.line.get_mut(self.used..).filter(|room| !room.is_empty()) else {
            if !self.has_line() {
                self.end(&format!("it wrote a line of over {LINE_MAX} bytes"));
            }
            return;
        };
        match pipe.read(room) {
            Ok(0) if self.has_line() => {}
            Ok(0) if self.parting.is_empty() => self.end("it ended"),
            Ok(0) => {
                let why = std::mem::take(&mut self.parting);
                self.end(&why);
            }
            Ok(length) => self.used = self.used.saturating_add(length),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => self.end(&format!("its pipe can't be read: {error}")),
        }
    }

    /// The first line of the buffer.
    fn take(&mut self, now: Instant) -> Option<Said> {
        let used = self.line.get(..self.used).unwrap_or_default();
        let end = used.iter().position(|byte| *byte == b'\n')?;
        let mut steady = false;
        if let Life::Running { heard, since, .. } = &mut self.life {
            *heard = now;
            steady = now.since(*since) >= STEADY;
        }
        let line = str::from_utf8(used.get(..end).unwrap_or_default()).unwrap_or_default();
        let said = if let Some(text) = line.strip_prefix(teller::TOLD) {
            Some(Said::Told(task::escape(text.as_bytes())))
        } else if let Some(text) = line.strip_prefix(teller::FAILED) {
            let text = task::escape(text.as_bytes());
            self.is_news(&text).then_some(Said::Failed(text))
        } else if line == teller::UNTOLD {
            self.last = None;
            None
        } else if line == teller::ALIVE {
            None
        } else if let Ok(state) = State::parse_observed(line) {
            (self.last, self.told, self.up) = (Some(state), Some(now), false);
            if steady {
                self.pause = PAUSE_FIRST;
                self.remark.clear();
            }
            Some(Said::State(state))
        } else {
            self.parting = task::escape(line.as_bytes());
            None
        };
        let next = end.saturating_add(1);
        self.line.copy_within(next..self.used, 0);
        self.used = self.used.saturating_sub(next);
        said
    }

    /// Whether this was not the last thing told of what failed.
    fn is_news(&mut self, text: &str) -> bool {
        let news = self.remark != text;
        if news {
            text.clone_into(&mut self.remark);
        }
        news
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        self.stop(sys::boottime());
    }
}
