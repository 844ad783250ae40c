//! Programs of `respawn` lines: started as their user, started again when they end, stopped with the daemon.
//!
//! Each is a child of the daemon in a session of its own; the child first becomes the user, then the program
//! (`respawn::account`). What runs is kept in the run directory with the process's start time, so that the next life
//! of the daemon, after a re-exec or a crash, finds it and starts nothing twice. A program that is no longer in
//! `ha.cf`, or would get another environment, is ended then.
//!
//! ```text
//! Waiting --its time--> Running --it ends--> Waiting   (the pause doubles from 1 s to 60 s, and is 1 s again
//!                          |                            after a minute's run)
//!                          +--exit code 100--> Done     (Heartbeat's word for "do not start me again")
//! ```
//!
//! Output goes to a file in memory that is read and emptied a few times a second; a bounded number of its lines
//! reaches the log.

mod account;
mod output;

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::Duration;

use ovzha_core::time::{Instant, Span};

use crate::line::{AsideLine, ClientFate};
use crate::sys::{self, CoreLimit, Ended, Identity, Pid};
use crate::task;
pub use account::{Account, become_program, find};
use output::Output;

/// The agent's word for becoming a client.
pub const WORD: &str = "respawn";
/// The most `respawn` lines.
pub const CLIENTS_MAX: usize = 32;
/// The exit code that says: not again.
const NOT_AGAIN: u8 = 100;
/// The first pause, the longest, and how long a run makes the next pause the first again.
const PAUSE_FIRST: Span = Span::from_secs(1);
const PAUSE_MAX: Span = Span::from_secs(60);
const STEADY: Span = Span::from_secs(60);
/// How often running clients and their outputs are looked at.
const LOOK: Span = Span::from_millis(200);
/// Between TERM and KILL; and how long after KILL a process is given up.
const GRACE: Span = Span::from_secs(5);
const LAST: Span = Span::from_secs(1);

/// One `respawn` line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Client {
    /// Who it runs as.
    pub user: String,
    /// The program by its absolute path, and its arguments, as they stand there.
    pub command: String,
    /// Its line in `ha.cf`.
    pub line: u32,
}

impl Client {
    /// The program's path.
    #[must_use]
    pub fn program(&self) -> &str {
        self.command.split_whitespace().next().unwrap_or_default()
    }
}

/// A running client.
#[derive(Debug)]
struct Run {
    who: Identity,
    since: Instant,
    output: Option<Output>,
}

#[derive(Debug)]
enum Life {
    Waiting(Instant),
    Running(Run),
    Done,
}

#[derive(Debug)]
struct Slot {
    client: Client,
    /// What the next life must find again to take the program for the same.
    key: String,
    life: Life,
    /// The pause after its next end.
    pause: Span,
}

/// A program of a former configuration, being ended.
#[derive(Debug)]
struct Leaving {
    who: Identity,
    kill_at: Instant,
    killed: bool,
}

/// All of them.
#[derive(Debug)]
pub struct Clients {
    slots: Vec<Slot>,
    leaving: Vec<Leaving>,
    env: Vec<CString>,
    limit: Option<CoreLimit>,
    /// What becomes a client when it is called as the agent.
    program: CString,
    changed: bool,
    looked: Instant,
    /// Lines that arose where nobody could take them.
    lines: Vec<AsideLine>,
}

impl Clients {
    /// The clients of the configuration; those that a former life left in `kept` and that still run are taken over.
    #[must_use]
    pub fn new(now: Instant, clients: &[Client], env: &[String], limit: Option<CoreLimit>, kept: &[u8]) -> Self {
        let digest = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(env.join("\0").as_bytes());
        let whole = task::BASE_ENV.iter().map(|pair| CString::from(*pair));
        let own = env.iter().filter_map(|pair| CString::new(pair.as_str()).ok());
        let mut found = parse(kept);
        let mut lines = Vec::new();
        let slots = clients.iter().map(|client| {
            let key = format!("{digest:08x} {} {}", client.user, client.command);
            let place = found.iter().position(|kept| kept.key == key);
            let life = match place.map(|place| found.swap_remove(place)) {
                Some(Kept { who: None, .. }) => Life::Done,
                Some(Kept {
                    who: Some(who), output, ..
                }) if sys::is_alive(who) => {
                    lines.push(AsideLine::client(client.program(), ClientFate::RunsOn(who.pid)));
                    let output = output.and_then(|name| Output::find(who.pid, name));
                    Life::Running(Run {
                        who,
                        since: now,
                        output,
                    })
                }
                _ => Life::Waiting(now),
            };
            Slot {
                client: client.clone(),
                key,
                life,
                pause: PAUSE_FIRST,
            }
        });
        let slots = slots.collect();
        let mut leaving = Vec::new();
        for kept in found {
            if let Some(who) = kept.who.filter(|who| sys::is_alive(*who)) {
                lines.push(AsideLine::ClientLeaves(who.pid));
                signal(who, libc::SIGTERM);
                leaving.push(Leaving {
                    who,
                    kill_at: now.after(GRACE),
                    killed: false,
                });
            }
        }
        Self {
            slots,
            leaving,
            env: whole.chain(own).collect(),
            limit,
            program: CString::from(task::SELF),
            changed: true,
            looked: now,
            lines,
        }
    }

