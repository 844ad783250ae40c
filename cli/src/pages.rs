//! The man page and the shells' completions, made from the command line as clap knows it and kept in the tree, so that
//! a package needs neither clap's generators nor a build to have them. `OVZHA_REWRITE=1` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::{Arguments, exit};

/// Of the page's last change.
const DATE: &str = "2026-11-28";

const DESCRIPTION: [&str; 2] = [
    "Two machines mirror one block device with DRBD; one of them is active: it has the device mounted and runs the \
     containers on it. When the active one dies, ovzha starts on the other what ran there, and never while the first may \
     still be writing, as far as the two can know. It reads the three files of Heartbeat.",
    "One daemon runs on each node. The other commands ask the daemon of the machine they are given on; all but status, \
     check and demo need root.",
];

const FILES: [(&str, &str); 9] = [
    ("/etc/ha.d/ha.cf", "the nodes, their links, times, ping nodes, log"),
    (
        "/etc/ha.d/authkeys",
        "the keys of the links; for root alone (mode 0600)",
    ),
    (
        "/etc/ha.d/haresources",
        "the groups: what runs, and where it runs if it can choose",
    ),
    (
        "/etc/ha.d/ovzha.cf",
        "what only ovzha knows; see ovzha.cf(5). It may be missing",
    ),
    (
        "/etc/ha.d/resource.d",
        "scripts of the admin's that are resources, and startstop",
    ),
    ("/etc/ha.d/hooks.d", "scripts of the admin's that are told what happens"),
    (
        "/var/lib/ovzha",
        "the state that survives a reboot: who was active last, a hold, bugs that ovzha found in itself, \
         the copy of the record",
    ),
    (
        "/run/ovzha",
        "the sockets of the daemon, and what the next one must know of what runs, the record; on a file system in \
         memory",
    ),
    ("/dev/log", "where the log goes, unless ha.cf names a logfile"),
];

const SIGNALS: [(&str, &str); 3] = [
    (
        "SIGTERM, SIGINT",
        "The daemon stops in order: its groups are stopped, and the other node takes over at once.",
    ),
    (
        "SIGHUP",
        "The daemon reads the files and its program anew. Bad files change nothing. Links, resources and the other node \
         see no interruption.",
    ),
    (
        "SIGKILL",
        "The resources go on running. A daemon started within deadtime finds them; after that the other node takes over.",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// clap's names live as long as the program.
fn kept(text: &str) -> &'static str {
    text.to_owned().leak()
}

/// The command without what is hidden: nobody is to type it.
fn visible(command: &Command) -> Command {
    let mut copy = Command::new(kept(command.get_name()))
        .subcommand_required(command.is_subcommand_required_set())
        .args(command.get_arguments().filter(|arg| !arg.is_hide_set()))
        .disable_help_subcommand(true);
    if let Some(about) = command.get_about() {
        copy = copy.about(about.clone());
    }
    if let Some(about) = command.get_long_about() {
        copy = copy.long_about(about.clone());
    }
    if let Some(version) = command.get_version() {
        copy = copy.version(kept(version));
    }
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    copy.subcommands(verbs.map(visible))
}

/// A list of terms, each with what it means.
fn list<'a>(page: &mut Roff, title: &str, rows: impl IntoIterator<Item = (&'a str, &'a str)>) {
    page.control("SH", [title]);
    for (term, text) in rows {
        page.control("TP", []);
        page.text([bold(term)]);
        page.text([roman(text)]);
    }
}

/// The part of a verb's own page below a heading of another kind.
fn part(render: impl Fn(&Man, &mut Vec<u8>) -> std::io::Result<()>, verb: &Man) -> String {
    let mut bytes = Vec::new();
    render(verb, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    // the generator begins each part with what every text needs once, and with its own heading
    let begin = text.find(".SH").unwrap_or(text.len());
    let rest = &text[begin..];
    rest.split_once('\n')
        .map_or_else(String::new, |(_, body)| body.to_owned())
}

/// How the command is typed: the generator's own synopsis lacks the values of options and what may be repeated.
fn synopsis(name: &str, command: &Command) -> Vec<Inline> {
    let mut line = vec![bold(name)];
    for arg in command.get_arguments() {
        let names = arg.get_value_names().unwrap_or_default();
        let value = names.join(" ");
        let (open, close) = if arg.is_required_set() { (" ", "") } else { (" [", "]") };
        line.push(roman(open));
        if let Some(long) = arg.get_long() {
            line.push(bold(format!("--{long}")));
            if arg.get_action().takes_values() {
                line.extend([roman(" "), italic(value)]);
            }
        } else {
            line.push(italic(value));
        }
        line.push(roman(close));
        if arg.get_num_args().is_some_and(|count| count.max_values() > 1) {
            line.push(roman("..."));
        }
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("COMMAND")]);
    }
    line
}

fn verb(command: &Command) -> String {
    let has_options = command.get_arguments().next().is_some();
    let man = Man::new(command.clone().disable_help_flag(true));
    let mut head = Roff::new();
    head.control("SS", [command.get_name()]);
    head.text(synopsis(&format!("ovzha {}", command.get_name()), command));
    head.control("PP", []);
    let mut text = head.to_roff();
    text.push_str(&part(|man, out| man.render_description_section(out), &man));
    if has_options {
        text.push_str(&part(|man, out| man.render_options_section(out), &man));
    }
    text
}

