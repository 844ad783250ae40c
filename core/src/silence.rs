//! How long somebody was not heard, in one byte of a frame.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// A silence in one byte: tenths of a second below 12.8 s, then whole seconds up to 138 s; 255: longer, or never heard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Silence(pub u8);

impl Default for Silence {
    fn default() -> Self {
        Self::NEVER
    }
}

impl Silence {
    /// Longer than can be said, or for ever.
    pub const NEVER: Self = Self(255);
    const STEP: u64 = 12_800;

    /// Rounded down, so that nobody is accused of more silence than there was.
    #[must_use]
    pub fn of(span: Option<Span>) -> Self {
        let Some(ms) = span.map(Span::as_millis) else {
            return Self::NEVER;
        };
        let steps = if ms < Self::STEP {
            ms.checked_div(100).unwrap_or(0)
        } else {
            ms.saturating_sub(Self::STEP)
                .checked_div(1000)
                .unwrap_or(0)
                .saturating_add(128)
        };
        Self(u8::try_from(steps).unwrap_or(u8::MAX))
    }

    /// The silence said, `None` for longer than can be said.
    #[must_use]
    pub fn span(self) -> Option<Span> {
        let steps = u64::from(self.0);
        match self.0 {
            0..=127 => Some(Span::from_millis(steps.saturating_mul(100))),
            128..=254 => Some(Span::from_millis(
                steps
                    .saturating_sub(128)
                    .saturating_mul(1000)
                    .saturating_add(Self::STEP),
            )),
            255 => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_monotone_and_never_exaggerates() {
        let mut last = Silence(0);
        for ms in (0..200_000).step_by(37) {
            let said = Silence::of(Some(Span::from_millis(ms)));
            assert!(said >= last);
            if let Some(span) = said.span() {
                assert!(span.as_millis() <= ms);
            }
            last = said;
        }
        assert_eq!(Silence::of(None), Silence::NEVER);
        assert_eq!(last, Silence::NEVER);
    }
}
