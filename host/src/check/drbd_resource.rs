//! One resource of `drbd.conf` as DRBD reads it: its own statements, else those of `common`.

use super::drbd_conf::Statement;

/// The statements of the whole configuration, looked at for one resource.
pub(super) struct Resource<'a> {
    pub(super) name: &'a str,
    pub(super) statements: &'a [Statement],
}

impl<'a> Resource<'a> {
    /// The statement that counts: the resource's own, else the one of `common`.
    pub(super) fn effective(&self, word: &str) -> Option<&'a Statement> {
        let named = |statement: &&Statement| statement.words.first().is_some_and(|first| first == word);
        let own = |statement: &&Statement| statement.resource() == Some(self.name);
        self.statements
            .iter()
            .rfind(|statement| named(statement) && own(statement))
            .or_else(|| {
                self.statements
                    .iter()
                    .rfind(|statement| named(statement) && statement.is_common())
            })
    }

    /// The number a setting has, with its place; `None` where it isn't set or is no number.
    pub(super) fn number(&self, word: &str) -> Option<(u32, &'a Statement)> {
        let at = self.effective(word)?;
        Some((at.words.get(1)?.parse().ok()?, at))
    }

    /// The statements of its own, in their order.
    pub(super) fn own(&self) -> impl Iterator<Item = &'a Statement> {
        self.statements
            .iter()
            .filter(|statement| statement.resource() == Some(self.name))
    }

    /// How many hosts its `on` sections name.
    pub(super) fn host_count(&self) -> usize {
        let mut hosts: Vec<&String> = self.own().filter_map(Statement::hosts).flatten().collect();
        hosts.sort();
        hosts.dedup();
        hosts.len()
    }

    /// The devices of the resource on `node`; on all hosts if no `on` section names it.
    pub(super) fn devices(&self, node: Option<&str>) -> Vec<String> {
        let is_device = |s: &&Statement| s.words.first().is_some_and(|word| word == "device");
        let all: Vec<&Statement> = self.own().filter(is_device).collect();
        let on_node = |s: &&&Statement| {
            let host = |host: &String| node.is_some_and(|node| host.eq_ignore_ascii_case(node));
            s.hosts().is_none_or(|hosts| hosts.iter().any(host))
        };
        let mine: Vec<&Statement> = all.iter().filter(on_node).copied().collect();
        let chosen = if mine.is_empty() { all } else { mine };
        chosen.into_iter().filter_map(device_path).collect()
    }
}

/// `device /dev/drbd0;`, `device /dev/drbd0 minor 0;`, `device minor 0;`
fn device_path(statement: &Statement) -> Option<String> {
    match statement.words.get(1..)? {
        [minor, number, ..] if minor == "minor" => Some(format!("/dev/drbd{number}")),
        [path, ..] => Some(path.clone()),
        [] => None,
    }
}
