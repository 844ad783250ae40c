//! Children with a deadline, with real processes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail the test")]

use std::ffi::CStr;
use std::time::Duration;

use ovzha_core::time::Span;
use ovzha_host::sys::{self, Pid, boottime};
use ovzha_host::tail::TAIL_MAX;
use ovzha_host::task::{Event, Exit, How, Running, SpawnError, Spec, TASKS_MAX, TaskId, Tasks, parse_running};

const SH: &CStr = c"/bin/sh";
/// Longer than any test should take, even on a busy machine.
const LONG: Span = Span::from_secs(120);

struct Run<'a> {
    script: &'a str,
    stdin: Option<&'a [u8]>,
    timeout: Span,
    grace: Span,
}

impl<'a> Run<'a> {
    fn new(script: &'a str) -> Self {
        Self {
            script,
            stdin: None,
            timeout: LONG,
            grace: LONG,
        }
    }

    fn spawn(&self, tasks: &mut Tasks) -> TaskId {
        let now = boottime();
        let spec = Spec {
            program: SH,
            argv: &["sh", "-c", self.script],
            env: &[],
            stdin: self.stdin,
            file: None,
            ends_with_us: false,
            deadline: now.after(self.timeout),
            grace: self.grace,
            label: "a test",
        };
        tasks.spawn(now, &spec).unwrap()
    }

    fn exit(&self) -> Exit {
        let mut tasks = Tasks::new(None);
        let id = self.spawn(&mut tasks);
        let exit = next_exit(&mut tasks);
        assert_eq!(exit.id, id);
        assert_eq!(tasks.event(boottime()), None, "told once");
        exit
    }
}

