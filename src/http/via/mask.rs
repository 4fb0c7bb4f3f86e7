//! Stars for a vendor's credential, wherever it comes back in an answer.

use std::collections::VecDeque;

use super::units::Unit;
use zeroize::Zeroizing;

/// Looks for secrets in a text that streams by. It holds back fewer units than the longest of them has
/// characters.
pub(super) struct Mask {
    secrets: Vec<Zeroizing<String>>,
    longest: usize,
    held: VecDeque<Unit>,
}

impl Mask {
    /// A mask for these secrets, which are ASCII.
    pub(super) fn new(secrets: Vec<Zeroizing<String>>) -> Self {
        let secrets: Vec<_> = secrets.into_iter().filter(|secret| !secret.is_empty()).collect();
        let longest = secrets.iter().map(|secret| secret.len()).max().unwrap_or(0);
        Self { secrets, longest, held: VecDeque::with_capacity(longest + 1) }
    }

    /// Takes a unit, and gives on what cannot be part of a secret any more.
    pub(super) fn push(&mut self, unit: Unit, each: impl FnOnce(Unit)) {
        self.held.push_back(unit);
        self.cover();
        if self.held.len() >= self.longest.max(1)
            && let Some(first) = self.held.pop_front()
        {
            each(first);
        }
    }

    /// Gives on all the rest.
    pub(super) fn finish(&mut self, each: impl FnMut(Unit)) {
        self.held.drain(..).for_each(each);
    }

    /// Covers a secret that ends with the last unit.
    fn cover(&mut self) {
        for secret in &self.secrets {
            let Some(start) = self.held.len().checked_sub(secret.len()) else { continue };
            let tail = self.held.range(start..).rev();
            if tail.zip(secret.bytes().rev()).all(|(unit, byte)| unit.meant == Some(byte)) {
                for unit in self.held.range_mut(start..) {
                    *unit = Unit::plain(b'*', unit.place);
                }
            }
        }
    }
}

/// A text that is all there, with stars for the secrets in it; none where it holds none.
pub(super) fn masked(text: &[u8], secrets: &[Zeroizing<String>]) -> Option<Vec<u8>> {
    let mut mask = Mask::new(secrets.to_vec());
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        let unit = Unit::plain(*byte, super::units::Place::Outside);
        mask.push(unit, |unit| out.extend_from_slice(unit.written()));
    }
    mask.finish(|unit| out.extend_from_slice(unit.written()));
    (out != text).then_some(out)
}
