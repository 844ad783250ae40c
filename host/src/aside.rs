//! All that the daemon does beside deciding: mails, hooks, clients.
//!
//! Nothing here can delay or change a decision, with one exception: an admin's `startstop pre-stop` is given its time
//! before the daemon is told to stop.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use ovzha_core::cluster::Cluster;
use ovzha_core::event::Outcome;
use ovzha_core::notice::Notice;
use ovzha_core::output::Op;
use ovzha_core::time::{Instant, Span};

use crate::alert::Alerts;
use crate::config::Config;
use crate::errand::{Errand, Errands};
use crate::hooks::{self, STARTSTOP_LABEL};
use crate::line::{AsideLine, Line};
use crate::log::Log;
use crate::mail::{self, Mail, deliver, unix_time};
use crate::respawn::Clients;
use crate::run::Options;
use crate::sys::{self, CoreLimit, Pid};
use crate::{agent, environment};

/// What one life leaves to the next, in the run directory: errands, clients, and that it did not end in order.
const ERRANDS: &str = "errands";
const CLIENTS: &str = "clients";
const STARTED: &str = "started";

/// How long the start or the end waits for `startstop`, which is ended before.
const PATIENCE: Span = Span::from_secs(75);

/// Everything beside.
#[derive(Debug)]
pub struct Aside {
    errands: Errands,
    clients: Clients,
    alerts: Alerts,
    hooks: Vec<&'static str>,
    startstop: bool,
    env: Vec<String>,
    config_dir: PathBuf,
    run_dir: PathBuf,
    /// The former life ended in order, or there was none.
    fresh: bool,
    /// `startstop pre-stop` is under way.
    stopping: bool,
}

impl Aside {
    /// As the configuration says; what a former life left running is taken over. Reads the disk: at the start only.
    #[must_use]
    pub fn new(now: Instant, config: &Config, options: &Options, limit: Option<CoreLimit>) -> Self {
        let kept = |name: &str| std::fs::read(options.run_dir.join(name)).unwrap_or_default();
        let env = environment::of_clients(config, &options.config_dir);
        Self {
            errands: Errands::new(now, limit, &kept(ERRANDS)),
            clients: Clients::new(now, &config.clients, &env, limit, &kept(CLIENTS)),
            alerts: Alerts::new(now, &config.settings.mails().alert),
            hooks: hooks::present(&options.config_dir),
            startstop: hooks::has_startstop(&options.config_dir),
            env,
            config_dir: options.config_dir.clone(),
            run_dir: options.run_dir.clone(),
            fresh: !options.run_dir.join(STARTED).exists(),
            stopping: false,
        }
    }

    /// Before the first decision: `startstop pre-start`, waited for. A daemon that goes on after a crash or a re-exec
    /// calls nothing: for the admin's scripts it never stopped.
    pub fn begin(&mut self, log: &mut Log) {
        if self.fresh && self.startstop {
            self.wait_for(&["pre-start"], log);
            self.push_startstop(&["post-start", "0"]);
        }
        self.keep(STARTED, "", log);
    }

