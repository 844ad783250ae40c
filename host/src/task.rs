//! Children with a deadline: spawn, watch, kill, reap, keep a bounded piece of output.
//!
//! Model: a fixed table of slots, one child each, its own session and process group. The owner calls [`Tasks::reap`]
//! when a child ended (SIGCHLD), [`Tasks::tick`] when [`Tasks::next_wake`] is due, and after either drains
//! [`Tasks::event`]. Events are computed from the slots, so none can be lost or overflow.
//!
//! ```text
//! Running --deadline--> Terminating --grace--> Killing --grace--> Stuck     (TERM, then KILL, to the whole group)
//!    |                       |                    |                 |
//!  child ended         group gone           group gone         group gone
//!    v                       v                    v                 v
//!  Exit                Exit(TimedOut)       Exit(TimedOut)       Unstuck     (Exit(Stuck) was told on entering Stuck)
//! ```
//!
//! A stuck group is looked at again after every further grace.
//!
//! Without a time-out, done is when the child itself has exited: what it left running in the background stays, for
//! that may be the very service. After a time-out, done is when nothing of its group is left.
//!
//! Of its output the end is kept (`tail`); a background process
//! that goes on writing there is watched for that until it ends, outside the slots.

use std::ffi::{CStr, CString};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use ovzha_core::time::{Instant, Span};

use crate::sys::{self, CoreLimit, Ended, Identity, Pid};
use crate::tail::{OUTPUT_MAX, TAIL_MAX, Tail};

/// Most children at once: two for each of sixteen groups, and a few that belong to none.
pub const TASKS_MAX: usize = 48;
/// Bytes of a label that are kept.
pub const LABEL_MAX: usize = 64;
/// Outputs of ended children watched because a background process may still write there.
const LEFTOVERS_MAX: usize = 16;

/// How often a running child's output is looked at.
const LOOK: Span = Span::from_millis(100);
/// The same while it grows fast.
const LOOK_CLOSELY: Span = Span::from_millis(10);
/// How often outputs of ended children are.
const LOOK_BACK: Span = Span::from_millis(1000);

/// What to run.
#[derive(Debug)]
pub struct Spec<'a> {
    /// The file to execute, by its whole path (not searched for in PATH).
    pub program: &'a CStr,
    /// Its arguments, its own name first.
    pub argv: &'a [&'a str],
    /// Its environment beside [`BASE_ENV`], `NAME=value` each.
    pub env: &'a [String],
    /// Bytes for its standard input; `None` is /dev/null.
    pub stdin: Option<&'a [u8]>,
    /// One more file, its descriptor 3: for an answer that is no output and never in an [`Exit`], or a lock that lasts as long as it
    /// does. The caller keeps it.
    pub file: Option<BorrowedFd<'a>>,
    /// Whether the kernel kills it when we end, however that comes.
    pub ends_with_us: bool,
    /// When its group gets TERM.
    pub deadline: Instant,
    /// How long after TERM its group gets KILL, and how long after KILL it counts as stuck.
    pub grace: Span,
    /// What it is, for people and for adoption: one line, cut at [`LABEL_MAX`] bytes.
    pub label: &'a str,
}

/// Our own program: the running one, whatever lies at its path by now.
pub const SELF: &CStr = c"/proc/self/exe";

/// The environment every child gets: our own PATH, and messages in one language.
pub const BASE_ENV: [&CStr; 2] = [c"PATH=/sbin:/usr/sbin:/bin:/usr/bin", c"LC_ALL=C"];

/// Names one spawned or adopted child; never used again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TaskId(u32);

/// Why nothing was spawned.
#[derive(Debug)]
pub enum SpawnError {
    /// All slots are taken.
    Full,
    /// No file in memory for its input or output.
    Output(io::Error),
    /// An argument has a NUL byte.
    Nul,
    /// No process.
    Fork(io::Error),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => write!(f, "{TASKS_MAX} children are running already"),
            Self::Output(e) => write!(f, "no file in memory for a child's output: {e}"),
            Self::Nul => f.write_str("a NUL byte in an argument"),
            Self::Fork(e) => write!(f, "no child process: {e}"),
        }
    }
}

impl std::error::Error for SpawnError {}

/// How a child's run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It exited with this code in time.
    Code(u8),
    /// This signal, not sent by us, ended it.
    Signal(i32),
    /// The deadline passed; its whole group was ended and is gone.
    TimedOut,
    /// The deadline passed and KILL did not end it (state D). Its slot stays taken until [`Event::Unstuck`].
    Stuck,
    /// An adopted child ended; nobody of us can know how.
    Unknown,
}

