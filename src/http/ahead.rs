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
    /// Its body to the last of its chunks.
    Chunks(Chunks),
    /// Nothing more: what came is no chunk, and where the next request begins is not known.
    Broken,
}

/// Where a body ends (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyEnd {
    /// After so many bytes.
    After(u64),
    /// With the last of its chunks.
    Chunks,
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

/// How much of a chunked body has come (RFC 9112 §7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunks {
    /// The beginning of a line with a size, which has one digit at least.
    Start,
    /// A size, so far.
    Size(u64),
    /// Space behind it.
    Space(u64),
    /// What may follow the size on its line.
    Extension(u64),
    /// That line, but for a line feed.
    SizeReturn(u64),
    /// So many bytes of data, and the end of its line.
    Data(u64),
    DataReturn,
    /// The beginning of a line behind the last chunk.
    Last,
    /// The end of the body, but for a line feed.
    LastReturn,
    /// A trailer, and its end but for a line feed.
    Trailer,
    TrailerReturn,
    /// The last byte of the body.
    End,
}

/// What some bytes are to a body of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All of them are some of it.
    Middle,
    /// So many are the rest of it.
    Rest(usize),
    /// So many are some of it, and what follows is no chunk.
    Broken(usize),
}

impl Chunks {
    /// What these bytes are to it, which follow what has come.
    fn part_in(&mut self, bytes: &[u8]) -> Part {
        let mut at = 0;
        while at < bytes.len() {
            if let Self::Data(left @ 1..) = *self {
                let here = left.min((bytes.len() - at) as u64);
                *self = Self::Data(left - here);
                at += here as usize;
                continue;
            }
            let Some(next) = self.followed_by(bytes[at]) else { return Part::Broken(at) };
            at += 1;
            if next == Self::End {
                return Part::Rest(at);
            }
            *self = next;
        }
        Part::Middle
    }

    fn followed_by(self, byte: u8) -> Option<Self> {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        Some(match (self, byte) {
            (Self::Start, _) => Self::Size(digit?),
            (Self::Size(size) | Self::Extension(size) | Self::Space(size), b'\r') => {
                Self::SizeReturn(size)
            }
            (Self::Size(size) | Self::Space(size), b' ' | b'\t') => Self::Space(size),
            (Self::Size(size) | Self::Space(size), b';') => Self::Extension(size),
            (Self::Size(size), _) => Self::Size(size.checked_mul(16)? + digit?),
            (Self::Space(_), _) => return None,
            (Self::Extension(_), byte) if byte.is_ascii_control() && byte != b'\t' => return None,
            (Self::Extension(size), _) => Self::Extension(size),
            (Self::SizeReturn(0), b'\n') => Self::Last,
            (Self::SizeReturn(size), b'\n') => Self::Data(size),
            (Self::Data(_), b'\r') => Self::DataReturn,
            (Self::DataReturn, b'\n') => Self::Start,
            (Self::SizeReturn(_) | Self::Data(_) | Self::DataReturn, _) => return None,
            (Self::LastReturn | Self::End, _) => Self::End,
            (Self::TrailerReturn, _) => Self::Last,
            (Self::Last, b'\r') => Self::LastReturn,
            (Self::Trailer, b'\r') => Self::TrailerReturn,
            (Self::Last | Self::Trailer, _) => Self::Trailer,
        })
    }
}

/// How much is read ahead, in bytes: only to learn that a client has gone.
const MOST: usize = 16 * 1024;

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

    /// Whether the body at hand has turned out to be none: nothing more is read, as if the client had
    /// sent no more, so that it is answered.
    pub fn is_broken(&self) -> bool {
        self.share.get() == Share::Broken
    }

    /// Whether all of the request at hand has come, as far as it is known where that ends.
    pub fn is_whole(&self) -> bool {
        self.share.get() == Share::Body(0)
    }

    /// Whether something is held back: it comes before what is read next.
    pub fn holds(&self) -> bool {
        !self.held.borrow().is_empty()
    }

    /// Whether more is taken while something is held back.
    pub fn has_room(&self) -> bool {
        self.held.borrow().len() < MOST
    }

    /// Holds back what was read while it was not its turn.
    pub fn hold(&self, bytes: &[u8]) {
        self.held.borrow_mut().extend_from_slice(bytes);
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

    /// The head at hand has been read: its request has a body that ends there.
    pub(super) fn expect_body(&self, end: BodyEnd) {
        self.share.set(match end {
            BodyEnd::After(length) => Share::Body(length),
            BodyEnd::Chunks => Share::Chunks(Chunks::Start),
        });
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
            Share::Body(left) => {
                let share = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                (share, Share::Body(left - share as u64))
            }
            Share::Head(mut head) => match head.end_in(bytes) {
                Some(end) => (end, Share::Body(0)),
                None => (bytes.len(), Share::Head(head)),
            },
            Share::Chunks(mut chunks) => match chunks.part_in(bytes) {
                Part::Middle => (bytes.len(), Share::Chunks(chunks)),
                Part::Rest(end) => (end, Share::Body(0)),
                Part::Broken(end) => (end, Share::Broken),
            },
            Share::Broken => (0, Share::Broken),
        };
        self.share.set(next);
        share
    }
}

