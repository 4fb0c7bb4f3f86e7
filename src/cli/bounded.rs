//! A file of CSV, a bounded piece at a time.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read};
use std::rc::Rc;

/// A longer line is refused unread.
pub(super) const LONGEST_LINE: usize = 64 * 1024;

/// Hands out no more than it is allowed to, so that a quotation mark that is never closed does
/// not bring a whole file into memory; and ends the last line, where nobody did.
pub(super) struct Bounded<R> {
    source: R,
    allowance: Rc<Cell<usize>>,
    ended: Rc<Cell<bool>>,
    last: u8,
}

impl<R> Bounded<R> {
    /// `allowance` is set anew before each record; `ended` is set once there is no more.
    pub(super) fn of(source: R, allowance: Rc<Cell<usize>>, ended: Rc<Cell<bool>>) -> Self {
        Self { source, allowance, ended, last: b'\n' }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        match buffer[..length].last() {
            Some(last) => self.last = *last,
            None if buffer.is_empty() => return Ok(0),
            None if self.ended.replace(true) || self.last == b'\n' => return Ok(0),
            None => {
                self.last = b'\n';
                buffer[0] = b'\n';
                return Ok(1);
            }
        }
        let left = self.allowance.get().checked_sub(length);
        let endless = || {
            let message = format!("{}; check for a quotation mark that is not closed", too_long());
            io::Error::new(ErrorKind::InvalidData, message)
        };
        self.allowance.set(left.ok_or_else(endless)?);
        Ok(length)
    }
}

/// What is said of a line that is too long.
pub(super) fn too_long() -> String {
    format!("is longer than {} KiB", LONGEST_LINE / 1024)
}

/// What went wrong beneath, so that a reader that is gone is known for what it is.
pub(super) fn to_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(why) => why,
        _ => io::Error::new(ErrorKind::InvalidData, "is not valid CSV"),
    }
}
