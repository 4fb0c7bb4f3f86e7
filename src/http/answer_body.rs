//! The body of an answer on its way to its client, as the connection has to know of it.

use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

use super::exchange::Exchange;

/// A body that is made while it is sent: its connection is told when that is over.
pub(super) struct AnswerBody {
    pub(super) body: BoxBody,
    pub(super) exchange: Rc<Exchange>,
}

impl MessageBody for AnswerBody {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let piece = ready!(Pin::new(&mut self.body).poll_next(context));
        if piece.is_none() {
            self.exchange.is_made();
        }
        Poll::Ready(piece)
    }
}
