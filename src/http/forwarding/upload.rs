//! A client's body on its way to the upstream. hyper's connections are tasks that may move between
//! threads, and actix's payloads may not: so a few pieces lie between them.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::rt;
use actix_web::web::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::silence::Turn;

/// So many pieces lie between the client and the upstream at most.
const PIECES: usize = 4;

/// A part of a body. Its end is one of them, so that a body which is dropped is never taken for one
/// that was whole.
enum Piece {
    Data(Bytes),
    End,
    Cut,
}

/// A body that was not whole.
#[derive(Debug, thiserror::Error)]
#[error("the client's body broke off")]
pub(in crate::http) struct Cut;

/// A body as hyper takes it.
pub(in crate::http) struct Upload {
    pieces: Option<mpsc::Receiver<Piece>>,
    /// How much of it there is, if the client has said so.
    length: Option<u64>,
}

/// Why a client's body broke off, once it has.
#[derive(Clone, Default)]
pub(in crate::http) struct Fault(Rc<RefCell<Option<PayloadError>>>);

impl Fault {
    /// Takes it out.
    pub(in crate::http) fn take(&self) -> Option<PayloadError> {
        self.0.take()
    }
}

impl Upload {
    /// No body.
    pub(in crate::http) fn none() -> Self {
        Self { pieces: None, length: Some(0) }
    }

    /// Begins to take a body from its client.
    pub(in crate::http) fn begin(
        payload: Payload,
        length: Option<u64>,
        turn: Turn,
    ) -> (Self, Fault) {
        let (sender, receiver) = mpsc::channel(PIECES);
        let fault = Fault::default();
        turn.client();
        rt::spawn(pump(payload, sender, turn, fault.clone()));
        (Self { pieces: Some(receiver), length }, fault)
    }
}

/// Takes piece after piece, until the end or until nobody wants the rest.
async fn pump(mut payload: Payload, pieces: mpsc::Sender<Piece>, turn: Turn, fault: Fault) {
    loop {
        turn.client();
        let unwanted = std::pin::pin!(pieces.closed());
        let next = match select(payload.next(), unwanted).await {
            Either::Left((next, _)) => next,
            Either::Right(((), _)) => return turn.upstream(),
        };
        turn.upstream();
        let piece = match next {
            Some(Ok(bytes)) => Piece::Data(bytes),
            Some(Err(why)) => {
                fault.0.replace(Some(why));
                Piece::Cut
            }
            None => Piece::End,
        };
        let is_last = !matches!(piece, Piece::Data(_));
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some(pieces) = &mut self.pieces else { return Poll::Ready(None) };
        pieces.poll_recv(context).map(|piece| match piece {
            Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => {
                self.pieces = None;
                None
            }
            Some(Piece::Cut) | None => Some(Err(Cut)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
