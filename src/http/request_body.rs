//! The body of a request on its way to its handler, as its connection has to know of it.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::{Payload, RequestHead};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use actix_web::web::Bytes;
use futures_util::Stream;

use super::ahead::BodyEnd;
use super::exchange::{Exchange, Pace};

/// Where the body of a request ends, which actix has found to be well framed.
pub(super) fn end_of_body(head: &RequestHead) -> BodyEnd {
    if head.headers.contains_key(TRANSFER_ENCODING) {
        return BodyEnd::Chunks;
    }
    BodyEnd::After(announced_length(&head.headers).unwrap_or(0))
}

/// How long the client says its body is; the connection sees to it that it is.
pub(super) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

/// Called when the head of a request has arrived: its body is awaited from now on.
pub(super) fn begin(exchange: Rc<Exchange>, payload: &mut Payload, end: BodyEnd, pace: Pace) {
    if exchange.has_ended() {
        return;
    }
    exchange.begin(end, pace);
    // What follows a request that asks for an upgrade is no body, though actix takes it for one.
    let taken = std::mem::replace(payload, Payload::None);
    let left = match end {
        BodyEnd::After(0) => return,
        BodyEnd::After(length) => Some(length),
        BodyEnd::Chunks => None,
    };
    let body = RequestBody { exchange, payload: taken, left };
    *payload = Payload::Stream { payload: Box::pin(body) };
}

/// A body on its way to its handler.
struct RequestBody {
    exchange: Rc<Exchange>,
    payload: Payload,
    /// How many bytes are missing, where that is known. Actix knows better but for a request that
    /// asks for an upgrade.
    left: Option<u64>,
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.exchange.ask_for_body();
        let polled = match this.left {
            Some(0) => Poll::Ready(None),
            _ => Pin::new(&mut this.payload).poll_next(context),
        };
        let Poll::Ready(piece) = polled else {
            this.exchange.await_piece();
            return Poll::Pending;
        };
        this.exchange.take_piece(piece.is_none());
        if let (Some(left), Some(Ok(piece))) = (&mut this.left, &piece) {
            *left = left.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(match piece {
            // Actix only knows that nothing more was read.
            Some(Err(_)) if this.exchange.is_late() => {
                Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into())))
            }
            piece => piece,
        })
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let rest = std::mem::replace(&mut self.payload, Payload::None);
        self.exchange.leave_unread(rest);
    }
}
