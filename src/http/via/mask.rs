//! Stars for a vendor's credential, wherever it comes back in an answer.

use std::collections::VecDeque;

use memchr::memmem;
use zeroize::Zeroizing;

use super::units::{Place, Unit};

/// Looks for secrets in a text that streams by. It holds back what may be the beginning of one, and
/// nothing else.
pub(super) struct Mask {
    /// The longest first, so that a secret that ends with another is covered whole.
    secrets: Vec<Zeroizing<String>>,
    /// The bytes that a secret may begin with.
    first: [bool; 256],
    held: VecDeque<Unit>,
}

impl Mask {
    /// A mask for these secrets, which are ASCII.
    pub(super) fn new(secrets: Vec<Zeroizing<String>>) -> Self {
        let mut secrets: Vec<_> = secrets.into_iter().filter(|secret| !secret.is_empty()).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let mut first = [false; 256];
        for secret in &secrets {
            first[usize::from(secret.as_bytes()[0])] = true;
        }
        Self { secrets, first, held: VecDeque::new() }
    }

    /// Whether nothing is held back.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether a secret may begin with a byte.
    pub(super) fn may_begin(&self, byte: u8) -> bool {
        self.first[usize::from(byte)]
    }

    /// How many bytes at the beginning of a text are part of no secret, whatever follows the text. They
    /// are meant as they are written, and nothing is held back.
    pub(super) fn clear(&self, text: &[u8]) -> usize {
        let mut clear = text.len();
        for secret in &self.secrets {
            // One that begins later may end behind the text.
            let known = (text.len() + 1).saturating_sub(secret.len());
            let found = memmem::find(text, secret.as_bytes()).unwrap_or(known);
            clear = clear.min(found);
        }
        clear
    }

    /// Takes a unit, and gives on what cannot be part of a secret any more.
    pub(super) fn push(&mut self, unit: Unit, mut each: impl FnMut(Unit)) {
        let may_begin = unit.meant.is_some_and(|byte| self.may_begin(byte));
        if self.held.is_empty() && !may_begin {
            return each(unit);
        }
        self.held.push_back(unit);
        self.cover();
        while !self.held.is_empty() && !self.begins_secret() {
            self.held.pop_front().into_iter().for_each(&mut each);
        }
    }

    /// Gives on all the rest.
    pub(super) fn finish(&mut self, each: impl FnMut(Unit)) {
        self.held.drain(..).for_each(each);
    }

    /// Covers a secret that ends with the last unit. What it is meant to be is kept, since it may be
    /// part of a longer one.
    fn cover(&mut self) {
        for secret in &self.secrets {
            let Some(start) = self.held.len().checked_sub(secret.len()) else { continue };
            if is_meant(self.held.range(start..), secret.as_bytes()) {
                for unit in self.held.range_mut(start..) {
                    *unit = unit.covered();
                }
                return;
            }
        }
    }

    /// Whether more of a secret may follow what is held.
    fn begins_secret(&self) -> bool {
        let held = self.held.len();
        let mut longer = self.secrets.iter().filter(|secret| secret.len() > held);
        longer.any(|secret| is_meant(self.held.iter(), &secret.as_bytes()[..held]))
    }
}

fn is_meant<'a>(mut units: impl Iterator<Item = &'a Unit>, text: &[u8]) -> bool {
    let mut text = text.iter();
    units.all(|unit| unit.meant.as_ref() == text.next())
}

/// A text that is all there, with stars for the secrets in it; none where it holds none.
pub(super) fn masked(text: &[u8], secrets: &[Zeroizing<String>]) -> Option<Vec<u8>> {
    // Most headers are shorter than any secret, and preparing a search costs more than that.
    let holds = |secret: &Zeroizing<String>| {
        (1..=text.len()).contains(&secret.len()) && memmem::find(text, secret.as_bytes()).is_some()
    };
    if !secrets.iter().any(holds) {
        return None;
    }
    let mut mask = Mask::new(secrets.to_vec());
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        let unit = Unit::plain(*byte, Place::Outside);
        mask.push(unit, |unit| out.extend_from_slice(unit.written()));
    }
    mask.finish(|unit| out.extend_from_slice(unit.written()));
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_byte_of_every_secret_is_covered_and_no_other(
            text in "[abc]{0,24}",
            secrets in prop::collection::vec("[ab]{1,4}", 1..4),
        ) {
            let mut wanted = text.clone().into_bytes();
            for secret in &secrets {
                for start in 0..text.len() {
                    if text[start..].starts_with(secret.as_str()) {
                        wanted[start..start + secret.len()].fill(b'*');
                    }
                }
            }
            let secrets: Vec<_> = secrets.into_iter().map(Zeroizing::new).collect();
            let covered = masked(text.as_bytes(), &secrets).unwrap_or(text.into_bytes());
            prop_assert_eq!(String::from_utf8(covered), String::from_utf8(wanted));
        }
    }
}