#[cfg(test)]
mod tests {
    use actix_codec::Decoder;
    use actix_http::h1::{Codec, Message};
    use actix_web::rt::System;
    use proptest::prelude::*;

    use super::*;
    use crate::http::request_body::end_of_body;

    /// What is handed on of a stream that comes in pieces of such lengths while it is `ahead`'s
    /// request.
    fn handed_on(ahead: &Ahead, mut stream: &[u8], lengths: &[usize]) -> Vec<u8> {
        let mut handed = Vec::new();
        for length in lengths.iter().cycle() {
            let (piece, rest) = stream.split_at((*length).min(stream.len()));
            let mut space = vec![0; piece.len() + 3];
            let mut buffer = ReadBuf::new(&mut space);
            buffer.put_slice(b"old");
            buffer.put_slice(piece);
            ahead.hold_back(&mut buffer, 3);
            handed.extend_from_slice(&buffer.filled()[3..]);
            stream = rest;
            if stream.is_empty() {
                break;
            }
        }
        handed
    }

    /// How much of a stream actix takes for the first head, and for the body behind it.
    async fn as_actix_reads(stream: &[u8]) -> Option<(usize, BodyEnd, usize)> {
        let (mut codec, mut rest) = (Codec::default(), BytesMut::from(stream));
        let Ok(Some(Message::Item(request))) = codec.decode(&mut rest) else { return None };
        let (head, end) = (stream.len() - rest.len(), end_of_body(request.head()));
        if end != BodyEnd::After(0) {
            while let Message::Chunk(Some(_)) = codec.decode(&mut rest).ok()?? {}
        }
        Some((head, end, stream.len() - rest.len() - head))
    }

    proptest! {
        #[test]
        fn a_request_ends_where_actix_ends_it(
            before in prop::collection::vec("(\r\n|\n)", 0..3),
            lines in prop::collection::vec("(A: b|A:|B: \t\u{e4})(\r\n|\n)", 0..4),
            framing in "(|Content-Length: [0-9]\r\n|Transfer-Encoding: chunked\r\n)",
            end in "(\r\n|\n|\r|)",
            body in "((0{0,2}1\r\nx|2;a=b\r\nxy|A \r\n0123\r\n\r\n\r\n|0)\r\n){0,4}(0\r\n)?(a: b\r\n|a\nb\r\n|\n\r\n){0,2}(\r\n)?",
            behind in "(GET / HTTP/1\\.1\r\nHost: a\r\n\r\n|\r\n|0\r\n\r\n)",
            lengths in prop::collection::vec(1_usize..9, 1..5),
        ) {
            let head = format!("{}POST / HTTP/1.1\r\nHost: a\r\n{}{framing}{end}", before.concat(), lines.concat());
            let stream = format!("{head}{body}{behind}").into_bytes();
            let read = System::new().block_on(as_actix_reads(&stream));
            let Some((head, end, body)) = read else { return Ok(()) };
            let ahead = Ahead::default();
            prop_assert_eq!(handed_on(&ahead, &stream, &lengths), &stream[..head]);
            let held = ahead.held.take();
            ahead.expect_body(end);
            prop_assert_eq!(handed_on(&ahead, &held, &lengths), &stream[head..head + body]);
            prop_assert_eq!(&ahead.held.borrow()[..], &stream[head + body..]);
            ahead.go_on();
            prop_assert!(ahead.is_due() || !ahead.holds());
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
        ahead.expect_body(BodyEnd::After(4));
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