    /// With another program in place of our own.
    #[must_use]
    pub fn with_program(mut self, program: CString) -> Self {
        self.program = program;
        self
    }

    /// When `tick` is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let running = self.slots.iter().any(|slot| matches!(slot.life, Life::Running(_)));
        let look = (running || !self.leaving.is_empty()).then(|| self.looked.after(LOOK));
        let starts = self.slots.iter().filter_map(|slot| match slot.life {
            Life::Waiting(until) => Some(until),
            Life::Running(_) | Life::Done => None,
        });
        starts.chain(look).min()
    }

    /// Whether `pid` is one of these.
    #[must_use]
    pub fn has(&self, pid: Pid) -> bool {
        let runs = |slot: &Slot| matches!(&slot.life, Life::Running(run) if run.who.pid == pid);
        self.slots.iter().any(runs) || self.leaving.iter().any(|leaving| leaving.who.pid == pid)
    }

    /// Starts what waits, sees what ended, reads what was said. To be called on SIGCHLD and when `next_wake` is due;
    /// more often does no harm. Answers what is to be logged.
    pub fn tick(&mut self, now: Instant) -> Vec<AsideLine> {
        let mut lines = std::mem::take(&mut self.lines);
        self.looked = now;
        for slot in &mut self.slots {
            if let Life::Running(run) = &mut slot.life {
                let program = slot.client.program();
                if let Some(output) = &mut run.output {
                    output.read(now, program, &mut lines);
                }
                let Some(how) = ended(run.who) else { continue };
                if let Some(output) = &mut run.output {
                    output.finish(now, program, &mut lines);
                }
                let ran = now.since(run.since);
                end_rest(run.who.pid);
                slot.ended(now, ran, how, &mut lines);
                self.changed = true;
            }
            if matches!(slot.life, Life::Waiting(until) if until <= now) {
                slot.start(now, (&self.program, &self.env, self.limit), &mut lines);
                self.changed = true;
            }
        }
        for leaving in &mut self.leaving {
            if leaving.kill_at <= now && !leaving.killed {
                signal(leaving.who, libc::SIGKILL);
                leaving.killed = true;
            }
        }
        let before = self.leaving.len();
        self.leaving.retain(|leaving| ended(leaving.who).is_none());
        self.changed |= before != self.leaving.len();
        lines
    }

    /// What the next life must find, if it changed since the last call: lines of `PID STARTED OUTPUT KEY`, `-` in place
    /// of the process for a client that asked not to be started again.
    pub fn changed(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let slots = self.slots.iter().filter_map(|slot| match &slot.life {
            Life::Waiting(_) => None,
            Life::Done => Some(format!("- 0 - {}\n", slot.key)),
            Life::Running(run) => {
                let output = run.output.as_ref().map_or("-".to_owned(), Output::name);
                Some(format!("{} {} {output} {}\n", run.who.pid, run.who.started, slot.key))
            }
        });
        let leaving = self.leaving.iter().map(|leaving| {
            let who = leaving.who;
            format!("{} {} - leaving\n", who.pid, who.started)
        });
        Some(slots.chain(leaving).collect())
    }

    /// Ends all, the last one first, each before the one above it: TERM, then KILL. Waits for that, at most a few
    /// seconds for each: the daemon is on its way out, and its peer knows. Answers what is to be logged.
    pub fn stop(&mut self) -> Vec<AsideLine> {
        let mut lines = std::mem::take(&mut self.lines);
        while let Some(slot) = self.slots.pop() {
            let Life::Running(mut run) = slot.life else { continue };
            let program = slot.client.program();
            let fate = if end(run.who) {
                ClientFate::Stopped
            } else {
                ClientFate::NotStopped(run.who.pid)
            };
            if let Some(output) = &mut run.output {
                output.finish(sys::boottime(), program, &mut lines);
            }
            lines.push(AsideLine::client(program, fate));
        }
        for leaving in self.leaving.drain(..) {
            end(leaving.who);
        }
        self.changed = true;
        lines
    }
}

/// What every client is started with: the program that becomes it, its environment, its core limit.
type With<'a> = (&'a CStr, &'a [CString], Option<CoreLimit>);

