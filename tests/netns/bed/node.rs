//! One node: its lives, its daemon, and what can be seen of it from outside.
use super::process::{self, Guest, Said, child_of, signal};
use super::{Dir, Files, Number};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A node, on or off.
pub struct Node {
    number: Number,
    own: PathBuf,
    life: u32,
    power: Option<Power>,
    daemon: Option<Daemon>,
}

/// What ends with a power cut.
struct Power {
    /// `unshare`, the parent of process 1; it ends when that does, however that came.
    unshare: Mutex<Guest>,
    pid: u32,
}

/// A running daemon.
pub struct Daemon {
    nsenter: Mutex<Child>,
    pid: u32,
}

impl Node {
    pub fn new(number: Number, dir: &Dir, files: &Files, binary: &Path) -> Self {
        let own = dir.of(number);
        for name in ["ha.d", "varlib", "log"] {
            fs::create_dir_all(own.join(name)).unwrap();
        }
        fs::copy(binary, own.join("ovzha")).unwrap();
        files.write(number, &own.join("ha.d"));
        Self {
            number,
            own,
            life: 0,
            power: None,
            daemon: None,
        }
    }

    /// Puts another binary in the place of `/usr/sbin/ovzha`, for this life and the later ones, as the guide says.
    pub fn install(&self, binary: &Path) {
        fs::copy(binary, self.own.join("ovzha")).unwrap();
        fs::copy(binary, self.root().join("usr/sbin/ovzha.new")).unwrap();
        self.inside("mv /usr/sbin/ovzha.new /usr/sbin/ovzha").must();
    }

    pub fn boot(&mut self, dir: &Path, cables: &str) {
        assert!(self.power.is_none(), "node {} is on already", self.number);
        self.life += 1;
        let errors = File::options()
            .append(true)
            .create(true)
            .open(self.own.join("boot.err"))
            .unwrap();
        let mut command = Command::new("unshare");
        command.args("--mount --uts --pid --net --fork --kill-child --propagation private".split(' '));
        command.arg(process::guest()).arg("boot").arg(dir);
        command.args([&self.number.to_string(), &self.life.to_string(), cables]);
        let mut unshare = Guest::start(command.env_remove("LD_LIBRARY_PATH").stderr(errors));
        let mut line = String::new();
        BufReader::new(unshare.output.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let errors = fs::read_to_string(self.own.join("boot.err")).unwrap_or_default();
        assert_eq!(line, "ready\n", "node {} did not boot: {errors}", self.number);
        let pid = child_of(unshare.pid()).unwrap();
        self.power = Some(Power {
            unshare: Mutex::new(unshare),
            pid,
        });
    }

    /// Process 1, as the machine counts.
    pub fn pid(&self) -> u32 {
        self.power.as_ref().unwrap().pid
    }

    pub fn life(&self) -> u32 {
        self.life
    }

    /// Whether it is on; a node that reset itself is off.
    pub fn is_on(&self) -> bool {
        self.power
            .as_ref()
            .is_some_and(|power| power.unshare.lock().unwrap().lives())
    }

    pub fn power_cut(&mut self) {
        if let Some(power) = self.power.take() {
            signal("KILL", power.pid);
            power.unshare.lock().unwrap().wait();
        }
        if let Some(mut daemon) = self.daemon.take() {
            drop(daemon.nsenter.get_mut().unwrap().wait());
        }
    }

    /// The words that enter the node.
    fn enter(&self) -> Vec<String> {
        let pid = self.pid().to_string();
        ["nsenter", "-t", &pid, "-m", "-u", "-p", "-n"]
            .map(str::to_owned)
            .to_vec()
    }

    /// A program, about to run in the node.
    pub fn command(&self, line: &str) -> Command {
        let words = self.enter();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["sh", "-c", line]);
        command
            .env_clear()
            .env("PATH", "/sbin:/usr/sbin:/bin:/usr/bin")
            .stdin(Stdio::null());
        command
    }

