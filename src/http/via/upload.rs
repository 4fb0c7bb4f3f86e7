//! A client's body on its way to a vendor: no longer than it may be, and no further once its key may not
//! send it any more.

use std::cell::OnceCell;
use std::pin::Pin;
use std::rc::Rc;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};

use super::carriers;
use crate::gate::decision::Refusal;
use crate::gate::route::Route;
use crate::http::extract::caller::refused_by_now;
use crate::http::state::SharedState;

/// Why a body was cut off that its key was allowed to send when it began, if it was.
#[derive(Clone, Default)]
pub(super) struct Ended(Rc<OnceCell<Refusal>>);

impl Ended {
    pub(super) fn why(&self) -> Option<Refusal> {
        self.0.get().cloned()
    }
}

/// A request's body, which ends with an error beyond this many bytes, or when the key is refused before
/// one of its pieces is passed on.
pub(super) fn guarded(
    payload: Payload,
    most: u64,
    request: &HttpRequest,
    route: Route,
    state: &SharedState,
) -> (Payload, Ended) {
    let ended = Ended::default();
    if matches!(payload, Payload::None) {
        return (payload, ended);
    }
    let presented = state.bitting.gate.read(carriers::headers(request.headers()));
    let (request, state, cell) = (request.clone(), state.clone(), ended.0.clone());
    let mut left = most;
    let passed_on = payload.map(move |piece| {
        let piece = piece?;
        left = left.checked_sub(piece.len() as u64).ok_or(PayloadError::Overflow)?;
        if let Some(refusal) = refused_by_now(&request, &presented, route, &state) {
            let _ = cell.set(refusal);
            return Err(PayloadError::Incomplete(None));
        }
        Ok(piece)
    });
    let payload: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(passed_on);
    (Payload::Stream { payload }, ended)
}
