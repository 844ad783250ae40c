//! The daemon's loop: wait, hand one event to the core, drain its outputs.
//!
//! One thread, one poll(2). Between its start and its end the loop opens no file on a disk, writes none, looks up no
//! name and waits for no child: everything that can hang runs in a child process (see `children`). What arrives on
//! the links is handled before anything else of a round, so that a node that stood still hears what happened
//! meanwhile before it decides.

use std::os::fd::AsRawFd;
use std::path::PathBuf;

use ovzha_core::bug::Bug;
use ovzha_core::config::last_words;
use ovzha_core::event::{Command, Event};
use ovzha_core::frame::FrameBuf;
use ovzha_core::id::{ClientId, GroupId};
use ovzha_core::message::Connection;
use ovzha_core::notice::Notice;
use ovzha_core::output::Output;
use ovzha_core::time::{Instant, Span};

use crate::aside::Aside;
use crate::check::Protection;
use crate::children::{Children, Ended};
use crate::config::Config;
use crate::control::{Control, Wish};
use crate::last_words::LastWords;
use crate::line::Line;
use crate::log::{Level, Log};
use crate::media::{Arrived, Change, Medium};
use crate::network::Network;
use crate::notify::Notify;
use crate::ping::{self, Pinger};
use crate::record::due::Due;
use crate::record::recorded::Recorded;
use crate::status::{self, HostFacts};
use crate::sys::{self, Interest, LastResort, PollFd, Signal, Signals};
use crate::validate::Fingerprint;
use crate::watchdog::Watchdog;
use crate::watcher::Said;
use crate::ways::Ways;
use crate::{meant, told};

/// How `ovzha daemon` was called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Where `ha.cf`, `authkeys`, `haresources` and `ovzha.cf` are.
    pub config_dir: PathBuf,
    /// Where the durable state is.
    pub state_dir: PathBuf,
    /// Where the sockets are; must be on a file system in memory.
    pub run_dir: PathBuf,
    /// The node's name; `None`: as `uname -n` says.
    pub node: Option<String>,
    /// Whether this machine may be reset when nothing else is left.
    pub last_resort: bool,
    /// Log to standard error, too.
    pub log_stderr: bool,
}

/// Rounds of the loop a second that no cluster needs.
const ROUNDS_MAX: u32 = 5000;
/// Seconds of that in a row before realtime priority is given up.
const BUSY_SECONDS: u8 = 3;
const SECOND: Span = Span::from_secs(1);

/// The daemon's own requests answer to nobody.
const OWN: ClientId = ClientId(0);

/// Everything the loop works with; made by `setup`.
#[derive(Debug)]
pub struct Daemon {
    pub(crate) options: Options,
    pub(crate) config: Config,
    pub(crate) cluster: Recorded,
    pub(crate) copies: Due,
    pub(crate) log: Log,
    pub(crate) network: Network,
    pub(crate) ways: Ways,
    pub(crate) pinger: Pinger,
    pub(crate) next_ping: Instant,
    pub(crate) children: Children,
    pub(crate) aside: Aside,
    pub(crate) control: Control,
    pub(crate) signals: Signals,
    pub(crate) last_resort: Option<LastResort>,
    pub(crate) last_words: LastWords,
    pub(crate) watchdog: Option<Watchdog>,
    pub(crate) notify: Notify,
    pub(crate) facts: HostFacts,
    pub(crate) program: PathBuf,
    pub(crate) fingerprint: Fingerprint,
    /// What the last child said of itself.
    pub(crate) reason: String,
    pub(crate) frame: FrameBuf,
    pub(crate) fds: Vec<PollFd>,
    /// Rounds since `counted`, and for how many seconds there were too many.
    pub(crate) rounds: u32,
    pub(crate) counted: Instant,
    pub(crate) busy: u8,
    /// The loop ends with this exit code.
    pub(crate) ends: Option<u8>,
    /// One instance: held as long as the daemon lives.
    pub(crate) _lock: std::fs::File,
}

/// Runs the daemon to its end; answers its exit code.
#[must_use]
pub fn run(options: &Options) -> u8 {
    match crate::setup::daemon(options) {
        Ok(mut daemon) => daemon.run(),
        Err(code) => code,
    }
}