/// The one report on a child's end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exit {
    /// Which child.
    pub id: TaskId,
    /// As given in the [`Spec`].
    pub label: String,
    /// How.
    pub how: How,
    /// The end of its output, at most [`TAIL_MAX`] bytes of it, control characters but newline escaped.
    pub tail: String,
    /// The last line of its output that is not blank, escaped.
    pub last_line: String,
    /// Bytes of output before the tail that are gone.
    pub dropped: u64,
}

/// What happened to a child.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It ended, or is stuck for good. Told exactly once for each child.
    Exit(Exit),
    /// A child told as [`How::Stuck`] has died after all.
    Unstuck {
        /// Which child.
        id: TaskId,
        /// As given in the [`Spec`].
        label: String,
    },
}

/// One running child as the next life of the daemon finds it: a line of [`Tasks::render_running`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Running {
    /// Which process.
    pub who: Identity,
    /// Its deadline (the clock is the boot's, so it holds in the next life).
    pub deadline: Instant,
    /// Its grace.
    pub grace: Span,
    /// What it is.
    pub label: String,
}

impl Running {
    /// Whether that very process still runs.
    #[must_use]
    pub fn still_alive(&self) -> bool {
        sys::is_alive(self.who)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Running,
    Terminating,
    Killing,
    Stuck,
    ToldStuck,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Leader {
    Alive,
    Ended(How),
}

#[derive(Debug)]
struct Task {
    id: TaskId,
    who: Identity,
    label: String,
    /// When the present phase ends by itself.
    until: Instant,
    deadline: Instant,
    grace: Span,
    phase: Phase,
    leader: Leader,
    group_gone: bool,
    adopted: bool,
    output: Option<Tail>,
}

/// The table of children.
#[derive(Debug)]
pub struct Tasks {
    slots: [Option<Task>; TASKS_MAX],
    leftovers: [Option<File>; LEFTOVERS_MAX],
    core_limit: Option<CoreLimit>,
    last_id: u32,
    changed: bool,
    next_look: Option<Instant>,
    next_look_back: Option<Instant>,
}

impl Tasks {
    /// An empty table; children get `core_limit` back, which the daemon took from itself.
    #[must_use]
    pub fn new(core_limit: Option<CoreLimit>) -> Self {
        Self {
            slots: [const { None }; TASKS_MAX],
            leftovers: [const { None }; LEFTOVERS_MAX],
            core_limit,
            last_id: 0,
            changed: false,
            next_look: None,
            next_look_back: None,
        }
    }

    /// Starts a child and comes back at once; nothing here touches a disk.
    ///
    /// # Errors
    /// [`SpawnError`]. A program that cannot be executed is not an error here but an exit with 127 or 126.
    pub fn spawn(&mut self, now: Instant, spec: &Spec<'_>) -> Result<TaskId, SpawnError> {
        let slot = self.slots.iter().position(Option::is_none).ok_or(SpawnError::Full)?;
        let output = sys::anonymous_file().map_err(SpawnError::Output)?;
        let input = spec.stdin.map(sys::anonymous_input).transpose();
        let input = input.map_err(SpawnError::Output)?;
        let argv = spec.argv.iter().map(|word| CString::new(*word));
        let argv = argv.collect::<Result<Vec<_>, _>>().map_err(|_| SpawnError::Nul)?;
        let base = BASE_ENV.iter().map(|pair| Ok(CString::from(*pair)));
        let env = base.chain(spec.env.iter().map(|pair| CString::new(pair.as_str())));
        let env = env.collect::<Result<Vec<_>, _>>().map_err(|_| SpawnError::Nul)?;
        let pid = sys::spawn(&sys::Child {
            program: spec.program,
            argv: &argv,
            env: &env,
            stdin: input.as_ref().map(AsFd::as_fd),
            output: output.as_fd(),
            file: spec.file,
            core_limit: self.core_limit,
            ends_with_us: spec.ends_with_us,
        })
        .map_err(SpawnError::Fork)?;
        let running = Running {
            who: sys::identity_of(pid),
            deadline: spec.deadline,
            grace: spec.grace,
            label: clean_label(spec.label),
        };
        Ok(self.enter(now, slot, running, Some(Tail::new(output))))
    }

    /// Takes over a child of the daemon's former life (after a crash, or a re-exec, where it is still our child).
    /// Its deadline goes on; its end is told like any other, with [`How::Unknown`] if it is not our child.
    ///
    /// # Errors
    /// [`SpawnError::Full`].
    pub fn adopt(&mut self, now: Instant, running: Running) -> Result<TaskId, SpawnError> {
        let slot = self.slots.iter().position(Option::is_none).ok_or(SpawnError::Full)?;
        Ok(self.enter(now, slot, running, None))
    }

    fn enter(&mut self, now: Instant, slot: usize, running: Running, output: Option<Tail>) -> TaskId {
        self.last_id = self.last_id.wrapping_add(1);
        let id = TaskId(self.last_id);
        self.changed = true;
        let look = now.after(LOOK);
        self.next_look = Some(self.next_look.map_or(look, |l| l.min(look)));
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(Task {
                id,
                who: running.who,
                label: running.label,
                until: running.deadline,
                deadline: running.deadline,
                grace: running.grace,
                phase: Phase::Running,
                leader: Leader::Alive,
                group_gone: false,
                adopted: output.is_none(),
                output,
            });
        }
        id
    }

    /// Whether the child has not been told as ended yet (a stuck one counts as running).
    #[must_use]
    pub fn is_running(&self, id: TaskId) -> bool {
        self.slots.iter().flatten().any(|t| t.id == id)
    }

    /// Whether `pid` leads one of these.
    #[must_use]
    pub fn has(&self, pid: Pid) -> bool {
        self.slots.iter().flatten().any(|task| task.who.pid == pid)
    }

    /// How many slots are taken.
    #[must_use]
    pub fn running(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Brings the deadline of a child to now: it is ended as if timed out, and told so.
    pub fn abandon(&mut self, now: Instant, id: TaskId) {
        for task in self.slots.iter_mut().flatten().filter(|t| t.id == id) {
            if task.phase == Phase::Running {
                task.until = now;
                task.deadline = now;
                self.next_look = Some(now);
                self.changed = true;
            }
        }
    }

    /// Fetches the ends of our own children, of no others. To be called after SIGCHLD.
    pub fn reap(&mut self) {
        for task in self.slots.iter_mut().flatten() {
            task.reap();
        }
    }

    /// Acts on deadlines and bounds outputs. To be called when [`Tasks::next_wake`] is due; more often does no harm.
    pub fn tick(&mut self, now: Instant) {
        let mut growing = false;
        for task in self.slots.iter_mut().flatten() {
            task.reap();
            task.press(now);
            if let Some(output) = &mut task.output {
                output.bound();
                growing |= output.is_growing();
            }
        }
        let pause = if growing { LOOK_CLOSELY } else { LOOK };
        self.next_look = (self.running() > 0).then(|| now.after(pause));
        if self.next_look_back.is_some_and(|at| at <= now) {
            self.look_back(now);
        }
    }

    /// When [`Tasks::tick`] is due; `None` while there is nothing to watch.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let deadline = self.slots.iter().flatten().map(|t| t.until).min();
        [self.next_look, self.next_look_back, deadline]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next thing that happened. To be drained after [`Tasks::reap`] and [`Tasks::tick`].
    pub fn event(&mut self, now: Instant) -> Option<Event> {
        let slot = self.slots.iter().position(|s| s.as_ref().is_some_and(Task::has_news))?;
        let place = self.slots.get_mut(slot)?;
        if let Some(task) = place.as_mut().filter(|t| !t.is_over()) {
            task.phase = Phase::ToldStuck;
            return Some(Event::Exit(task.exit(How::Stuck)));
        }
        let mut task = place.take()?;
        self.changed = true;
        let event = match task.leader {
            Leader::Ended(_) | Leader::Alive if task.phase == Phase::ToldStuck => Event::Unstuck {
                id: task.id,
                label: std::mem::take(&mut task.label),
            },
            Leader::Ended(how) if task.phase == Phase::Running => Event::Exit(task.exit(how)),
            Leader::Ended(_) | Leader::Alive => Event::Exit(task.exit(How::TimedOut)),
        };
        if let Some(output) = task.output.take() {
            self.leave_behind(now, output);
        }
        Some(event)
    }

    /// Whether the set of running children changed since the last call: then write [`Tasks::render_running`] anew.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The running children as lines `PID STARTTIME DEADLINE GRACE LABEL`, for [`parse_running`] in the next life.
    #[must_use]
    pub fn render_running(&self) -> String {
        let running = self.slots.iter().flatten().map(|task| Running {
            who: task.who,
            deadline: task.deadline,
            grace: task.grace,
            label: task.label.clone(),
        });
        running.map(|r| r.to_string()).collect()
    }

    /// Keeps watch over an output that somebody may still write to, if anybody does.
    fn leave_behind(&mut self, now: Instant, output: Tail) {
        let Some(reader) = output.left() else { return };
        // with every place taken the oldest goes unwatched
        let place = self.leftovers.iter().position(Option::is_none).unwrap_or(0);
        if let Some(place) = self.leftovers.get_mut(place) {
            *place = Some(reader);
        }
        self.next_look_back.get_or_insert(now.after(LOOK_BACK));
    }

    fn look_back(&mut self, now: Instant) {
        for place in &mut self.leftovers {
            let Some(reader) = place else { continue };
            if !sys::somebody_writes_to(reader) {
                *place = None;
            } else if reader.metadata().is_ok_and(|m| m.len() > OUTPUT_MAX) {
                let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
                let cut = File::options().write(true).open(path).and_then(|f| f.set_len(0));
                // tried again at the next look
                drop(cut);
            }
        }
        let any = self.leftovers.iter().any(Option::is_some);
        self.next_look_back = any.then(|| now.after(LOOK_BACK));
    }
}

impl Task {
    fn reap(&mut self) {
        if self.leader == Leader::Alive {
            self.leader = match sys::wait_for(self.who.pid) {
                Ok(Some(Ended::Code(code))) => Leader::Ended(How::Code(code)),
                Ok(Some(Ended::Signal(signal))) => Leader::Ended(How::Signal(signal)),
                Ok(None) => Leader::Alive,
                // not our child: adopted after a crash
                Err(_) if self.adopted && sys::is_alive(self.who) => Leader::Alive,
                Err(_) => Leader::Ended(How::Unknown),
            };
        }
        if self.leader != Leader::Alive && self.phase != Phase::Running && !self.group_gone {
            self.group_gone = sys::group_is_gone(self.who.pid);
        }
    }

    /// Moves on when the phase's time is over.
    fn press(&mut self, now: Instant) {
        if self.is_over() || now < self.until {
            return;
        }
        // an init that reaps nobody leaves dead members in the group: before a verdict, look at each
        let judging = !matches!(self.phase, Phase::Running | Phase::Terminating);
        if judging && self.leader != Leader::Alive && sys::group_is_dead(self.who.pid) {
            self.group_gone = true;
            return;
        }
        let (phase, signal) = match self.phase {
            Phase::Running => (Phase::Terminating, Some(libc::SIGTERM)),
            Phase::Terminating => (Phase::Killing, Some(libc::SIGKILL)),
            Phase::Killing => (Phase::Stuck, None),
            Phase::Stuck | Phase::ToldStuck => (self.phase, None),
        };
        self.phase = phase;
        self.until = now.after(self.grace);
        if let Some(signal) = signal {
            let unreaped = self.leader == Leader::Alive && !self.adopted;
            let sent = sys::kill_group(self.who.pid, signal);
            if unreaped && sent.is_err() {
                // between fork and setsid there is no group yet
                drop(sys::kill_child(self.who.pid, signal));
            }
            // any other error means there is nobody left to signal: the next reap sees it
        }
    }

    fn is_over(&self) -> bool {
        self.leader != Leader::Alive && (self.phase == Phase::Running || self.group_gone)
    }

    fn has_news(&self) -> bool {
        self.is_over() || self.phase == Phase::Stuck
    }

    fn exit(&self, how: How) -> Exit {
        let mut buffer = [0_u8; TAIL_MAX];
        let read = self.output.as_ref().map(|output| output.read(&mut buffer));
        let (bytes, dropped) = read.unwrap_or_default();
        let tail = escape(bytes);
        let last = tail.lines().rev().find(|line| !line.trim().is_empty());
        Exit {
            id: self.id,
            label: self.label.clone(),
            how,
            last_line: last.unwrap_or_default().trim().to_owned(),
            tail,
            dropped,
        }
    }
}

/// Text of a stranger, made safe to print: newlines stay, other control characters and broken UTF-8 are shown.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        if c.is_control() && c != '\n' {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

/// A label as it is kept.
#[must_use]
pub fn clean_label(label: &str) -> String {
    let mut clean: String = label.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let end = clean.floor_char_boundary(LABEL_MAX);
    clean.truncate(end);
    clean
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pid, started) = (self.who.pid, self.who.started);
        let (deadline, grace) = (self.deadline.as_millis(), self.grace.as_millis());
        writeln!(f, "{pid} {started} {deadline} {grace} {}", self.label)
    }
}

/// The children a former life wrote down. A line that is not one of ours (a torn write) is passed over.
#[must_use]
pub fn parse_running(text: &[u8]) -> Vec<Running> {
    let text = String::from_utf8_lossy(text);
    let complete = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
    complete.lines().filter_map(parse_line).take(TASKS_MAX).collect()
}

fn parse_line(line: &str) -> Option<Running> {
    let mut fields = line.splitn(5, ' ');
    let pid = sys::Pid::new(fields.next()?.parse().ok()?)?;
    let started = fields.next()?.parse().ok()?;
    let deadline = Instant::from_millis(fields.next()?.parse().ok()?);
    let grace = Span::from_millis(fields.next()?.parse().ok()?);
    let label = clean_label(fields.next()?);
    let who = Identity { pid, started };
    Some(Running {
        who,
        deadline,
        grace,
        label,
    })
}
