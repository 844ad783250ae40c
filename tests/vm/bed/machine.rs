//! One virtual machine: its lives, its links, its freezes, and a shell in it.
//!
//! Whoever has a hand on its power switch may end a life at any moment, the board's relay in a thread of its own: what is asked of
//! a machine that has none gets no answer.
use super::image::Image;
use super::qmp::Qmp;
use super::shell::{Said, Shell};
use super::tool::sh;
use super::wire;
use serde_json::json;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// Memory of a guest in megabytes.
const MEMORY: &str = "192";

/// A record that the container acknowledged, as a client outside sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// When it arrived.
    pub at: Instant,
    /// `NUMBER NODE`.
    pub record: String,
}

/// A machine, on or off.
pub struct Machine {
    number: u8,
    dir: PathBuf,
    image: Image,
    initramfs: PathBuf,
    words: Mutex<String>,
    /// It has `eth2`, whose network is QEMU's own: the host is 10.0.2.2 on it.
    third_card: bool,
    power: Mutex<Option<Arc<Power>>>,
    /// How often power came.
    lives: AtomicUsize,
    /// In order, over all lives.
    acknowledged: Arc<Mutex<Vec<Ack>>>,
}

/// What ends with a power cut.
struct Power {
    child: Mutex<Child>,
    /// What its kernel was told.
    words: String,
    /// Length of the console's log at the start of this life.
    console_from: u64,
    shell: Mutex<Option<Shell>>,
    qmp: Mutex<Option<Qmp>>,
}

impl Machine {
    pub fn new(number: u8, dir: &Path, image: &Image, initramfs: &Path, third_card: bool) -> Self {
        Self {
            number,
            dir: dir.to_path_buf(),
            image: image.clone(),
            initramfs: initramfs.to_path_buf(),
            words: Mutex::default(),
            third_card,
            power: Mutex::default(),
            lives: AtomicUsize::new(0),
            acknowledged: Arc::default(),
        }
    }

    pub const fn number(&self) -> u8 {
        self.number
    }

    /// A file of this machine in the pair's directory.
    pub fn file(&self, what: &str) -> PathBuf {
        self.dir.join(format!("node{}.{what}", self.number))
    }

    /// Words on the kernel's command line at the next boot.
    pub fn set_words(&self, words: &str) {
        words.clone_into(&mut self.words.lock().unwrap());
    }

    fn arguments(&self) -> Vec<String> {
        let own = self.number;
        let path = |what: &str| self.file(what).display().to_string();
        let append = format!(
            "console=ttyS0 quiet nokaslr mitigations=off panic=-1 node={own} {} ",
            self.words.lock().unwrap()
        );
        let mut words: Vec<String> =
            "-M q35 -accel tcg,tb-size=128 -cpu qemu64 -display none -nodefaults -no-user-config \
            -device i6300esb,id=wd -action watchdog=reset"
                .split_whitespace()
                .map(str::to_owned)
                .collect();
        let mut add = |pairs: &[(&str, String)]| {
            words.extend(
                pairs
                    .iter()
                    .flat_map(|(word, value)| [(*word).to_owned(), value.clone()]),
            );
        };
        add(&[
            ("-m", MEMORY.to_owned()),
            ("-kernel", self.image.kernel.display().to_string()),
            ("-initrd", self.initramfs.display().to_string()),
            ("-append", append),
            ("-qmp", format!("unix:{},server=on,wait=off", path("qmp"))),
            ("-chardev", format!("file,id=con,path={},append=on", path("console"))),
            ("-serial", "chardev:con".to_owned()),
            (
                "-chardev",
                format!("socket,id=nm,path={},server=on,wait=off", path("tty")),
            ),
            ("-serial", "chardev:nm".to_owned()),
            ("-device", "virtio-serial-pci".to_owned()),
        ]);
        for port in ["shell", "acks"] {
            let socket = format!("socket,id={port},path={},server=on,wait=off", path(port));
            let device = format!("virtserialport,chardev={port},name={port}");
            add(&[("-chardev", socket), ("-device", device)]);
        }
        for (id, disk) in ["disk", "state"].into_iter().enumerate() {
            let drive = format!("file={},if=none,id=d{id},format=raw,cache=unsafe", path(disk));
            add(&[("-drive", drive), ("-device", format!("virtio-blk-pci,drive=d{id}"))]);
        }
        for net in [0, 1] {
            let netdev = format!(
                "dgram,id=net{net},local.type=unix,local.path={},remote.type=unix,remote.path={}",
                wire::card(&self.dir, net, own).display(),
                wire::plug(&self.dir, net, own).display()
            );
            let card = format!("virtio-net-pci,id=nic{net},netdev=net{net},mac=52:54:00:77:0{net}:0{own},romfile=");
            add(&[("-netdev", netdev), ("-device", card)]);
        }
        if self.third_card {
            let card = format!("virtio-net-pci,id=nic2,netdev=net2,mac=52:54:00:77:02:0{own},romfile=");
            add(&[("-netdev", "user,id=net2".to_owned()), ("-device", card)]);
        }
        words
    }