impl Daemon {
    fn run(&mut self) -> u8 {
        let (version, node) = (env!("CARGO_PKG_VERSION"), self.config.own_node());
        self.log.say(&Line::Started { version, node });
        self.log.say(&Line::Standing(&self.facts.realtime));
        let timer = self.watchdog.as_ref().map(Watchdog::timer);
        let row = Protection::of_config(&self.config, timer);
        self.log.say(&Line::Protection(row));
        self.tell_watchdog();
        self.aside.begin(&mut self.log);
        // what ended before there was anyone to be told sends no signal any more
        self.fetch_children(sys::boottime());
        self.notify.ready();
        let mut until = self.drain(sys::boottime());
        loop {
            if let Some(code) = self.ends {
                // the cluster has been left: what follows may take its time
                self.aside.end(code, &mut self.log);
                self.log.say(&Line::Stopped);
                return code;
            }
            self.guard(sys::boottime());
            self.wait(until);
            until = self.round(sys::boottime());
        }
    }

    /// A loop that spins at realtime priority would take the machine with it: it loses the priority.
    fn guard(&mut self, now: Instant) {
        self.rounds = self.rounds.saturating_add(1);
        if now.since(self.counted) < SECOND {
            return;
        }
        self.busy = if self.rounds > ROUNDS_MAX {
            self.busy.saturating_add(1)
        } else {
            0
        };
        (self.rounds, self.counted) = (0, now);
        if self.busy == BUSY_SECONDS && self.config.realtime {
            let done = sys::set_ordinary().map_or_else(|error| error.to_string(), |()| "given up".to_owned());
            self.log.say(&Line::Flooded {
                rounds: ROUNDS_MAX,
                done: &done,
            });
            self.facts.realtime.push_str(", realtime priority given up: flooded");
        }
    }

    /// Waits for the next thing to happen.
    fn wait(&mut self, until: Instant) {
        self.fds.clear();
        self.fds.push(PollFd::new(self.signals.as_raw_fd(), Interest::Read));
        let links = self.ways.iter().filter_map(Medium::interest);
        self.fds.extend(links.map(|(fd, interest)| PollFd::new(fd, interest)));
        let quiet = self.network.fd().into_iter().chain(self.pinger.fds());
        let quiet = quiet.chain(self.children.fds());
        self.fds.extend(quiet.map(|fd| PollFd::new(fd, Interest::Read)));
        self.fds
            .extend(self.control.interests().map(|(fd, interest)| PollFd::new(fd, interest)));
        let mut next = until.min(self.children.next_observe());
        for at in self.ways.iter().map(Medium::next_look) {
            next = next.min(at);
        }
        let recording = self.cluster.is_recording();
        let wakes = [
            self.children.next_wake(),
            self.control.deadline(),
            self.aside.next_wake(),
            self.network.next_look(),
            recording.then(|| self.copies.next_wake()).flatten(),
        ];
        for at in wakes.into_iter().flatten() {
            next = next.min(at);
        }
        if !self.config.pings.is_empty() {
            next = next.min(self.next_ping);
        }
        let span = next.since(sys::boottime());
        if let Err(error) = sys::poll(&mut self.fds, Some(span)) {
            self.log.say(&Line::Poll(&error.to_string()));
        }
    }

    /// One round: everything that is there, links first. Answers how long the next wait may be.
    fn round(&mut self, now: Instant) -> Instant {
        self.take_links(now);
        self.take_pings(now);
        self.take_signals(now);
        self.take_children(now);
        self.take_aside(now);
        self.watch_peer(now);
        self.take_wishes(now);
        self.tend(now);
        self.keep_record(now);
        self.feed(now, Event::Tick)
    }

    /// One event, then all outputs: the drain contract.
    pub(crate) fn feed(&mut self, now: Instant, event: Event<'_>) -> Instant {
        self.cluster.handle(now, event);
        self.drain(now)
    }

    fn take_links(&mut self, now: Instant) {
        for place in 0..self.ways.count() {
            let sorter = self.ways.sorter(place);
            let Self { ways, cluster, .. } = self;
            let Some(medium) = ways.at(place) else { continue };
            medium.flush();
            // outputs are drained after the link: the answer to a burst goes out once
            medium.drain(|arrived| {
                let (link, event) = match arrived {
                    Arrived::Frame(bytes) => (sorter.link(bytes), Ok(bytes)),
                    Arrived::Rejected(rejection) => (sorter.noise(), Err(rejection)),
                };
                let Some(link) = link else { return };
                let event = match event {
                    Ok(bytes) => Event::Received { link, bytes },
                    Err(rejection) => Event::Rejected { link, rejection },
                };
                cluster.handle(now, event);
            });
            self.drain(now);
        }
    }

