//! Which containers ought to run and which do, from the kernel's list and the files of vzctl.
use std::fs;
use std::path::Path;

/// The most bytes of one configuration file that are read.
const FILE_MAX: usize = 1024 * 1024;
/// How many containers a reason names.
const NAMED_MAX: usize = 8;

/// The value a shell-like `KEY="value"` file gives `key`; the last assignment counts, as for a shell.
#[must_use]
pub fn value_of(text: &str, key: &str) -> Option<String> {
    let assigned = |line: &str| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let value = line.strip_prefix(key)?.strip_prefix('=')?;
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value.get(1..)?.split(quote).next()?,
            _ => value.split([' ', '\t', ';', '#']).next()?,
        };
        Some(value.to_owned())
    };
    text.lines().filter_map(assigned).next_back()
}

/// Whether the value of `key` is `yes`.
#[must_use]
pub fn says_yes(text: &str, key: &str) -> bool {
    value_of(text, key).is_some_and(|value| value.eq_ignore_ascii_case("yes"))
}

/// Whether `name` is a container's id: a number of OpenVZ 6 other than 0, or a UUID of OpenVZ 7.
#[must_use]
pub fn is_id(name: &str) -> bool {
    let number = name.parse::<u64>().is_ok_and(|id| id != 0);
    let uuid = name.len() == 36 && name.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    number || uuid
}

/// The running containers by `/proc/vz/veinfo`: the id is the first word of a line, 0 is the node itself.
#[must_use]
pub fn running_by_kernel(veinfo: &str) -> Vec<String> {
    let ids = veinfo.lines().filter_map(|line| line.split_whitespace().next());
    ids.filter(|id| is_id(id)).map(ToOwned::to_owned).collect()
}

/// The running containers by `vzlist -a -H -o ctid,status`.
#[must_use]
pub fn running_by_vzlist(text: &str) -> Vec<String> {
    let running = |line: &str| {
        let (id, status) = line.trim().split_once(char::is_whitespace)?;
        (is_id(id) && status.trim() == "running").then(|| id.to_owned())
    };
    text.lines().filter_map(running).collect()
}

/// The containers that start with vz: `ONBOOT=yes` and not disabled in `CTID.conf` below `dir`.
#[must_use]
pub fn wanted(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let starts = |path: &Path| {
        let id = path.file_name()?.to_str()?.strip_suffix(".conf")?;
        let bytes = fs::read(path).ok()?;
        let text = String::from_utf8_lossy(bytes.get(..FILE_MAX).unwrap_or(&bytes));
        let starts = is_id(id) && says_yes(&text, "ONBOOT") && !says_yes(&text, "DISABLED");
        starts.then(|| id.to_owned())
    };
    let mut ids: Vec<String> = entries.filter_map(|entry| starts(&entry.path())).collect();
    ids.sort();
    ids
}

/// `containers 101, 102 and 5 more`
#[must_use]
pub fn tell(ids: &[String]) -> String {
    let named = ids
        .iter()
        .take(NAMED_MAX)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let what = if ids.len() == 1 { "container" } else { "containers" };
    match ids.len().checked_sub(NAMED_MAX + 1) {
        Some(more) => format!("{what} {named} and {} more", more + 1),
        None => format!("{what} {named}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_a_shell_would() {
        let text =
            "# LOCKDIR=/no\nLOCKDIR=/vz/lock # here\nVIRTUOZZO=\"yes\"\nexport A='b c'\nLOCKDIR=/run/vz\nXLOCKDIR=/x\n";
        assert_eq!(value_of(text, "LOCKDIR").as_deref(), Some("/run/vz"));
        assert_eq!(value_of(text, "A").as_deref(), Some("b c"));
        assert!(says_yes(text, "VIRTUOZZO") && !says_yes(text, "ONBOOT"));
    }

    #[test]
    fn the_node_itself_is_no_container() {
        let veinfo = "         0     0   143\n       102     0    20  10.0.0.2\n       101     0    19\n";
        assert_eq!(running_by_kernel(veinfo), ["102", "101"]);
        let seven = "550e8400-e29b-41d4-a716-446655440000 0 12\n";
        assert_eq!(running_by_kernel(seven).len(), 1);
    }

    #[test]
    fn vzlist_counts_running_ones_only() {
        let text = "       101 running  \n       102 stopped\n       103 mounted\n       104 suspended\n";
        assert_eq!(running_by_vzlist(text), ["101"]);
    }
}
