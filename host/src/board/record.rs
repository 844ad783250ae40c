//! Makes a board's record from a node's own files.

use heapless::{String as Short, Vec as Few};
use ovzha_board_logic::provision::{Digest, Hand, KEYS_MAX, Key, NAME_MAX, Provision, Unfit};
use ovzha_board_logic::relay::Hold;
use ovzha_core::auth::Keyring;
use ovzha_core::id::{ClusterId, KeyId};
use ovzha_core::time::Span;

use crate::config::Files;
use crate::core_config::{board_keyring, cluster_id, witness_keyring};

/// What an admin chooses beside the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// What the board may do with the nodes' power.
    pub hand: Hand,
    /// When a cut ends.
    pub hold: Hold,
    /// How long it lasts.
    pub off_for: Span,
    /// The sense inputs are wired.
    pub sensed: bool,
    /// The longest time the board lends for.
    pub lends_for: Span,
}

/// The record; `lives` is drawn by chance.
///
/// # Errors
/// One sentence: a key that can't be used, or too many of them, or a time that the board can't go by.
pub fn make(files: &Files, wanted: Wanted, lives: u32) -> Result<Provision, String> {
    let mut nodes: Vec<String> = files.ha_cf.nodes.iter().map(|node| node.value.to_lowercase()).collect();
    nodes.sort();
    let nodes: [String; 2] = nodes
        .try_into()
        .map_err(|_| "ha.cf: two `node` lines are needed".to_owned())?;
    let ClusterId(cluster) = cluster_id(&nodes);
    let orders = keys(&board_keyring(&files.keys)?)?.into_iter().next();
    let deadtime = files.ha_cf.timings.deadtime;
    if wanted.lends_for < deadtime {
        return Err(format!(
            "--lends-for is {}, and ha.cf asks for votes of {deadtime}: the board would refuse them",
            wanted.lends_for
        ));
    }
    let ms = |span: Span| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
    let provision = Provision {
        cluster,
        nodes: nodes.each_ref().map(|name| short(name)),
        keys: keys(&witness_keyring(&files.keys)?)?,
        orders: orders.ok_or("authkeys: there is no key")?,
        keepalive_ms: ms(files.ha_cf.timings.keepalive),
        longest_ms: ms(wanted.lends_for),
        hand: wanted.hand,
        hold: wanted.hold,
        off_ms: ms(wanted.off_for),
        sensed: wanted.sensed,
        lives,
    };
    provision.check().map_err(|unfit| why(unfit).to_owned())?;
    Ok(provision)
}

/// Why the board would not take it, in words.
#[must_use]
pub fn why(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::Keepalive => "keepalive is at least 50 ms",
        Unfit::Longest => "--lends-for is 1 s to 240 s",
        Unfit::OffFor => "--off-for is 1 s to 120 s",
        Unfit::Keys => "the keys can't be used",
        Unfit::Sense => "in place of watchdogs a cut must be seen: wire the sense inputs",
    }
}

/// The signing key, then the others.
fn keys(ring: &Keyring) -> Result<Few<Key, KEYS_MAX>, String> {
    let mut keys = Few::new();
    let others = (0..16).map(KeyId).filter(|id| ring.signing() != Some(*id));
    for id in ring.signing().into_iter().chain(others) {
        let Some((method, derived)) = ring.derived(id) else {
            continue;
        };
        let digest = Digest::of(method).ok_or("authkeys: a key of the method crc proves nothing")?;
        let (id, derived) = (id.0, *derived);
        let pushed = keys.push(Key { id, digest, derived });
        pushed.map_err(|_| format!("authkeys: a board takes {KEYS_MAX} keys: remove the old ones first"))?;
    }
    Ok(keys)
}

/// As much of a name as the board keeps.
#[must_use]
pub fn short(name: &str) -> Short<NAME_MAX> {
    name.chars()
        .take_while({
            let mut room = NAME_MAX;
            move |c| {
                let left = room.checked_sub(c.len_utf8());
                room = left.unwrap_or(0);
                left.is_some()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ovzha_core::auth::{Domain, Method};

    #[test]
    fn a_long_name_is_cut_between_two_letters() {
        assert_eq!(short("ovz-node1").as_str(), "ovz-node1");
        assert_eq!(short(&"n".repeat(30)).as_str(), "n".repeat(24));
        assert_eq!(short(&format!("{}äb", "n".repeat(23))).as_str(), "n".repeat(23));
    }

    #[test]
    fn the_signing_key_comes_first_and_there_is_room_for_one_more() {
        let mut ring = Keyring::new(Domain::Witness);
        ring.add(KeyId(0), Method::Md5, b"old").unwrap();
        ring.add(KeyId(7), Method::Sha256, b"new").unwrap();
        ring.sign_with(KeyId(7)).unwrap();
        let ids: Vec<u8> = keys(&ring).unwrap().iter().map(|key| key.id).collect();
        assert_eq!(ids, [7, 0]);
        ring.add(KeyId(3), Method::Sha1, b"one more").unwrap();
        assert!(keys(&ring).is_err_and(|why| why.contains("a board takes 2 keys")));
    }
}
