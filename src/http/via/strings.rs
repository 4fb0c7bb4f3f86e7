//! What is changed of a JSON answer besides masking: links to the vendor at the beginning of strings, and
//! the values of fields that are not to be seen.

use memchr::memmem;

use super::links::{Links, Match};
use super::units::{Place, Unit, before_open_string};

/// What stands for a value that is hidden.
const HIDDEN: u8 = b'*';

/// Changes strings as they stream by, in constant memory.
pub(super) struct Strings {
    links: Links,
    /// Fields whose values are hidden.
    hidden: Vec<&'static str>,
    longest_name: usize,
    /// Whether the string at hand may begin with a link; what there is of it, as it is written and as
    /// it is meant.
    beginning: bool,
    begun: Vec<Unit>,
    text: Vec<u8>,
    /// The last string, up to one character more than a name has: it is a name if a colon follows.
    last: Vec<u8>,
    hiding: Hiding,
}

/// How far a value is that is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hiding {
    /// Nothing is hidden.
    No,
    /// The value is about to begin.
    Next,
    /// A number, up to its end.
    Number { depth: u32 },
    /// A string that is the whole value.
    Text,
    /// A list or an object, so many levels deep.
    Inside { depth: u32 },
}

impl Strings {
    pub(super) fn new(links: Links, hidden: Vec<&'static str>) -> Self {
        let longest_name = hidden.iter().map(|name| name.len()).max().unwrap_or(0);
        let (begun, text, last) = (Vec::new(), Vec::new(), Vec::new());
        let (beginning, hiding) = (false, Hiding::No);
        Self { links, hidden, longest_name, beginning, begun, text, last, hiding }
    }

    /// Whether what comes at this place passes as it is, up to the next byte that is
    /// [telling](Self::is_telling).
    pub(super) fn passes(&self, place: Place) -> bool {
        let is_known = place == Place::Outside || self.last.len() > self.longest_name;
        self.hiding == Hiding::No && !self.beginning && is_known
    }

    /// Whether what comes at this place is independent of all that has come: outside of strings, where
    /// nothing is hidden and no colon can follow a name.
    pub(super) fn begins_anew(&self, place: Place) -> bool {
        place == Place::Outside && self.hiding == Hiding::No && self.last.is_empty()
    }

    /// How many bytes at the beginning of a text pass as they are, whatever follows the text, which
    /// [begins anew](Self::begins_anew) and holds no escape. What is behind them begins anew, too.
    pub(super) fn clear(&self, text: &[u8]) -> usize {
        let mut clear = text;
        for telling in [Links::SLASHES].iter().chain(&self.hidden) {
            let found = memmem::find(clear, telling.as_bytes());
            clear = &clear[..found.unwrap_or(clear.len())];
        }
        before_open_string(clear)
    }

    /// Whether a byte changes the place, or what is done there.
    pub(super) fn is_telling(&self, byte: u8, place: Place) -> bool {
        match byte {
            b'"' => true,
            b'\\' => place == Place::Inside,
            b':' => place == Place::Outside && !self.last.is_empty(),
            _ => false,
        }
    }

    /// Learns of what has passed outside of strings: a colon behind it follows no name.
    pub(super) fn passed(&mut self, text: &[u8], place: Place) {
        if place == Place::Outside && !text.iter().all(u8::is_ascii_whitespace) {
            self.last.clear();
        }
    }

    /// Takes a unit, and writes what it becomes.
    pub(super) fn push(&mut self, unit: Unit, out: &mut Vec<u8>) {
        match unit.place {
            Place::Outside => self.outside(unit, out),
            Place::Begin => self.begin(unit, out),
            Place::Inside => self.inside(unit, out),
            Place::End => {
                self.end_text(out);
                if self.hiding == Hiding::Text {
                    self.hiding = Hiding::No;
                }
                out.extend_from_slice(unit.written());
            }
        }
    }

