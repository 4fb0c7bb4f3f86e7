//! What is left of a body that nobody wants.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::Payload;
use futures_util::Stream;

/// Whether all of a body has arrived that nobody wants.
pub(super) fn ends_at_once(mut body: Payload, context: &mut Context<'_>) -> bool {
    loop {
        match Pin::new(&mut body).poll_next(context) {
            Poll::Ready(None) => return true,
            // There is no more of it than the connection keeps for a reader.
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(Some(Err(_))) | Poll::Pending => return false,
        }
    }
}