    fn take_pings(&mut self, now: Instant) {
        for _ in 0..ping::DRAIN_MAX {
            match self.pinger.receive(now) {
                ping::Received::Reply(reply) => {
                    let (ping, sent) = (reply.node, reply.sent);
                    self.feed(now, Event::PingReply { ping, sent });
                }
                ping::Received::Dropped => {}
                ping::Received::Empty => break,
            }
        }
    }

    fn take_signals(&mut self, now: Instant) {
        while let Some(signal) = self.signals.take() {
            match signal {
                Signal::Terminate | Signal::Interrupt => {
                    self.log.say(&Line::AskedToStop);
                    self.notify.stopping();
                    if self.aside.may_stop() {
                        self.stop(now);
                    }
                }
                Signal::Hangup => {
                    self.log.say(&Line::AskedToReload);
                    if self.children.validate(now, self.config.own_node(), &self.program) {
                        self.notify.reloading();
                    } else {
                        self.log.say(&Line::ReloadBusy);
                    }
                }
                Signal::Child => {
                    self.fetch_children(now);
                }
                Signal::User1 => {}
            }
        }
    }

    /// Fetches what ended: what this life began or took over, and the dead that a former life of this process left (its
    /// log writer, an errand that ended while this program was being loaded). Those nobody here waits for.
    fn fetch_children(&mut self, now: Instant) {
        self.children.reap();
        self.aside.reap(now, &mut self.log);
        while let Some(dead) = sys::dead_child() {
            // it ended a moment ago: another signal is on its way
            if self.knows(dead) {
                break;
            }
            drop(sys::wait_for(dead));
        }
    }

    fn knows(&self, pid: sys::Pid) -> bool {
        self.log.writer_pid() == Some(pid) || self.children.knows(pid) || self.aside.knows(pid)
    }

    fn stop(&mut self, now: Instant) {
        let (client, command) = (OWN, Command::Stop);
        self.feed(now, Event::Request { client, command });
    }

    fn take_aside(&mut self, now: Instant) {
        self.aside.tick(now, &self.config, &self.cluster, &mut self.log);
        if self.aside.stop_is_due() {
            self.stop(now);
        }
    }

    fn take_children(&mut self, now: Instant) {
        self.children.tick(now);
        while let Some(ended) = self.children.ended(now, &self.config) {
            match ended {
                Ended::Effect(effect, outcome, reason) => {
                    if outcome.is_failure_of(effect.op) {
                        self.facts.failed(effect.group, &reason);
                    }
                    self.reason = reason;
                    let effect = effect.id;
                    self.feed(now, Event::Done { effect, outcome });
                }
                Ended::Shot(effect, outcome, reason) => {
                    self.reason = reason;
                    self.feed(now, Event::Done { effect, outcome });
                }
                Ended::Stored(version, written) => {
                    let ok = written.is_ok();
                    self.reason = written.err().unwrap_or_default();
                    self.feed(now, Event::Stored { version, ok });
                }
                Ended::Unrecorded(why) => self.log.say(&Line::Unrecorded(&why)),
                Ended::Kept(done) => {
                    self.copies.ended(now);
                    if let Err(why) = done {
                        self.log.say(&Line::NotKept(&why));
                    }
                }
                Ended::Observed(group, seen) => {
                    self.tell_connection(group, seen.drbd.connection);
                    self.feed(now, Event::Drbd { group, seen });
                }
                Ended::Watch(group, said) => self.tell_watch(group, &said),
                Ended::Unstuck(group, resource) => {
                    self.feed(now, Event::Unstuck { group, resource });
                }
                Ended::Former(label) => self.log.say(&Line::FormerEnded(&label)),
                Ended::Validated(good, text, keys) => self.validated(now, good, &text, keys),
            }
        }
        self.children.observe(now, &self.config);
        if let Some(running) = self.children.changed() {
            self.keep("running", &running);
        }
    }

    /// What a child that watches DRBD has to say beside states.
    fn tell_watch(&mut self, group: GroupId, said: &Said) {
        let group = told::group(&self.config, group);
        let group = group.as_str();
        self.log.say(&match said {
            Said::State(_) => return,
            Said::Told(text) => Line::DrbdTold { group, text },
            Said::Failed(text) => Line::DrbdFailed { group, text },
            Said::Ended(why) => Line::WatchEnded { group, why },
        });
    }

