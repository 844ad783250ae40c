//! First in, first out, on a fixed vector that can be hashed and compared.

use heapless::Vec;

/// Takes the oldest element. Short queues only: every call touches all of them.
pub(crate) fn pop_front<T, const N: usize>(queue: &mut Vec<T, N>) -> Option<T> {
    queue.reverse();
    let first = queue.pop();
    queue.reverse();
    first
}