    /// Runs a line of shell in the node, for at most a minute.
    pub fn inside(&self, line: &str) -> Said {
        let words = self.enter();
        let mut command = Command::new("timeout");
        command.arg("60").args(&words).args(["sh", "-c", line]);
        command
            .env_clear()
            .env("PATH", "/sbin:/usr/sbin:/bin:/usr/bin")
            .stdin(Stdio::null());
        Said::of(format!("node {}: {line}", self.number), &command.output().unwrap())
    }

    /// Runs `ovzha ARGS...` in the node.
    pub fn ovzha(&self, args: &str) -> Said {
        self.inside(&format!("exec /usr/sbin/ovzha {args}"))
    }

    pub fn start(&mut self) {
        assert!(self.daemon.is_none(), "the daemon of node {} runs already", self.number);
        let words = self.enter();
        let errors = || {
            File::options()
                .append(true)
                .create(true)
                .open(self.own.join("log/daemon.err"))
                .unwrap()
        };
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["/usr/sbin/ovzha", "daemon"]);
        command
            .env_clear()
            // nobody listens there but the test of it
            .env("NOTIFY_SOCKET", format!("/bed/notify{}", self.number))
            .stdin(Stdio::null())
            .stdout(errors())
            .stderr(errors());
        let nsenter = command.spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        let pid = loop {
            if let Some(pid) = child_of(nsenter.id()) {
                break pid;
            }
            assert!(Instant::now() < end, "the daemon of node {} did not start", self.number);
            sleep(Duration::from_millis(5));
        };
        self.daemon = Some(Daemon {
            nsenter: Mutex::new(nsenter),
            pid,
        });
    }

    pub fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    /// Ends the daemon by KILL; what it started stays.
    pub fn kill_daemon(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            signal("KILL", daemon.pid);
            drop(daemon.nsenter.get_mut().unwrap().wait());
        }
    }

    /// Waits for the daemon's end; its exit code.
    pub fn daemon_end(&mut self, span: Duration) -> Option<i32> {
        let mut daemon = self.daemon.take().unwrap();
        let end = Instant::now() + span;
        loop {
            if let Some(status) = daemon.nsenter.get_mut().unwrap().try_wait().unwrap() {
                return status.code();
            }
            assert!(
                Instant::now() < end,
                "the daemon of node {} did not end in {span:?}\n{}",
                self.number,
                self.log()
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Whether the node is on and has this file.
    pub fn has(&self, path: &str) -> bool {
        self.is_on() && self.root().join(path).exists()
    }

    /// The node's root, as the machine sees it.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid()))
    }

    pub fn is_mounted(&self) -> bool {
        let table = || fs::read_to_string(format!("/proc/{}/mountinfo", self.pid())).unwrap_or_default();
        self.is_on() && table().lines().any(|line| line.split(' ').nth(4) == Some("/vz"))
    }

    /// The node's configuration directory.
    pub fn ha_d(&self) -> PathBuf {
        self.own.join("ha.d")
    }

    pub fn log(&self) -> String {
        // what grows comes last, so that a test can look at what is new
        ["daemon.err", "messages", "ha-log"]
            .map(|name| self.log_file(name))
            .concat()
    }

    /// One file of `/var/log`; empty if there is none.
    pub fn log_file(&self, name: &str) -> String {
        let bytes = fs::read(self.own.join("log").join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The mails that left the node.
    pub fn mails(&self) -> String {
        fs::read_to_string(self.own.join("log/mail")).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.power_cut();
    }
}

impl Daemon {
    /// Its process, as the machine counts.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn signal(&self, name: &str) {
        signal(name, self.pid);
        if name == "CONT" {
            // nsenter stops with its child
            signal(name, self.nsenter.lock().unwrap().id());
        }
    }

    pub fn lives(&self) -> bool {
        matches!(self.nsenter.lock().unwrap().try_wait(), Ok(None))
    }
}