    /// A connection that DRBD gave up is told once, and so is the end of that.
    fn tell_connection(&mut self, id: GroupId, seen: Connection) {
        if !self.facts.stand_alone_changed(id, seen) {
            return;
        }
        let found = self.config.groups.get(usize::from(id.0));
        let drbd = found.and_then(|group| group.resources.iter().find(|resource| resource.is_drbd()));
        let drbd = drbd
            .and_then(|resource| resource.args.first())
            .map_or("", String::as_str);
        let group = told::group(&self.config, id);
        let group = group.as_str();
        self.log.say(&match seen {
            Connection::StandAlone => Line::StandAlone { group, drbd },
            Connection::Connected | Connection::Connecting | Connection::Unknown => {
                let connected = seen == Connection::Connected;
                Line::StandAloneEnded { group, drbd, connected }
            }
        });
    }

    /// The record of what the core was told and said: whether it still grows, and its copy on the disk.
    fn keep_record(&mut self, now: Instant) {
        let Some(writer) = self.cluster.writer() else { return };
        if let Some(error) = writer.take_failure() {
            self.log.say(&Line::NotRecorded(&error.to_string()));
            self.cluster.stop_recording();
        } else if self.copies.begins(now) {
            self.children.keep_record(now, &self.options.run_dir);
        }
    }

    /// What the next life must find of this one: its children, since when its groups are active.
    pub(crate) fn keep(&mut self, name: &str, text: &str) {
        // the run directory is in memory: this waits for no disk
        if let Err(error) = std::fs::write(self.options.run_dir.join(name), text) {
            self.log.say(&Line::RunDir(&error.to_string()));
        }
    }

    /// Who waits for a move here wants to know how it goes there.
    fn watch_peer(&mut self, now: Instant) {
        for (group, phase) in self.facts.watch_peer(now, &self.cluster) {
            if told::is_lasting(phase) {
                let (group, peer) = (told::group(&self.config, group), self.config.peer_node());
                let group = group.as_str();
                let line = Line::OnPeer { group, phase, peer };
                self.log.say(&line);
                self.control.progress(&line.to_string());
            }
        }
    }

    fn take_wishes(&mut self, now: Instant) {
        let (config, facts, cluster) = (&self.config, &self.facts, &mut self.cluster);
        let wishes = self.control.serve(now, || {
            // ages are counted up to the last event, which may be a keepalive old; the round's end drains
            cluster.handle(now, Event::Tick);
            status::status(config, facts, &cluster.snapshot())
        });
        for (client, wish) in wishes {
            let asked = match wish {
                Wish::Status => continue,
                Wish::Core(command) => Ok(command),
                Wish::Move { takeover: true, words } => {
                    meant::groups(&self.config, true, &words).map(|groups| Command::Takeover { groups })
                }
                Wish::Move { takeover: false, words } => {
                    meant::groups(&self.config, false, &words).map(|groups| Command::Standby { groups })
                }
                Wish::ConfirmData { word } => {
                    meant::group(&self.config, &word).map(|group| Command::ConfirmData { group })
                }
                Wish::ConfirmFenced { node } => meant::peer(&self.config, &node).map(|()| Command::ConfirmFenced),
                Wish::FencePeer { resource } => {
                    meant::group_of_drbd(&self.config, &resource).map(|group| Command::FencePeer { group })
                }
                Wish::Clear { word } => meant::group(&self.config, &word).map(|group| Command::Clear { group }),
            };
            match asked {
                Ok(command) => {
                    let text = told::command(&self.config, &command);
                    self.log.say(&Line::Asked(&text));
                    self.feed(now, Event::Request { client, command });
                }
                Err(why) => self.control.answer(client, "refused", Some(&why)),
            }
        }
    }

