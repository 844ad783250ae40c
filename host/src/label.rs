//! What a child is called.

use ovzha_core::id::GroupId;

use crate::agent;
use crate::config::Group;
use crate::haresources::Resource;
use crate::task;

/// What a child is called: of two groups' children the next life must know which belongs to which.
#[must_use]
pub fn label(op: agent::Op, resource: &Resource, group: &Group) -> String {
    format!("{} {} of {}", op.word(), resource.name, group.name())
}

/// The group whose child was called so; `None` if it was none's, or may be one of two (labels are cut).
#[must_use]
pub fn group_of(groups: &[Group], former: &str) -> Option<GroupId> {
    let ops = [
        agent::Op::Start,
        agent::Op::Stop,
        agent::Op::Probe,
        agent::Op::Observe,
        agent::Op::Monitor,
    ];
    let is_of = |group: &Group| {
        let resources = &group.resources;
        ops.iter().any(|op| {
            resources
                .iter()
                .any(|one| task::clean_label(&label(*op, one, group)) == former)
        })
    };
    let mut found = (0_u8..).zip(groups).filter(|(_, group)| is_of(group));
    match (found.next(), found.next()) {
        (Some((number, _)), None) => Some(GroupId(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(words: &[&str]) -> Group {
        let resource = |word: &&str| {
            let mut parts = word.split("::").map(str::to_owned);
            Resource {
                name: parts.next().unwrap_or_default(),
                args: parts.collect(),
                bare: false,
                line: 1,
            }
        };
        Group {
            preferred: 0,
            resources: words.iter().map(resource).collect(),
            line: 1,
        }
    }

    #[test]
    fn a_former_child_holds_up_its_own_group_alone() {
        let long = format!("Filesystem::/dev/{}", "d".repeat(60));
        let (one, two) = (format!("{long}1::/one::ext4"), format!("{long}2::/two::ext4"));
        let groups = [
            group(&["datadisk::r0", "vz"]),
            group(&["datadisk::r1", "MailTo::x"]),
            group(&[&one]),
            group(&[&two]),
        ];
        let of = |label: &str| group_of(&groups, &task::clean_label(label));
        assert_eq!(of("start vz of datadisk::r0"), Some(GroupId(0)));
        assert_eq!(of("stop MailTo of datadisk::r1"), Some(GroupId(1)));
        // cut alike, as an earlier release wrote it, of no group, of one that is not in the file any more
        let cut = label(agent::Op::Stop, &groups[3].resources[0], &groups[3]);
        for label in [cut.as_str(), "start vz", "store", "start vz of datadisk::r9"] {
            assert_eq!(of(label), None, "{label}");
        }
    }
}
