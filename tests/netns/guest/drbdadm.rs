//! `drbdadm` over the stand-in: the verbs that ovzha and, for a split brain, people use, with the words and exit codes of DRBD 8.4.
use crate::twin::{Twin, disk, is_held, note, other};
use std::io::{self, Write};
use std::path::Path;

/// Runs one `drbdadm VERB RESOURCE`.
pub fn run(shared: &Path, words: &[&str]) -> io::Result<u8> {
    let (verb, discard, resource) = match words {
        [verb, resource] => (verb, false, resource),
        ["connect", "--discard-my-data", resource] => (&"connect", true, resource),
        _ => return said(20, "USAGE: drbdadm COMMAND RESOURCE\n"),
    };
    let (home, device) = match *resource {
        "r0" => (shared.to_path_buf(), "/dev/drbd0"),
        "r1" if shared.join("r1").is_dir() => (shared.join("r1"), "/dev/drbd1"),
        _ => {
            return said(
                1,
                &format!("'{resource}' not defined in your config (for this host).\n"),
            );
        }
    };
    let (shared, node) = (home.as_path(), crate::node()?);
    match *verb {
        "primary" => primary(shared, node),
        "secondary" => secondary(shared, node),
        "disconnect" => Twin::change(shared, |twin| {
            twin.disconnect(node);
            Ok(0)
        }),
        "connect" => Twin::change(shared, |twin| {
            if discard && twin.is_primary(shared, node) {
                return said(11, "0: Failure: (123) --discard-my-data not allowed when primary.\n");
            }
            twin.connect(node, discard);
            Ok(0)
        }),
        "sh-dev" => answer(device),
        "role" | "state" | "cstate" | "dstate" => Twin::change(shared, |twin| tell(twin, shared, node, verb)),
        _ => said(20, &format!("drbdadm: Unknown command '{verb}'\n")),
    }
}

fn tell(twin: &Twin, shared: &Path, node: u8, verb: &str) -> io::Result<u8> {
    let linked = twin.is_linked(shared);
    let role = |node| {
        if twin.is_primary(shared, node) {
            "Primary"
        } else {
            "Secondary"
        }
    };
    match verb {
        "cstate" if linked => answer("Connected"),
        "cstate" if twin.is_alone(node) => answer("StandAlone"),
        "cstate" => answer("WFConnection"),
        // a test's word for it; what is written goes to the disk all the same, as it would to the peer's
        "dstate" if shared.join(format!("diskless{node}")).exists() => answer(if linked {
            "Diskless/UpToDate"
        } else {
            "Diskless/DUnknown"
        }),
        "dstate" if linked => answer("UpToDate/UpToDate"),
        "dstate" => answer("UpToDate/DUnknown"),
        _ if linked => answer(&format!("{}/{}", role(node), role(other(node)))),
        _ => answer(&format!("{}/Unknown", role(node))),
    }
}

fn primary(shared: &Path, node: u8) -> io::Result<u8> {
    note(shared, node, "drbd primary asked")?;
    Twin::change(shared, |twin| {
        if twin.is_linked(shared) && twin.is_primary(shared, other(node)) {
            note(shared, node, "drbd primary refused")?;
            return refused("primary", "(-1) Multiple primaries not allowed by config");
        }
        twin.promote(shared, node)?;
        note(shared, node, "drbd is primary")?;
        Ok(0)
    })
}

fn secondary(shared: &Path, node: u8) -> io::Result<u8> {
    Twin::change(shared, |twin| {
        if is_held(&disk(shared, node)) {
            return refused("secondary", "(-12) Device is held open by someone");
        }
        twin.demote(node);
        note(shared, node, "drbd is secondary")?;
        Ok(0)
    })
}

fn answer(line: &str) -> io::Result<u8> {
    writeln!(io::stdout(), "{line}")?;
    Ok(0)
}

fn said(code: u8, text: &str) -> io::Result<u8> {
    io::stderr().write_all(text.as_bytes())?;
    Ok(code)
}

fn refused(verb: &str, why: &str) -> io::Result<u8> {
    let command = format!("Command 'drbdsetup-84 {verb} 0' terminated with exit code 11");
    said(11, &format!("0: State change failed: {why}\n{command}\n"))
}
