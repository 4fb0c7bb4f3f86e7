//! What is left of a body that nobody wants.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_http::Payload;
use futures_util::Stream;

/// Drops what has come of a body that nobody wants. Ready when no more of it will come: whether it
/// has come to its end.
pub(super) fn drain(body: &mut Payload, context: &mut Context<'_>) -> Poll<bool> {
    loop {
        match ready!(Pin::new(&mut *body).poll_next(context)) {
            None => return Poll::Ready(true),
            // There is no more of it than the connection keeps for a reader.
            Some(Ok(_)) => {}
            Some(Err(_)) => return Poll::Ready(false),
        }
    }
}