    /// Switches it on; it is up when [`Machine::wait_boot`] returns.
    pub fn start(&self) {
        let mut power = self.power.lock().unwrap();
        assert!(power.is_none(), "node {} is on already", self.number);
        for net in [0, 1] {
            // what the last life left
            drop(fs::remove_file(wire::card(&self.dir, net, self.number)));
        }
        let log = || {
            File::options()
                .append(true)
                .create(true)
                .open(self.file("qemu.log"))
                .unwrap()
        };
        let console_from = fs::metadata(self.file("console")).map_or(0, |meta| meta.len());
        // ends with the thread that started it, however that ends
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .arg(&self.image.qemu)
            .args(self.arguments())
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log());
        if let Some(libraries) = &self.image.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
            let data = self.image.qemu.parent().unwrap().with_file_name("share");
            command
                .arg("-L")
                .arg(data.join("qemu"))
                .arg("-L")
                .arg(data.join("seabios"));
        }
        let child = command.spawn().unwrap();
        *power = Some(Arc::new(Power {
            child: Mutex::new(child),
            words: self.words.lock().unwrap().clone(),
            console_from,
            shell: Mutex::new(None),
            qmp: Mutex::new(None),
        }));
        self.lives.fetch_add(1, Ordering::Relaxed);
        self.listen();
    }

    /// Takes the container's acknowledgements off their port, for as long as this life lasts.
    fn listen(&self) {
        let (path, acks) = (self.file("acks"), Arc::clone(&self.acknowledged));
        spawn(move || {
            let end = Instant::now() + Duration::from_secs(20);
            let stream = loop {
                match UnixStream::connect(&path) {
                    Ok(stream) => break stream,
                    Err(_) if Instant::now() < end => sleep(Duration::from_millis(20)),
                    Err(_) => return,
                }
            };
            keep_lines(stream, &acks);
        });
    }

    fn power(&self) -> Option<Arc<Power>> {
        self.power.lock().unwrap().clone()
    }

    /// How often power came.
    pub fn lives(&self) -> usize {
        self.lives.load(Ordering::Relaxed)
    }

    /// What this life wrote on its console.
    pub fn console(&self) -> String {
        let from = self.power().map_or(0, |power| power.console_from);
        let bytes = fs::read(self.file("console")).unwrap_or_default();
        let from = usize::try_from(from).unwrap().min(bytes.len());
        String::from_utf8_lossy(&bytes[from..]).into_owned()
    }

    /// How often this life booted: a reset boots again.
    pub fn boots(&self) -> usize {
        self.console().matches("BOOT-OK").count()
    }

    /// Waits for the `count`-th boot of this life.
    pub fn wait_boot(&self, count: usize) {
        let end = Instant::now() + Duration::from_mins(2);
        while self.boots() < count {
            let ended = self
                .power()
                .map(|power| power.child.lock().unwrap().try_wait().unwrap());
            let log = || fs::read_to_string(self.file("qemu.log")).unwrap_or_default();
            assert_eq!(ended, Some(None), "QEMU of node {} ended: {}", self.number, log());
            assert!(
                Instant::now() < end,
                "node {} did not boot: {}",
                self.number,
                self.console()
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// The end of everything on it, at once.
    pub fn power_cut(&self) {
        if let Some(power) = self.power.lock().unwrap().take() {
            let mut child = power.child.lock().unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn is_on(&self) -> bool {
        self.power.lock().unwrap().is_some()
    }

    /// `None` when it has no power, or lost it.
    fn qmp(&self, command: &str, arguments: &serde_json::Value) -> Option<()> {
        let power = self.power()?;
        let mut open = power.qmp.lock().unwrap();
        if open.is_none() {
            *open = Qmp::connect(&self.file("qmp")).ok();
        }
        match open.as_mut()?.ask(command, arguments) {
            Ok(_) => Some(()),
            Err(error) => {
                assert!(!self.is_on(), "node {}: QEMU: {command}: {error}", self.number);
                None
            }
        }
    }

    /// As `qmp`; the test fails if the machine is off.
    fn must_qmp(&self, command: &str, arguments: &serde_json::Value) {
        let done = self.qmp(command, arguments);
        assert!(done.is_some(), "node {}: {command}: it is off", self.number);
    }

    /// How often the watchdog has reset this life, since this was first asked.
    pub fn watchdog_resets(&self) -> usize {
        self.qmp("query-status", &json!({}));
        let Some(power) = self.power() else { return 0 };
        let open = power.qmp.lock().unwrap();
        let events = open.iter().flat_map(|qmp| &qmp.events);
        events.filter(|event| *event == "WATCHDOG").count()
    }

    /// Pulls or plugs the cable of a card; the guest sees the carrier.
    pub fn link(&self, net: u8, up: bool) {
        self.must_qmp("set_link", &json!({ "name": format!("nic{net}"), "up": up }));
    }

    /// F3: the guest's clocks stand still as well.
    pub fn pause(&self) {
        self.must_qmp("stop", &json!({}));
    }

    /// If it has power still.
    pub fn go_on(&self) {
        self.qmp("cont", &json!({}));
    }

    /// The reset button. It boots with the words of this life: where others were set since, it is another life that begins.
    pub fn reset(&self) {
        if self
            .power()
            .is_some_and(|power| power.words != *self.words.lock().unwrap())
        {
            self.power_cut();
            return self.start();
        }
        self.must_qmp("system_reset", &json!({}));
        if let Some(power) = self.power() {
            *power.shell.lock().unwrap() = None;
        }
    }

    /// F1: the daemon stands still.
    pub fn freeze_daemon(&self) {
        self.must("kill -STOP $(cat /run/daemon.pid)");
    }

    pub fn thaw_daemon(&self) {
        self.must("kill -CONT $(cat /run/daemon.pid)");
    }

    /// The daemon's sudden death; the guest's init starts it again half a second later.
    pub fn kill_daemon(&self) {
        self.must("kill -KILL $(cat /run/daemon.pid)");
    }

    /// F2: the kernel hangs while the hardware runs on. Only a watchdog or [`Machine::reset`] ends it.
    pub fn hang(&self) {
        let line = "echo 0 >/proc/sys/kernel/panic; echo c >/proc/sysrq-trigger";
        let said = self.try_run(line, Duration::from_secs(1));
        assert!(said.is_none(), "node {} runs on: {said:?}", self.number);
    }

    /// All that DRBD reads and writes on its disk fails. For [`super::Files::on_frail_disks`].
    pub fn disk_fails(&self) {
        self.must("data error");
    }

    /// Each read and write of DRBD's disk takes so many milliseconds longer.
    pub fn disk_is_slow(&self, milliseconds: u32) {
        self.must(&format!("data slow {milliseconds}"));
    }

    pub fn disk_is_well(&self) {
        self.must("data well");
    }

    /// A file of the log directory, read off the state disk: for a machine that doesn't answer any more. The last four seconds
    /// before its death may be missing.
    pub fn log_of_the_dead(&self, name: &str) -> String {
        let copy = self.file("state.copy").display().to_string();
        let line = format!(
            "cp --sparse=always {} {copy}; e2fsck -fy {copy} >{copy}.fsck 2>&1; debugfs -R 'cat /log/{name}' {copy} 2>/dev/null; \
             rm -f {copy} {copy}.fsck",
            self.file("state").display()
        );
        // what had no time to be written is zeros
        sh(&line).text.replace('\0', "")
    }

    /// Runs a line of shell in the guest; `None` when it didn't end within `span`, or nobody answers.
    pub fn try_run(&self, line: &str, span: Duration) -> Option<Said> {
        let power = self.power()?;
        let mut open = power.shell.lock().unwrap();
        let end = Instant::now() + span;
        if open.is_none() {
            *open = Shell::connect(&self.file("shell"), end);
        }
        let said = open.as_mut()?.run(line, end);
        if said.is_none() {
            // the guest ends the line by itself, and a fresh shell comes
            *open = None;
        }
        said
    }

    /// Runs a line of shell in the guest, for at most half a minute.
    pub fn run(&self, line: &str) -> Said {
        let said = self.try_run(line, Duration::from_secs(30));
        said.unwrap_or_else(|| panic!("node {}: no answer to: {line}\n{}", self.number, self.console()))
    }

    /// As `run`; the test fails if the line does.
    pub fn must(&self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.code, 0, "node {}: {line}\n{}", self.number, said.text);
        said.text
    }

    /// What was acknowledged so far.
    pub fn acknowledged(&self) -> Vec<String> {
        let acks = self.acknowledged.lock().unwrap();
        acks.iter().map(|ack| ack.record.clone()).collect()
    }

    /// As [`Machine::acknowledged`], from the `from`-th on, with the times.
    pub fn acks_from(&self, from: usize) -> Vec<Ack> {
        self.acknowledged.lock().unwrap()[from..].to_vec()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.power_cut();
    }
}

/// Keeps whole lines until the port is closed.
fn keep_lines(mut stream: UnixStream, acks: &Mutex<Vec<Ack>>) {
    let mut pending = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        pending.extend_from_slice(&piece[..count]);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let record = String::from_utf8_lossy(&line).trim().to_owned();
            let at = Instant::now();
            acks.lock().unwrap().push(Ack { at, record });
        }
    }
}
