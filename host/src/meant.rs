//! Which groups the words of a request mean: Heartbeat's sets, and groups by number or name.
//!
//! | word | `standby` gives | `takeover` takes |
//! |---|---|---|
//! | `all`, or no word | every group | every group |
//! | `local` | what prefers this node | what prefers this node |
//! | `foreign` | what prefers the other node | what prefers the other node |
//! | `failback` | as `foreign`: it goes where it belongs | as `local`: it comes where it belongs |
//!
//! Several words mean the groups of all of them. A word for a set is never a group's name; such a group has its number.

use ovzha_core::id::{GroupId, GroupSet};

use crate::config::{Config, Group};
use crate::diagnostic::quote;

/// The groups of a `standby` or, with `takeover`, of a `takeover`.
///
/// # Errors
/// A sentence about the word that means none.
pub fn groups(config: &Config, takeover: bool, words: &[String]) -> Result<GroupSet, String> {
    let mut meant = GroupSet::default();
    for word in words {
        for place in one_word(config, takeover, word)?.places() {
            meant.insert(place);
        }
    }
    Ok(if words.is_empty() {
        preferring(config, |_| true)
    } else {
        meant
    })
}

fn one_word(config: &Config, takeover: bool, word: &str) -> Result<GroupSet, String> {
    let here = match (word, takeover) {
        ("all", _) => return Ok(preferring(config, |_| true)),
        ("local", _) | ("failback", true) => true,
        ("foreign", _) | ("failback", false) => false,
        (_, _) => return group(config, word).map(|group| GroupSet::of([usize::from(group.0)])),
    };
    let set = preferring(config, |node| (node == config.me) == here);
    if set.is_empty() {
        let node = if here { config.own_node() } else { config.peer_node() };
        return Err(format!("{word}: no group of haresources prefers {node}"));
    }
    Ok(set)
}

fn preferring(config: &Config, wanted: impl Fn(usize) -> bool) -> GroupSet {
    let places = config.groups.iter().enumerate();
    GroupSet::of(
        places
            .filter(|(_, group)| wanted(group.preferred))
            .map(|(place, _)| place),
    )
}

/// The other node, if that is what the word means.
///
/// # Errors
/// A sentence about it.
pub fn peer(config: &Config, word: &str) -> Result<(), String> {
    let (peer, own) = (config.peer_node(), config.own_node());
    match word.to_ascii_lowercase() {
        name if name == peer => Ok(()),
        name if name == own => Err(format!("{own} is this node: say it about {peer}, on {own}")),
        _ => Err(format!("{} is no node: the other one is {peer}", quote(word))),
    }
}

/// The group that has this DRBD resource.
///
/// # Errors
/// A sentence that names those there are.
pub fn group_of_drbd(config: &Config, resource: &str) -> Result<GroupId, String> {
    let names = |group: &Group| -> Vec<String> {
        let drbd = group.resources.iter().filter(|one| one.is_drbd());
        drbd.filter_map(|one| one.args.first().cloned()).collect()
    };
    let place = config
        .groups
        .iter()
        .position(|group| names(group).iter().any(|name| name == resource));
    let place = place.and_then(|place| u8::try_from(place).ok());
    place.map(GroupId).ok_or_else(|| {
        let known: Vec<String> = config.groups.iter().flat_map(names).collect();
        format!(
            "no group has the DRBD resource {}; known: {}",
            quote(resource),
            known.join(", ")
        )
    })
}

/// The group of this name, or of this number.
///
/// # Errors
/// A sentence that names those there are.
pub fn group(config: &Config, word: &str) -> Result<GroupId, String> {
    let named = config.groups.iter().position(|group| group.name() == word);
    let number = || word.parse().ok().filter(|number| *number < config.groups.len());
    let place = named.or_else(number).and_then(|place| u8::try_from(place).ok());
    place.map(GroupId).ok_or_else(|| {
        let known: Vec<String> = config.groups.iter().map(Group::name).collect();
        format!("no group is called {}; known: {}", quote(word), known.join(", "))
    })
}
