//! Asks the person at the terminal for a yes.

use std::io::{self, BufRead, IsTerminal};

use crate::out;

/// Whether somebody says yes to the question; where nobody can, that is told.
pub fn given(question: &str) -> bool {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        out::complain("nobody can answer here: say --yes if that is what you want");
        return false;
    }
    out::text(&format!("{question} Type yes: "));
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    let given = read.is_ok() && answer.trim() == "yes";
    if !given {
        out::complain("nothing was changed");
    }
    given
}