fn man_page() -> String {
    let command = visible(&Arguments::command());
    let verbs: Vec<String> = command.get_subcommands().map(verb).collect();
    let typed = synopsis("ovzha", &command);
    let man = Man::new(command)
        .title("OVZHA")
        .section("8")
        .date(DATE)
        .source("ovzha")
        .manual("System Administration");
    let mut bytes = Vec::new();
    man.render_title(&mut bytes).unwrap();
    man.render_name_section(&mut bytes).unwrap();
    let mut page = Roff::new();
    page.control("SH", ["SYNOPSIS"]);
    page.text(typed);
    page.control("SH", ["DESCRIPTION"]);
    let [first, second] = DESCRIPTION;
    page.text([roman(first)]);
    page.control("PP", []);
    page.text([roman(second)]);
    page.to_writer(&mut bytes).unwrap();
    man.render_options_section(&mut bytes).unwrap();
    bytes.extend(b".SH COMMANDS\n");
    bytes.extend(verbs.concat().bytes());
    let mut page = Roff::new();
    list(&mut page, "FILES", FILES);
    // "  0  done", and its further lines
    let mut codes: Vec<(&str, String)> = Vec::new();
    for line in exit::HELP.lines().skip(1) {
        let (code, text) = line.trim_start().split_once("  ").unwrap_or_default();
        if code.is_empty() {
            codes.last_mut().unwrap().1.extend(["; ", line.trim()]);
        } else {
            codes.push((code, text.to_owned()));
        }
    }
    let codes = codes.iter().map(|(code, text)| (*code, text.as_str()));
    list(&mut page, "EXIT STATUS", codes);
    list(&mut page, "SIGNALS", SIGNALS);
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("ovzha.cf"),
        roman("(5), "),
        bold("drbdadm"),
        roman("(8), "),
        bold("vzctl"),
        roman("(8)"),
    ]);
    page.control("PP", []);
    page.text([roman(
        "The guide (docs/GUIDE.md), what is promised when (docs/SAFETY.md), and every line of the log (docs/LOGS.md) come \
         with ovzha.",
    )]);
    page.to_writer(&mut bytes).unwrap();
    // what every text needs is needed once
    let text = String::from_utf8(bytes).unwrap();
    let preamble: Vec<&str> = text.lines().take_while(|line| !line.starts_with(".TH")).collect();
    let body = text.lines().filter(|line| !preamble.contains(line));
    let lines: Vec<&str> = preamble.iter().copied().chain(body).map(str::trim_end).collect();
    let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    // an empty line between two breaks is a space, and mandoc wants it said so
    text.replace(".br\n\n.br\n", ".sp\n")
}

fn completion(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut visible(&Arguments::command()), "ovzha", &mut bytes);
    String::from_utf8(bytes).unwrap()
}

/// The file in the tree is what clap makes now, and nothing of what is hidden stands in it.
fn check(path: &str, text: &str) {
    for hidden in ["agent", "--sweep", "\\-\\-sweep", "--root", "\\-\\-root"] {
        assert!(!text.contains(hidden), "{path}: {hidden} is hidden");
    }
    let file = root().join(path);
    if std::env::var_os("OVZHA_REWRITE").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == text,
        "{path} is not what the command line says: OVZHA_REWRITE=1 writes it anew"
    );
}

#[test]
fn the_man_page_is_that_of_the_command_line() {
    let page = man_page();
    for section in ["FILES", "EXIT STATUS", "SIGNALS", "SEE ALSO"] {
        assert!(page.contains(section), "no section {section}");
    }
    check("docs/man/ovzha.8", &page);
}

#[test]
fn the_completions_are_those_of_the_command_line() {
    for (shell, name) in [
        (Shell::Bash, "ovzha.bash"),
        (Shell::Zsh, "_ovzha"),
        (Shell::Fish, "ovzha.fish"),
    ] {
        let path = format!("packaging/completions/{name}");
        check(&path, &completion(shell));
        let syntax = Process::new(shell.to_string())
            .arg("-n")
            .arg(root().join(&path))
            .stdin(Stdio::null())
            .output();
        // a shell that is not installed has no opinion
        if let Ok(syntax) = syntax {
            assert!(syntax.status.success(), "{path}: {syntax:?}");
        }
    }
}

#[test]
fn bash_completes_verbs_options_and_nothing_hidden() {
    let completion = completion(Shell::Bash);
    let answers = |words: &str, count: u32| {
        let last = words.split(' ').next_back().unwrap_or_default();
        let script = format!(
            "{completion}\nCOMP_WORDS=({words}); [ {count} = ${{#COMP_WORDS[@]}} ] || COMP_WORDS+=(''); \
             COMP_CWORD={}; _ovzha ovzha '{last}' ''; echo \"${{COMPREPLY[*]}}\"",
            count - 1
        );
        let run = Process::new("bash").args(["--norc", "-c", &script]).output();
        run.ok().map(|run| String::from_utf8(run.stdout).unwrap())
    };
    let Some(verbs) = answers("ovzha st", 2) else {
        // no bash, no opinion
        return;
    };
    assert_eq!(verbs.split_whitespace().collect::<Vec<_>>(), ["status", "standby"]);
    let options = answers("ovzha status --j", 3).unwrap();
    assert_eq!(options.trim(), "--json");
    assert_eq!(answers("ovzha age", 2).unwrap().trim(), "");
}