    /// When `tick` is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let wakes = [
            self.errands.next_wake(),
            self.clients.next_wake(),
            self.alerts.next_wake(),
        ];
        wakes.into_iter().flatten().min()
    }

    /// A child ended, maybe one of these.
    pub fn reap(&mut self, now: Instant, log: &mut Log) {
        self.errands.reap();
        tell(&self.clients.tick(now), log);
    }

    /// Whether it is one of these.
    #[must_use]
    pub fn knows(&self, pid: Pid) -> bool {
        self.errands.knows(pid) || self.clients.has(pid)
    }

    /// Everything that is due.
    pub fn tick(&mut self, now: Instant, config: &Config, cluster: &Cluster, log: &mut Log) {
        if self.alerts.wants_look(now) {
            self.alerts.look(now, unix_time(), config, &cluster.snapshot());
        }
        while let Some(mail) = self.alerts.mail(now, config) {
            let run_dir = self.run_dir.clone();
            self.errands
                .push(mail_errand("alert mail", config, &mail, Some(&run_dir)));
        }
        if self.errands.next_wake().is_some_and(|at| at <= now) {
            tell(&self.errands.tick(now), log);
        }
        if self.clients.next_wake().is_some_and(|at| at <= now) {
            tell(&self.clients.tick(now), log);
        }
        self.keep_all(log);
    }

    /// Something happened; `text` is its line of the log.
    pub fn notice(&mut self, now: Instant, config: &Config, notice: &Notice, text: &str) {
        if let Some(call) = hooks::call(config, notice).filter(|call| self.hooks.contains(&call.event)) {
            self.errands.push(hooks::errand(&self.config_dir, &self.env, &call));
        }
        self.alerts.happened(now, unix_time(), notice, text);
        if let Some(mail) = notice_mail(config, notice) {
            self.errands.push(mail_errand("mail of MailTo", config, &mail, None));
        }
    }

    /// The core contradicts itself.
    pub fn bug(&mut self, now: Instant, text: &str) {
        self.alerts.failed(now, unix_time(), &format!("BUG in ovzha: {text}"));
    }

    /// The daemon was asked to stop: whether it may be told so now. Asked a second time it is told in any case.
    pub fn may_stop(&mut self) -> bool {
        if !self.startstop || self.stopping {
            return true;
        }
        self.stopping = true;
        self.push_startstop(&["pre-stop"]);
        false
    }

    /// Whether `startstop pre-stop` has just ended: the daemon is to be told to stop.
    pub fn stop_is_due(&mut self) -> bool {
        let due = self.stopping && !self.errands.has(STARTSTOP_LABEL);
        self.stopping &= !due;
        due
    }

    /// The daemon has left the cluster: clients are stopped, waiting mails sent on their way, `startstop post-stop`
    /// waited for.
    pub fn end(&mut self, code: u8, log: &mut Log) {
        tell(&self.errands.flush(sys::boottime()), log);
        tell(&self.clients.stop(), log);
        if self.startstop {
            self.wait_for(&["post-stop", &code.to_string()], log);
        }
        self.keep_all(log);
        // the next start is a fresh one; if this fails, `startstop pre-start` is not called then
        if let Err(error) = std::fs::remove_file(self.run_dir.join(STARTED)) {
            log.say(&Line::RunDir(&error.to_string()));
        }
    }

    fn push_startstop(&mut self, args: &[&str]) {
        self.errands.push(hooks::startstop(&self.config_dir, &self.env, args));
    }

    fn wait_for(&mut self, args: &[&str], log: &mut Log) {
        self.push_startstop(args);
        let until = sys::boottime().after(PATIENCE);
        while self.errands.has(STARTSTOP_LABEL) && sys::boottime() < until {
            tell(&self.errands.tick(sys::boottime()), log);
            sleep(Duration::from_millis(20));
        }
    }

    fn keep_all(&mut self, log: &mut Log) {
        if let Some(text) = self.errands.changed() {
            self.keep(ERRANDS, &text, log);
        }
        if let Some(text) = self.clients.changed() {
            self.keep(CLIENTS, &text, log);
        }
    }

    fn keep(&self, name: &str, text: &str, log: &mut Log) {
        // the run directory is in memory: this waits for no disk
        if let Err(error) = std::fs::write(self.run_dir.join(name), text) {
            log.say(&Line::RunDir(&error.to_string()));
        }
    }
}

fn tell(lines: &[AsideLine], log: &mut Log) {
    for line in lines {
        log.say(&Line::Aside(line));
    }
}

/// The mail of a step of MailTo that was done.
fn notice_mail(config: &Config, notice: &Notice) -> Option<Mail> {
    let Notice::Step {
        group,
        resource,
        op,
        outcome: Outcome::Done,
        ..
    } = notice
    else {
        return None;
    };
    let op = match op {
        Op::Probe => agent::Op::Probe,
        Op::Start => agent::Op::Start,
        Op::Stop => agent::Op::Stop,
        Op::Monitor | Op::Outdate | Op::Confirm | Op::Resume => agent::Op::Monitor,
    };
    let group = config.groups.get(usize::from(group.0))?;
    let resource = group.resources.get(usize::from(*resource))?;
    let what = mail::what(op).filter(|_| resource.name == "MailTo")?;
    let args: Vec<&str> = resource.args.iter().map(String::as_str).collect();
    // the addresses were checked with haresources; the step itself has told one that is wrong
    mail::notice(&args, what, config.own_node(), unix_time()).ok()
}

fn mail_errand(label: &str, config: &Config, mail: &Mail, run_dir: Option<&PathBuf>) -> Errand {
    let mails = config.settings.mails();
    let from = mails.from.as_ref().map(|at| at.value.as_str());
    let smarthost = mails.smarthost.as_ref().map(|at| &at.value);
    let run_dir = run_dir.map(PathBuf::as_path);
    Errand {
        label: label.to_owned(),
        argv: deliver::words(config.own_node(), from, smarthost, &mail.to, run_dir),
        env: Vec::new(),
        stdin: Some(mail.input()),
        limit: Span::from_secs(deliver::LIMIT.as_secs()),
    }
}
