//! What a client has sent ahead of its answers. Actix frames an answer by the last head that it has
//! read: whether it has a body (`HEAD`), in which version, and whether the connection goes on. So it
//! is given one request at a time, however many are sent at once (RFC 9112 §9.3.2).

use std::cell::{Cell, RefCell};

use bytes::{Buf, BytesMut};
use memchr::memchr_iter;
use tokio::io::ReadBuf;

/// How much of what comes next is the request's at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    /// All to the end of its head.
    Head(Head),
    /// So many bytes of its body.
    Body(u64),
    /// All there is, for good: its body says by itself where it ends, and what is behind it goes with
    /// it.
    All,
}

/// How much of a head has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Head {
    /// Whether it has begun: empty lines before it are none of it (RFC 9112 §2.2).
    begun: bool,
    line: Line,
}

/// What its last line has had so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Line {
    #[default]
    Nothing,
    Return,
    Text,
}

impl Line {
    fn followed_by(self, bytes: &[u8]) -> Self {
        match (self, bytes) {
            (line, []) => line,
            (Self::Nothing, b"\r") => Self::Return,
            _ => Self::Text,
        }
    }
}

impl Head {
    /// How many of these bytes belong to it, if they bring its end.
    fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut start = 0;
        for at in memchr_iter(b'\n', bytes) {
            let is_text = self.line.followed_by(&bytes[start..at]) == Line::Text;
            if !is_text && self.begun {
                return Some(at + 1);
            }
            self.begun |= is_text;
            self.line = Line::Nothing;
            start = at + 1;
        }
        self.line = self.line.followed_by(&bytes[start..]);
        None
    }
}

/// The request at hand, and what has come of those behind it.
pub struct Ahead {
    share: Cell<Share>,
    held: RefCell<BytesMut>,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { share: Cell::new(Share::Head(Head::default())), held: RefCell::default() }
    }
}

impl Ahead {
    /// Leaves in the buffer what has been read of the request at hand, from `before` on, and keeps
    /// what is behind it.
    pub fn hold_back(&self, buffer: &mut ReadBuf<'_>, before: usize) {
        let read = &buffer.filled()[before..];
        let share = self.share_of(read);
        self.held.borrow_mut().extend_from_slice(&read[share..]);
        buffer.set_filled(before + share);
    }

    /// Whether something is held back: nothing more is to be read before it.
    pub fn holds(&self) -> bool {
        !self.held.borrow().is_empty()
    }

    /// Whether something is held back that belongs to the request at hand by now.
    pub fn is_due(&self) -> bool {
        self.holds() && self.share.get() != Share::Body(0)
    }

    /// Hands on what was held back and belongs to the request at hand.
    pub fn hand_on(&self, buffer: &mut ReadBuf<'_>) {
        let mut held = self.held.borrow_mut();
        let room = held.len().min(buffer.remaining());
        let share = self.share_of(&held[..room]);
        buffer.put_slice(&held[..share]);
        held.advance(share);
    }

    /// The head at hand has been read: its request has a body of this length, or of one that only its
    /// end tells.
    pub(super) fn expect_body(&self, length: Option<u64>) {
        if self.share.get() != Share::All {
            self.share.set(length.map_or(Share::All, Share::Body));
        }
    }

    /// The request at hand is answered.
    pub(super) fn go_on(&self) {
        if self.share.get() == Share::Body(0) {
            self.share.set(Share::Head(Head::default()));
        }
    }

    /// How many of these bytes belong to the request at hand.
    fn share_of(&self, bytes: &[u8]) -> usize {
        let (share, next) = match self.share.get() {
            Share::All => return bytes.len(),
            Share::Body(left) => {
                let share = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                (share, Share::Body(left - share as u64))
            }
            Share::Head(mut head) => match head.end_in(bytes) {
                Some(end) => (end, Share::Body(0)),
                None => (bytes.len(), Share::Head(head)),
            },
        };
        self.share.set(next);
        share
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is handed on of a stream that comes in pieces of such lengths, until the head ends.
    fn first_head(stream: &[u8], lengths: &[usize]) -> Vec<u8> {
        let (ahead, mut handed, mut rest) = (Ahead::default(), Vec::new(), stream);
        for length in lengths.iter().cycle() {
            let (piece, behind) = rest.split_at((*length).min(rest.len()));
            let mut space = vec![0; piece.len() + 3];
            let mut buffer = ReadBuf::new(&mut space);
            buffer.put_slice(b"old");
            buffer.put_slice(piece);
            ahead.hold_back(&mut buffer, 3);
            handed.extend_from_slice(&buffer.filled()[3..]);
            rest = behind;
            if rest.is_empty() {
                assert_eq!(handed.len() + ahead.held.borrow().len(), stream.len());
                return handed;
            }
        }
        handed
    }

    /// The end of the first head as the parser of actix finds it.
    fn end_by_the_parser(stream: &[u8]) -> Option<usize> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        match httparse::Request::new(&mut headers).parse(stream) {
            Ok(httparse::Status::Complete(end)) => Some(end),
            Ok(httparse::Status::Partial) | Err(_) => None,
        }
    }

    proptest! {
        #[test]
        fn a_head_ends_where_the_parser_ends_it(
            lines in prop::collection::vec("(GET / HTTP/1\\.1|A: b|A:|\r|)", 0..8),
            ends in prop::collection::vec("(\r\n|\n)", 8),
            lengths in prop::collection::vec(1_usize..9, 1..5),
        ) {
            let stream: String = lines.into_iter().zip(ends).map(|(line, end)| line + &end).collect();
            let handed = first_head(stream.as_bytes(), &lengths);
            if let Some(end) = end_by_the_parser(stream.as_bytes()) {
                prop_assert_eq!(handed, &stream.as_bytes()[..end]);
            }
        }
    }

    #[test]
    fn the_next_head_comes_with_its_turn() {
        let ahead = Ahead::default();
        let mut space = [0; 64];
        let mut buffer = ReadBuf::new(&mut space);
        buffer.put_slice(b"POST / HTTP/1.1\r\n\r\nbodyGET / HTTP/1.1\r\n\r\n");
        ahead.hold_back(&mut buffer, 0);
        assert_eq!(buffer.filled(), b"POST / HTTP/1.1\r\n\r\n");
        assert!(ahead.holds() && !ahead.is_due());
        ahead.expect_body(Some(4));
        for (handed, due) in [(&b"body"[..], true), (b"", false)] {
            assert_eq!(ahead.is_due(), due);
            buffer.clear();
            ahead.hand_on(&mut buffer);
            assert_eq!(buffer.filled(), handed);
        }
        ahead.go_on();
        assert!(ahead.is_due());
        buffer.clear();
        ahead.hand_on(&mut buffer);
        assert_eq!(buffer.filled(), b"GET / HTTP/1.1\r\n\r\n");
        assert!(!ahead.holds());
    }
}
