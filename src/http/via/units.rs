//! JSON as it streams by, cut into units: a byte outside of a string, or one character of a string as it
//! is written. Nothing is parsed, so what is not JSON passes unharmed.

use memchr::{memchr_iter, memrchr};

/// The longest way to write an ASCII character: `\u0041`.
const LONGEST: usize = 6;

/// How much of a text stands before a string that does not end in it. The text begins outside of
/// strings, and holds no escape.
pub(super) fn before_open_string(text: &[u8]) -> usize {
    let is_open = memchr_iter(b'"', text).count() % 2 == 1;
    memrchr(b'"', text).filter(|_| is_open).unwrap_or(text.len())
}

/// What a unit is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Anything outside of strings.
    Outside,
    /// The quote that begins a string.
    Begin,
    /// Inside a string.
    Inside,
    /// The quote that ends a string.
    End,
}

/// One piece of the text, as it is written and as it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    written: [u8; LONGEST],
    length: u8,
    /// What it stands for, if that is ASCII.
    pub(super) meant: Option<u8>,
    pub(super) place: Place,
}

impl Unit {
    /// A byte that stands for itself.
    pub(super) fn plain(byte: u8, place: Place) -> Self {
        let meant = byte.is_ascii().then_some(byte);
        Self::new(&[byte], meant, place)
    }

    fn new(text: &[u8], meant: Option<u8>, place: Place) -> Self {
        let mut written = [0; LONGEST];
        written[..text.len()].copy_from_slice(text);
        Self { written, length: text.len() as u8, meant, place }
    }

    /// This unit, written as a star.
    pub(super) fn covered(&self) -> Self {
        Self::new(b"*", self.meant, self.place)
    }

    /// How it is written.
    pub(super) fn written(&self) -> &[u8] {
        &self.written[..usize::from(self.length)]
    }
}

/// Cuts a text into units, in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Units {
    inside: bool,
    /// An escape that has begun.
    escape: Vec<u8>,
}

impl Units {
    /// Where a byte that comes now would be, but for a quote or backslash; none where it may be part of
    /// an escape.
    pub(super) fn place(&self) -> Option<Place> {
        let place = if self.inside { Place::Inside } else { Place::Outside };
        self.escape.is_empty().then_some(place)
    }

    /// The units that end with this byte: one, none while an escape goes on, or several where one turns
    /// out to be none.
    pub(super) fn push(&mut self, byte: u8, mut each: impl FnMut(Unit)) {
        if matches!(self.escape.as_slice(), [_, b'u', ..]) && !byte.is_ascii_hexdigit() {
            // It is none, and must not hide what stands in it.
            self.finish(&mut each);
        }
        if self.escape.is_empty() {
            match (self.inside, byte) {
                (false, b'"') => {
                    self.inside = true;
                    each(Unit::plain(byte, Place::Begin));
                }
                (false, _) => each(Unit::plain(byte, Place::Outside)),
                (true, b'"') => {
                    self.inside = false;
                    each(Unit::plain(byte, Place::End));
                }
                (true, b'\\') => self.escape.push(byte),
                (true, _) => each(Unit::plain(byte, Place::Inside)),
            }
            return;
        }
        self.escape.push(byte);
        match self.escape.as_slice() {
            [_, b'u'] | [_, b'u', ..] if self.escape.len() < LONGEST => {}
            escape => {
                each(Unit::new(escape, meaning(escape), Place::Inside));
                self.escape.clear();
            }
        }
    }

    /// What is left of an escape that has not ended.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Unit)) {
        for byte in self.escape.drain(..) {
            each(Unit::plain(byte, Place::Inside));
        }
    }
}

/// What an escape stands for, if that is ASCII.
fn meaning(escape: &[u8]) -> Option<u8> {
    match escape {
        [_, b'u', digits @ ..] => {
            let digits = std::str::from_utf8(digits).ok()?;
            let code = u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
            u8::try_from(code).ok().filter(u8::is_ascii)
        }
        [_, b'n'] => Some(b'\n'),
        [_, b'r'] => Some(b'\r'),
        [_, b't'] => Some(b'\t'),
        [_, b'b'] => Some(8),
        [_, b'f'] => Some(12),
        [_, other] => Some(*other).filter(u8::is_ascii),
        _ => None,
    }
}
