//! Whether DRBD keeps I/O waiting: while it asks a fence-peer handler, has no data or no quorum, or was told to.
//!
//! Up to 8.4 the first flag of the device's line in `/proc/drbd` says so (0.7 has neither flags nor the state); 9
//! has no such lines, and its `status` says so. What can't be read is no news: then nothing is suspended.

/// Whether the device of this minor is suspended, by `/proc/drbd` of 8.x; `None` for any minor.
#[must_use]
pub fn by_proc(text: &str, minor: Option<u32>) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        let number = words
            .next()
            .and_then(|word| word.strip_suffix(':')?.parse::<u32>().ok());
        let is_meant = number.is_some_and(|number| minor.is_none_or(|minor| minor == number));
        // cs, roles and disks; the protocol is a blank where there is no peer, so the flags are what comes last
        let flags = words.skip_while(|word| !word.starts_with("ds:")).skip(1);
        is_meant
            && flags
                .last()
                .is_some_and(|flags| is_flags(flags) && flags.starts_with('s'))
    })
}

/// Four letters or dashes in 8.0, later six.
fn is_flags(word: &str) -> bool {
    word.len() >= 4 && word.chars().all(|letter| letter == '-' || letter.is_ascii_lowercase())
}

/// Whether `drbdadm status` of one resource of 9 says suspended. Its lines are wrapped anywhere between two words.
#[must_use]
pub fn by_status(text: &str) -> bool {
    let mut words = text.split_whitespace();
    words.any(|word| word.strip_prefix("suspended:").is_some_and(|why| why != "no"))
}

/// Whether this is the `/proc/drbd` of 9.
#[must_use]
pub fn is_9(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.starts_with("version: 9."))
}