fn next_event(tasks: &mut Tasks) -> Event {
    let end = boottime().after(LONG);
    loop {
        let now = boottime();
        tasks.tick(now);
        if let Some(event) = tasks.event(now) {
            return event;
        }
        assert!(now < end, "nothing happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn next_exit(tasks: &mut Tasks) -> Exit {
    match next_event(tasks) {
        Event::Exit(exit) => exit,
        Event::Unstuck { .. } => panic!("unstuck"),
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = boottime().after(LONG);
    while !done() {
        assert!(boottime() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn scratch(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("ovzha-task-{name}-{}", std::process::id()));
    drop(std::fs::remove_file(&path));
    path
}

#[test]
fn exit_code_and_last_line() {
    let exit = Run::new("echo out; echo 'the \x1b[1mreason' >&2; echo; exit 7").exit();
    assert_eq!(exit.how, How::Code(7));
    assert_eq!(exit.last_line, "the \\u{1b}[1mreason");
    assert_eq!(exit.tail, "out\nthe \\u{1b}[1mreason\n\n");
    assert_eq!(exit.dropped, 0);
    assert_eq!(exit.label, "a test");
}

#[test]
fn a_signal_of_its_own() {
    assert_eq!(Run::new("kill -9 $$").exit().how, How::Signal(9));
}

#[test]
fn a_program_that_is_not_there() {
    let mut tasks = Tasks::new(None);
    let now = boottime();
    let spec = Spec {
        program: c"/nonexistent/program",
        argv: &["program"],
        env: &[],
        stdin: None,
        file: None,
        ends_with_us: false,
        deadline: now.after(LONG),
        grace: LONG,
        label: "x",
    };
    tasks.spawn(now, &spec).unwrap();
    let exit = next_exit(&mut tasks);
    assert_eq!(exit.how, How::Code(127));
    assert_eq!(
        exit.last_line,
        "cannot run /nonexistent/program: no such file (error 2)"
    );
}

#[test]
fn the_environment_is_exactly_ours() {
    let exit = Run::new("exec /usr/bin/env").exit();
    let mut lines: Vec<&str> = exit.tail.lines().filter(|l| !l.starts_with("PWD=")).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["LC_ALL=C", "PATH=/sbin:/usr/sbin:/bin:/usr/bin"]);
}

#[test]
fn the_child_starts_clean() {
    let _held = std::fs::File::open("/etc/passwd").unwrap();
    let exit = Run::new("umask; pwd; exec /bin/ls /proc/self/fd").exit();
    // 3 is ls's own, the directory it lists
    assert_eq!(exit.tail, "0022\n/\n0\n1\n2\n3\n");
    let status = Run::new("exec grep -E '^Sig(Blk|Ign)' /proc/self/status").exit();
    for line in status.tail.lines() {
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
    let session =
        Run::new("read -r pid comm state ppid group session rest < /proc/self/stat; echo $pid $group $session").exit();
    let ids: Vec<&str> = session.last_line.split(' ').collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let null = Run::new("readlink /proc/self/fd/0").exit();
    assert_eq!(null.last_line, "/dev/null");
}

#[test]
fn standard_input_is_given() {
    let bytes = vec![b'x'; 300_000];
    let exit = Run {
        stdin: Some(&bytes),
        ..Run::new("wc -c")
    }
    .exit();
    assert_eq!(exit.last_line, "300000");
    assert_eq!(
        Run {
            stdin: Some(b""),
            ..Run::new("wc -c")
        }
        .exit()
        .last_line,
        "0"
    );
}

#[test]
fn a_time_out_ends_the_whole_group() {
    let path = scratch("group");
    // the child ends on TERM at once, the grandchild ignores it: KILL must find it without its leader
    let script = format!(
        "(trap '' TERM; echo up > {0}; while :; do sleep 1; done) & wait",
        path.display()
    );
    let mut tasks = Tasks::new(None);
    let run = Run {
        grace: Span::from_millis(300),
        ..Run::new(&script)
    };
    let id = run.spawn(&mut tasks);
    wait_until("the grandchild is up", || path.exists());
    let leader = parse_running(tasks.render_running().as_bytes()).remove(0).who.pid;
    tasks.abandon(boottime(), id);
    let exit = next_exit(&mut tasks);
    assert_eq!(exit.how, How::TimedOut);
    assert!(sys::group_is_dead(leader));
    assert_eq!(tasks.running(), 0);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_deadline_passes_by_itself() {
    let short = Span::from_millis(50);
    let exit = Run {
        timeout: short,
        grace: LONG,
        ..Run::new("exec sleep 1000")
    }
    .exit();
    assert_eq!(exit.how, How::TimedOut);
}

#[test]
fn a_background_writer_delays_nothing() {
    let path = scratch("writer");
    let script = format!(
        "(while [ ! -e {0} ]; do echo more; done; echo end > {0}.end) & echo started",
        path.display()
    );
    let mut tasks = Tasks::new(None);
    Run::new(&script).spawn(&mut tasks);
    let exit = next_exit(&mut tasks);
    assert_eq!(exit.how, How::Code(0));
    // it is left alone: it still runs, and its output is still watched
    assert!(tasks.next_wake().is_some());
    std::fs::write(&path, "").unwrap();
    let end = std::path::PathBuf::from(format!("{}.end", path.display()));
    wait_until("the writer ends in its own time", || end.exists());
    wait_until("nothing to watch any more", || {
        tasks.tick(boottime());
        tasks.next_wake().is_none()
    });
    std::fs::remove_file(path).unwrap();
    std::fs::remove_file(end).unwrap();
}

#[test]
fn output_is_bounded() {
    let bytes = 64 * 1024 * 1024;
    let exit = Run::new("yes | head -c 67108864; echo; echo the end").exit();
    assert_eq!(exit.how, How::Code(0));
    assert_eq!(exit.last_line, "the end");
    assert!(exit.tail.len() <= TAIL_MAX);
    let told = exit.dropped + u64::try_from(exit.tail.len()).unwrap();
    // nothing was moved, so nothing was lost between two looks
    assert_eq!(told, bytes + 9);
}

#[test]
fn slots_are_bounded() {
    let mut tasks = Tasks::new(None);
    let run = Run {
        grace: Span::from_millis(100),
        ..Run::new("exec sleep 1000")
    };
    let ids: Vec<TaskId> = (0..TASKS_MAX).map(|_| run.spawn(&mut tasks)).collect();
    let now = boottime();
    let spec = Spec {
        program: SH,
        argv: &[],
        env: &[],
        stdin: None,
        file: None,
        ends_with_us: false,
        deadline: now,
        grace: LONG,
        label: "",
    };
    assert!(matches!(tasks.spawn(now, &spec), Err(SpawnError::Full)));
    for id in ids {
        tasks.abandon(boottime(), id);
    }
    for _ in 0..TASKS_MAX {
        assert_eq!(next_exit(&mut tasks).how, How::TimedOut);
    }
    // a fork of another test may hold an output for a moment
    wait_until("nothing to watch any more", || {
        tasks.tick(boottime());
        tasks.next_wake().is_none()
    });
}

#[test]
fn the_next_life_adopts() {
    let mut former = Tasks::new(None);
    let path = scratch("adopt");
    let script = format!("while [ ! -e {} ]; do sleep 0.05; done; exit 3", path.display());
    Run::new(&script).spawn(&mut former);
    assert!(former.take_changed());
    let record = former.render_running();
    drop(former);
    let found = parse_running(record.as_bytes());
    assert_eq!(found.len(), 1);
    assert!(found[0].still_alive());
    let mut tasks = Tasks::new(None);
    let id = tasks.adopt(boottime(), found[0].clone()).unwrap();
    tasks.tick(boottime());
    assert_eq!(tasks.event(boottime()), None);
    std::fs::write(&path, "").unwrap();
    let exit = next_exit(&mut tasks);
    // as after a re-exec: still our child, so its code is known
    assert_eq!((exit.id, exit.how), (id, How::Code(3)));
    assert!(!found[0].still_alive());
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_stranger_is_adopted_too() {
    // the shell's background child is not ours once the shell is gone
    let mut tasks = Tasks::new(None);
    Run::new("sleep 1000 & echo $!").spawn(&mut tasks);
    let exit = next_exit(&mut tasks);
    let pid = Pid::new(exit.last_line.parse().unwrap()).unwrap();
    let who = sys::identity_of(pid);
    let running = Running {
        who,
        deadline: boottime().after(LONG),
        grace: LONG,
        label: "sleep".to_owned(),
    };
    let id = tasks.adopt(boottime(), running).unwrap();
    tasks.tick(boottime());
    assert_eq!(tasks.event(boottime()), None);
    assert!(tasks.is_running(id));
    sys::kill_child(pid, libc::SIGKILL).unwrap();
    let exit = next_exit(&mut tasks);
    assert_eq!((exit.id, exit.how), (id, How::Unknown));
}

#[test]
fn what_does_not_die_is_told_once_and_again_when_it_does() {
    // stands for a child in state D: an adopted process that leads no group is reached by no signal of ours
    let mut tasks = Tasks::new(None);
    Run::new("sleep 1000 & echo $!").spawn(&mut tasks);
    let exit = next_exit(&mut tasks);
    let pid = Pid::new(exit.last_line.parse().unwrap()).unwrap();
    let running = Running {
        who: sys::identity_of(pid),
        deadline: boottime(),
        grace: Span::from_millis(20),
        label: "umount".to_owned(),
    };
    let id = tasks.adopt(boottime(), running).unwrap();
    let exit = next_exit(&mut tasks);
    assert_eq!((exit.id, exit.how), (id, How::Stuck));
    // its slot stays taken, and nothing more is told
    for _ in 0..20 {
        tasks.tick(boottime());
        assert_eq!(tasks.event(boottime()), None);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(tasks.is_running(id));
    sys::kill_child(pid, libc::SIGKILL).unwrap();
    let label = "umount".to_owned();
    assert_eq!(next_event(&mut tasks), Event::Unstuck { id, label });
    assert_eq!(tasks.running(), 0);
}

#[test]
fn the_running_record_survives_a_torn_write() {
    let text = b"12 34 56 78 start vz for group 0\nrubbish\n1 2 3 4 init\n99 1 2 3 torn off";
    let found = parse_running(text);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].label, "start vz for group 0");
    assert_eq!(found[0].to_string().as_bytes(), &text[..33]);
    assert!(parse_running(b"").is_empty());
    assert!(parse_running(b"\xff\xfe").is_empty());
}