    /// Opens what is closed and asks the ping nodes.
    fn tend(&mut self, now: Instant) {
        self.network.tend(now);
        for place in 0..self.ways.count() {
            let Self { ways, network, .. } = self;
            let Some(medium) = ways.at(place) else { continue };
            let Some(change) = medium.tend(now, network) else {
                continue;
            };
            let name = medium.name();
            let opened = matches!(change, Change::Opened);
            match change {
                Change::Opened => self.log.say(&Line::LinkOpened(&name)),
                Change::Closed => self.log.say(&Line::LinkLost(&name)),
                Change::Failing(why) => {
                    self.log.say(&Line::LinkFails { link: &name, why: &why });
                    self.facts.link_fails(place, Some(why));
                    continue;
                }
            }
            if opened {
                self.facts.link_fails(place, None);
            }
            for link in self.ways.links(place) {
                let event = if opened {
                    Event::Opened { link }
                } else {
                    Event::Closed { link }
                };
                self.feed(now, event);
            }
        }
        if !self.config.pings.is_empty() && now >= self.next_ping {
            self.next_ping = now.after(self.config.timings.keepalive);
            if !self.pinger.is_open()
                && let Err(error) = self.pinger.open()
            {
                self.facts.ping_fails(&error.to_string(), &mut self.log);
            }
            self.pinger.ask(now);
        }
    }

    /// Does everything the core wants done; answers how long it can wait.
    fn drain(&mut self, now: Instant) -> Instant {
        loop {
            match self.cluster.poll(&mut self.frame) {
                Output::Send { link, bytes } => {
                    if let Some(medium) = self.ways.of(link) {
                        medium.send(now, bytes);
                    }
                }
                Output::Start(effect) => self.begin(now, effect),
                Output::Pet { within } => self.pet(within),
                Output::Disarm => self.disarm(),
                Output::Shoot(effect) => self.children.shoot(now, &self.config, effect),
                Output::Abandon(effect) => self.children.abandon(now, effect),
                Output::Store { version, bytes } => self.children.store(now, version, bytes),
                Output::Reply { client, answer } => {
                    let (word, reason) = told::answer(&self.config, answer);
                    if client != OWN {
                        let why = reason.as_deref().unwrap_or_default();
                        self.log.say(&Line::Answered { word, why });
                    }
                    self.control.answer(client, word, reason.as_deref());
                }
                Output::Notice(notice) => self.tell(now, notice),
                Output::FenceSelf { group } => self.fence_self(group),
                Output::Bug(bug) => self.bug(now, bug),
                Output::Exit => {
                    self.leave_watchdog();
                    if self.cluster.is_recording() {
                        // its end is for nobody to wait for
                        self.children.keep_record(now, &self.options.run_dir);
                    }
                    self.ends = Some(0);
                    return now;
                }
                Output::Wait { until, .. } => return until,
            }
        }
    }

    fn tell(&mut self, now: Instant, notice: Notice) {
        // what DRBD was before a sleep or a change of phase is old news
        if matches!(notice, Notice::Slept(_) | Notice::Phase { .. }) {
            self.children.observe_soon(now);
        }
        if let Notice::Phase { group, phase, why } = notice
            && self
                .facts
                .active_since
                .changed(sys::boottime(), usize::from(group.0), phase, why)
        {
            let active = self.facts.active_since.render();
            self.keep("active", &active);
        }
        self.copies.said(now, &notice);
        let told = told::line(&self.config, notice, &self.reason);
        self.log.tell(&told);
        let text = told.text();
        self.aside.notice(now, &self.config, &notice, text);
        if told.level() != Level::Debug {
            self.control.progress(text);
        }
        if told::is_state(notice) {
            self.notify.status(text);
        }
        if let Notice::MoveBegins { client, refused, .. } = notice {
            self.control.begun(client, !refused.is_empty());
        }
    }

    /// The core contradicts itself: shouted, recorded on disk, and the loop goes on.
    fn bug(&mut self, now: Instant, bug: Bug) {
        let text = told::bug(&self.config, bug);
        self.log.say(&Line::Bug(&text));
        self.control.progress(&text);
        self.aside.bug(now, &text);
        let version = env!("CARGO_PKG_VERSION");
        self.children.record(now, &format!("ovzha {version}: {text}"));
    }

    fn fence_self(&mut self, group: GroupId) {
        let group = told::group(&self.config, group);
        let line = Line::Reset { group: &group };
        self.log.say(&line);
        match &self.last_resort {
            Some(last_resort) => {
                self.last_words.say(&line.to_string());
                self.log.flush(last_words(self.config.timings.deadtime));
                let error = last_resort.reset_now();
                self.log.say(&Line::ResetFailed(&error.to_string()));
            }
            None => self.log.say(&Line::NoReset),
        }
    }
}
