//! Reads an input as a row of choices, so that a changed byte changes one choice and what is cut off is not made.

/// What is left of the input.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// All of it.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Nothing is left.
    pub const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// A byte; 0 when nothing is left.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// One of `n` numbers from 0 on.
    pub fn below(&mut self, n: u8) -> u8 {
        self.byte() % n.max(1)
    }

    /// One of these.
    pub fn pick<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        of[usize::from(self.byte()) % N]
    }

    /// One of two.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Four bytes.
    pub fn word(&mut self) -> [u8; 4] {
        std::array::from_fn(|_| self.byte())
    }

    /// At most `n` bytes as they stand.
    pub fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