impl Slot {
    fn start(&mut self, now: Instant, with: With<'_>, lines: &mut Vec<AsideLine>) {
        let program = self.client.program().to_owned();
        match self.spawn(with) {
            Ok((who, output)) => {
                let (user, pid) = (self.client.user.clone(), who.pid);
                lines.push(AsideLine::client(&program, ClientFate::Started { user, pid }));
                self.life = Life::Running(Run {
                    who,
                    since: now,
                    output: Some(output),
                });
            }
            Err(error) => {
                self.life = Life::Waiting(now.after(self.pause));
                let (why, pause) = (error.to_string(), self.pause);
                lines.push(AsideLine::client(&program, ClientFate::NotStarted { why, pause }));
                self.pause = longer(self.pause);
            }
        }
    }

    fn spawn(&self, (program, env, core_limit): With<'_>) -> io::Result<(Identity, Output)> {
        let words = ["ovzha", "agent", WORD, &self.client.user, &self.client.command];
        let argv: Result<Vec<CString>, _> = words.into_iter().map(CString::new).collect();
        let file = sys::anonymous_file()?;
        let pid = sys::spawn(&sys::Child {
            program,
            argv: &argv?,
            env,
            stdin: None,
            output: file.as_fd(),
            file: None,
            core_limit,
            ends_with_us: false,
        })?;
        Ok((sys::identity_of(pid), Output::new(file)))
    }

    fn ended(&mut self, now: Instant, ran: Span, how: How, lines: &mut Vec<AsideLine>) {
        let program = self.client.program();
        if how == How::Known(Ended::Code(NOT_AGAIN)) {
            let code = NOT_AGAIN;
            lines.push(AsideLine::client(program, ClientFate::EndedForGood { ran, code }));
            self.life = Life::Done;
            return;
        }
        if ran >= STEADY {
            self.pause = PAUSE_FIRST;
        }
        let how = match how {
            How::Known(ended) => Some(ended),
            How::Unknown => None,
        };
        let pause = self.pause;
        lines.push(AsideLine::client(program, ClientFate::Ended { ran, how, pause }));
        self.life = Life::Waiting(now.after(self.pause));
        self.pause = longer(self.pause);
    }
}

fn longer(pause: Span) -> Span {
    pause.times(2).min(PAUSE_MAX)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum How {
    Known(Ended),
    /// Not our child: nobody tells us.
    Unknown,
}

/// How a client ended; `None` while it runs.
fn ended(who: Identity) -> Option<How> {
    match sys::wait_for(who.pid) {
        Ok(None) => None,
        Ok(Some(ended)) => Some(How::Known(ended)),
        // a child of the daemon that crashed
        Err(_) => (!sys::is_alive(who)).then_some(How::Unknown),
    }
}

/// To the client's group, if the client is still the one that was meant.
fn signal(who: Identity, number: libc::c_int) {
    if sys::is_alive(who) && sys::kill_group(who.pid, number).is_err() {
        // before its setsid it has no group
        drop(sys::kill_process(who.pid, number));
    }
}

/// What an ended client left running in its group would work beside the next one.
fn end_rest(leader: Pid) {
    if !sys::group_is_gone(leader) {
        // one that is gone by now is what was wanted
        drop(sys::kill_group(leader, libc::SIGTERM));
    }
}

/// TERM, and KILL if need be; whether it is gone.
fn end(who: Identity) -> bool {
    for (number, patience) in [(libc::SIGTERM, GRACE), (libc::SIGKILL, LAST)] {
        signal(who, number);
        let until = sys::boottime().after(patience);
        while sys::boottime() < until {
            if ended(who).is_some() {
                end_rest(who.pid);
                return true;
            }
            sleep(Duration::from_millis(10));
        }
    }
    ended(who).is_some()
}

/// What a former life kept of one client.
struct Kept {
    who: Option<Identity>,
    output: Option<(u64, u64)>,
    key: String,
}

/// Lines that are none of ours (a torn write) are passed over.
fn parse(kept: &[u8]) -> Vec<Kept> {
    let text = String::from_utf8_lossy(kept);
    let complete = text.rfind('\n').and_then(|end| text.get(..end)).unwrap_or_default();
    complete
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(4, ' ');
            let (pid, started) = (fields.next()?, fields.next()?.parse().ok()?);
            let output = fields.next()?.split_once(':');
            let output = output.and_then(|(dev, inode)| Some((dev.parse().ok()?, inode.parse().ok()?)));
            let who = match pid {
                "-" => None,
                pid => Some(Identity {
                    pid: Pid::new(pid.parse().ok()?)?,
                    started,
                }),
            };
            let key = fields.next()?.to_owned();
            Some(Kept { who, output, key })
        })
        .take(2 * CLIENTS_MAX)
        .collect()
}
