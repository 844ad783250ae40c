//! Who a client runs as: looked up in `/etc/passwd` and `/etc/group`, in the child that becomes the client.
//!
//! Only local accounts count: a directory service may be away just when the cluster needs its programs.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::agent::Answer;
use crate::{sys, trusted_file};

/// The most groups one account may have.
const MEMBERSHIPS_MAX: usize = 256;

/// What only a shell understands.
const SHELL_ONLY: [char; 20] = [
    '"', '\'', '\\', '$', '`', '&', '|', ';', '<', '>', '(', ')', '*', '?', '[', ']', '{', '}', '~', '!',
];

/// One account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// Its own group.
    pub gid: u32,
    /// All its groups.
    pub groups: Vec<u32>,
}

/// The account called `user`; `root` is `/` outside tests.
///
/// # Errors
/// One sentence.
pub fn find(root: &Path, user: &str) -> Result<Account, String> {
    let read = |file: &str| fs::read_to_string(root.join(file)).map_err(|error| format!("/{file}: {error}"));
    let passwd = read("etc/passwd")?;
    let numbers = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (name == user).then_some((uid, gid))
    });
    let (uid, gid) = numbers.ok_or_else(|| format!("there is no user {user:?} in /etc/passwd"))?;
    let mut groups = vec![gid];
    // without the file there are no further groups
    for line in read("etc/group").unwrap_or_default().lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if let [_, _, number, members] = fields.as_slice()
            && members.split(',').any(|member| member == user)
            && let Ok(number) = number.parse()
            && !groups.contains(&number)
            && groups.len() < MEMBERSHIPS_MAX
        {
            groups.push(number);
        }
    }
    Ok(Account { uid, gid, groups })
}

/// Becomes `command` as `user`; comes back only to say why not. As in Heartbeat a command that needs a shell gets one.
#[must_use]
pub fn become_program(root: &Path, user: &str, command: &str) -> Answer {
    let mut words = command.split_whitespace();
    let Some(path) = words.next() else {
        return Answer::failed("no program");
    };
    if let Some(why) = trusted_file::program_problem(Path::new(path)) {
        return Answer::failed(format!("not run: {why}"));
    }
    let account = match find(root, user) {
        Ok(account) => account,
        Err(why) => return Answer::failed(why),
    };
    if let Err(error) = sys::become_user(account.uid, account.gid, &account.groups) {
        return Answer::failed(format!("can't become {user}: {error}"));
    }
    let error = if command.contains(SHELL_ONLY) {
        Command::new("/bin/sh").args(["-c", &format!("exec {command}")]).exec()
    } else {
        Command::new(path).args(words).exec()
    };
    Answer::failed(format!("{path} can't be run: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_all_its_groups() {
        let root = std::env::temp_dir().join(format!("ovzha-account-{}", std::process::id()));
        fs::create_dir_all(root.join("etc")).unwrap();
        let passwd = "root:x:0:0:root:/root:/bin/sh\n\nbroken\nhacluster:x:112:119::/var/lib:/bin/false\n";
        fs::write(root.join("etc/passwd"), passwd).unwrap();
        fs::write(
            root.join("etc/group"),
            "root:x:0:\nhaclient:x:119:hacluster\nmail:x:8:root,hacluster\n",
        )
        .unwrap();
        let account = find(&root, "hacluster").unwrap();
        assert_eq!((account.uid, account.gid, account.groups), (112, 119, vec![119, 8]));
        assert_eq!(find(&root, "root").unwrap().groups, [0, 8]);
        assert_eq!(
            find(&root, "hac").unwrap_err(),
            "there is no user \"hac\" in /etc/passwd"
        );
        fs::remove_dir_all(root).unwrap();
    }
}