    /// Writes what is left at the end of the text.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.settle(out);
    }

    fn begin(&mut self, unit: Unit, out: &mut Vec<u8>) {
        self.end_number();
        self.last.clear();
        if self.hiding == Hiding::Next {
            self.hiding = Hiding::Text;
        }
        out.extend_from_slice(unit.written());
        if self.hides() {
            out.push(HIDDEN);
        } else {
            self.beginning = true;
        }
    }

    fn inside(&mut self, unit: Unit, out: &mut Vec<u8>) {
        if self.last.len() <= self.longest_name {
            self.last.push(unit.meant.unwrap_or_default());
        }
        if self.hides() {
            return;
        }
        if !self.beginning {
            return out.extend_from_slice(unit.written());
        }
        if self.begun.is_empty() && !unit.meant.is_some_and(|byte| self.links.may_begin(byte)) {
            self.beginning = false;
            return out.extend_from_slice(unit.written());
        }
        self.begun.push(unit);
        self.text.push(unit.meant.unwrap_or_default());
        match self.links.compare(&self.text) {
            Match::Begun => {}
            Match::No => self.settle(out),
            Match::Whole(_) => {
                self.replace(out);
                out.extend_from_slice(unit.written());
            }
        }
    }

    /// The string at hand begins with a link, which leads here from now on.
    fn replace(&mut self, out: &mut Vec<u8>) {
        let escaped = self.begun.iter().any(|unit| unit.written() == b"\\/");
        let here = self.links.here();
        let here = if escaped { here.replace('/', "\\/") } else { here.to_owned() };
        out.extend_from_slice(here.as_bytes());
        self.end_beginning();
    }

    /// The string at hand ends: it may be a link without a path.
    fn end_text(&mut self, out: &mut Vec<u8>) {
        if !self.begun.is_empty() && self.links.is_bare(&self.text) {
            self.replace(out);
        } else {
            self.settle(out);
        }
    }

    /// The string at hand does not begin with a link.
    fn settle(&mut self, out: &mut Vec<u8>) {
        for unit in &self.begun {
            out.extend_from_slice(unit.written());
        }
        self.end_beginning();
    }

    fn end_beginning(&mut self) {
        self.beginning = false;
        self.begun.clear();
        self.text.clear();
    }

    fn outside(&mut self, unit: Unit, out: &mut Vec<u8>) {
        let byte = unit.meant.unwrap_or_default();
        let in_number = byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if matches!(self.hiding, Hiding::Number { .. }) {
            if in_number {
                return;
            }
            self.end_number();
        }
        self.hiding = match (self.hiding, byte) {
            (Hiding::No, b':') if self.names_hidden() => Hiding::Next,
            (Hiding::Next, b'{' | b'[') => Hiding::Inside { depth: 1 },
            (Hiding::Inside { depth }, b'{' | b'[') => Hiding::Inside { depth: depth + 1 },
            (Hiding::Inside { depth: 1 }, b'}' | b']') => Hiding::No,
            (Hiding::Inside { depth }, b'}' | b']') => Hiding::Inside { depth: depth - 1 },
            (Hiding::Next, b'0'..=b'9' | b'-') => self.hide_number(0, out),
            (Hiding::Inside { depth }, b'0'..=b'9' | b'-') => self.hide_number(depth, out),
            // null, true and false tell nothing.
            (Hiding::Next, b'a'..=b'z') => Hiding::No,
            (unchanged, _) => unchanged,
        };
        if !byte.is_ascii_whitespace() {
            self.last.clear();
        }
        if !matches!(self.hiding, Hiding::Number { .. }) {
            out.extend_from_slice(unit.written());
        }
    }

    fn hide_number(&self, depth: u32, out: &mut Vec<u8>) -> Hiding {
        out.extend_from_slice(&[b'"', HIDDEN, b'"']);
        Hiding::Number { depth }
    }

    fn end_number(&mut self) {
        self.hiding = match self.hiding {
            Hiding::Number { depth: 0 } => Hiding::No,
            Hiding::Number { depth } => Hiding::Inside { depth },
            other => other,
        };
    }

    /// Whether the last string is the name of a field that is hidden.
    fn names_hidden(&self) -> bool {
        self.hidden.iter().any(|name| name.as_bytes() == self.last)
    }

    fn hides(&self) -> bool {
        matches!(self.hiding, Hiding::Text | Hiding::Inside { .. })
    }
}
