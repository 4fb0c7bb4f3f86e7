//! The upstream's body on its way to the client. One that breaks off is broken off: the connection
//! ends before the end of the answer, so that nobody takes it for whole.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use http_body::Body;
use hyper::body::Incoming;

use super::fault::{Asked, Fault};
use super::silence::Silence;
use crate::http::exchange::Exchange;
use crate::http::state::SharedState;

/// A body as actix takes it.
pub(in crate::http) struct Download {
    pub(in crate::http) body: Incoming,
    pub(in crate::http) size: BodySize,
    pub(in crate::http) silence: Silence,
    /// Whether the client goes by the end of the connection.
    pub(in crate::http) ends_by_closing: bool,
    /// Whether the upstream has been asked for a piece that has not come.
    pub(in crate::http) waits: bool,
    /// The connection to the client.
    pub(in crate::http) exchange: Option<Rc<Exchange>>,
    pub(in crate::http) state: SharedState,
    pub(in crate::http) asked: Asked,
}

impl Download {
    /// Ends the connection before the end of the answer.
    pub(in crate::http) fn break_off(&self, why: Fault) -> Poll<Option<Result<Bytes, io::Error>>> {
        why.tell(&self.asked, &self.state);
        match &self.exchange {
            Some(exchange) => {
                exchange.break_off(self.ends_by_closing);
                Poll::Pending
            }
            None => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
        }
    }
}

impl MessageBody for Download {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, io::Error>>> {
        let this = self.get_mut();
        if this.exchange.as_ref().is_some_and(|exchange| exchange.broken_off().is_some()) {
            return Poll::Pending;
        }
        loop {
            match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.waits = false;
                    // Trailers are not forwarded, as RFC 9110 §6.5.1 allows.
                    match frame.into_data() {
                        Ok(piece) if !piece.is_empty() => return Poll::Ready(Some(Ok(piece))),
                        Ok(_) | Err(_) => {}
                    }
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(why))) => return this.break_off(Fault::BrokeOff(why)),
                Poll::Pending => {
                    if !std::mem::replace(&mut this.waits, true) {
                        this.silence.turn().upstream();
                    }
                    ready!(this.silence.poll(context));
                    return this.break_off(Fault::StoppedSending);
                }
            }
        }
    }
}
