//! Collects into a vector of fixed capacity without a panic path.

use heapless::Vec;

/// The first `N` items, in order. heapless's own `collect` panics on one too many; here it is left out.
pub(crate) fn gather<T, const N: usize>(items: impl IntoIterator<Item = T>) -> Vec<T, N> {
    let mut all = Vec::new();
    for item in items {
        if all.push(item).is_err() {
            break;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::gather;

    #[test]
    fn takes_what_has_room() {
        assert_eq!(gather::<_, 3>(0..2), [0, 1]);
        assert_eq!(gather::<_, 3>(0..9), [0, 1, 2]);
    }
}
