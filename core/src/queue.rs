//! First in, first out, on a fixed vector that can be hashed and compared.

use heapless::Vec;

/// Takes the oldest element. Short queues only: every call touches all of them.
pub(crate) fn pop_front<T, const N: usize>(queue: &mut Vec<T, N>) -> Option<T> {
    // Swaps the first to the end. `reverse` or `remove` would leave a panicking symbol in a build for size.
    let mut rest = queue.as_mut_slice();
    while let [first, others @ ..] = rest {
        if let Some(next) = others.first_mut() {
            core::mem::swap(first, next);
        }
        rest = others;
    }
    queue.pop()
}

#[cfg(test)]
mod tests {
    use super::pop_front;

    #[test]
    fn the_oldest_goes_and_the_order_stays() {
        let mut queue: heapless::Vec<u8, 4> = heapless::Vec::from_slice(&[1, 2, 3]).unwrap();
        assert_eq!(pop_front(&mut queue), Some(1));
        assert_eq!(queue, [2, 3]);
        queue.clear();
        assert_eq!(pop_front(&mut queue), None);
    }
}
