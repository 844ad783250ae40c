//! Clients through a stand-in for the agent, which runs the command without becoming anybody.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]
use ovzha_core::time::Instant;
use ovzha_host::respawn::{Client, Clients};
use ovzha_host::sys;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

struct Bed {
    dir: PathBuf,
    clients: Clients,
    kept: String,
    log: Vec<String>,
}

fn client(command: &str) -> Client {
    Client {
        user: "root".to_owned(),
        command: command.to_owned(),
        line: 1,
    }
}

impl Bed {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ovzha-respawn-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        // agent respawn USER COMMAND
        fs::write(dir.join("agent"), "#!/bin/sh\neval \"exec $4\"\n").unwrap();
        fs::set_permissions(dir.join("agent"), fs::Permissions::from_mode(0o755)).unwrap();
        let clients = Clients::new(sys::boottime(), &[], &[], None, b"");
        Self {
            dir,
            clients,
            kept: String::new(),
            log: Vec::new(),
        }
    }

    /// A script in the bed's directory, as a command.
    fn script(&self, name: &str, body: &str) -> String {
        let path = self.dir.join(name);
        fs::write(&path, format!("#!/bin/sh\ncd {}\n{body}\n", self.dir.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    /// The daemon's life begins: with what the former one kept.
    fn life(&mut self, commands: &[&str], env: &[String]) {
        let clients: Vec<Client> = commands.iter().map(|command| client(command)).collect();
        let program = CString::new(self.dir.join("agent").display().to_string()).unwrap();
        self.clients = Clients::new(sys::boottime(), &clients, env, None, self.kept.as_bytes()).with_program(program);
    }

    fn tick(&mut self) {
        let lines = self.clients.tick(sys::boottime());
        self.log.extend(lines.iter().map(ToString::to_string));
        self.kept = self.clients.changed().unwrap_or_else(|| std::mem::take(&mut self.kept));
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = std::time::Instant::now() + Duration::from_mins(1);
        loop {
            self.tick();
            if is_so(self) {
                return;
            }
            assert!(std::time::Instant::now() < end, "waited for {what}: {:?}", self.log);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.dir.join(file)).unwrap_or_default()
    }

    fn stop(&mut self) {
        let lines = self.clients.stop();
        self.log.extend(lines.iter().map(ToString::to_string));
    }

    fn logged(&self, part: &str) -> usize {
        self.log.iter().filter(|line| line.contains(part)).count()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.stop();
        drop(fs::remove_dir_all(&self.dir));
    }
}

#[test]
fn a_client_that_ends_is_started_again_later_each_time() {
    let mut bed = Bed::new("again");
    let command = bed.script("fails", "echo x >>starts; echo \"I say $HA_COLOR $1\"; exit 3");
    bed.life(&[&format!("{command} word")], &["HA_COLOR=red".to_owned()]);
    bed.until("two starts", |bed| bed.text("starts").lines().count() == 2);
    bed.until("the second end", |bed| {
        bed.logged("exit code 3; started again in 2 s") == 1
    });
    assert_eq!(bed.logged("exit code 3; started again in 1 s"), 1, "{:?}", bed.log);
    assert!(bed.logged("I say red word") >= 1, "{:?}", bed.log);
    let next = bed.clients.next_wake().unwrap();
    assert!(next > sys::boottime() && next != Instant::default());
}

#[test]
fn exit_code_100_is_honoured_also_by_the_next_life() {
    let mut bed = Bed::new("hundred");
    let command = bed.script("done", "echo x >>starts; exit 100");
    bed.life(&[&command], &[]);
    bed.until("its end", |bed| {
        bed.logged("exit code 100: it is not started again") == 1
    });
    assert_eq!(bed.clients.next_wake(), None);
    bed.life(&[&command], &[]);
    bed.tick();
    assert_eq!(bed.clients.next_wake(), None);
    assert_eq!(bed.text("starts"), "x\n");
}

#[test]
fn the_next_life_takes_over_what_runs_and_hears_it_and_ends_what_is_no_longer_wanted() {
    let mut bed = Bed::new("adopt");
    let stays = bed.script(
        "stays",
        "echo x >>starts\nwhile :; do [ -e say ] && { rm say; echo said in the second life; }; sleep 0.05; done",
    );
    let leaves = bed.script(
        "leaves",
        "trap 'echo x >>left; exit 0' TERM\necho x >>up\nwhile :; do sleep 0.05; done",
    );
    bed.life(&[&stays, &leaves], &[]);
    bed.until("both run", |bed| bed.text("starts") == "x\n" && bed.text("up") == "x\n");
    bed.life(&[&stays], &[]);
    fs::write(bed.dir.join("say"), "").unwrap();
    bed.until("the one is heard", |bed| bed.logged("said in the second life") == 1);
    bed.until("the other ended", |bed| bed.text("left") == "x\n");
    assert_eq!(bed.text("starts"), "x\n");
    assert_eq!(bed.logged("runs on"), 1, "{:?}", bed.log);
    // another environment is another program
    bed.life(&[&stays], &["HA_NEW=1".to_owned()]);
    bed.until("a new one", |bed| bed.text("starts") == "x\nx\n");
}

#[test]
fn clients_are_stopped_in_reverse_order_and_by_force_if_need_be() {
    let mut bed = Bed::new("stop");
    let body =
        |name: &str| format!("trap 'echo {name} >>order; exit 0' TERM\necho x >>up\nwhile :; do sleep 0.05; done");
    let first = bed.script("first", &body("first"));
    let second = bed.script("second", &body("second"));
    let deaf = bed.script("deaf", "trap '' TERM\necho x >>up\nwhile :; do sleep 0.05; done");
    bed.life(&[&first, &second, &deaf], &[]);
    bed.until("all run", |bed| bed.text("up").lines().count() == 3);
    bed.stop();
    assert_eq!(bed.text("order"), "second\nfirst\n");
    assert_eq!(bed.logged("stopped"), 3, "{:?}", bed.log);
    assert_eq!(bed.clients.changed(), Some(String::new()));
}

#[test]
fn what_a_client_leaves_in_its_group_is_ended_with_it() {
    let mut bed = Bed::new("rest");
    let command = bed.script("leader", "(while :; do sleep 0.05; done) &\necho $! >child; exit 0");
    bed.life(&[&command], &[]);
    bed.until("its end", |bed| bed.logged("exit code 0; started again") >= 1);
    let gone = |bed: &Bed| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", bed.text("child").trim())).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    bed.until("the rest is gone", gone);
}
