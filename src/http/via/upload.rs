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
use crate::gate::decision::{Decision, Refusal};
use crate::gate::route::Route;
use crate::http::client_address::client_address;
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
    let (request, state, cell) = (request.clone(), state.clone(), ended.0.clone());
    let mut left = most;
    let passed_on = payload.map(move |piece| {
        let piece = piece?;
        left = left.checked_sub(piece.len() as u64).ok_or(PayloadError::Overflow)?;
        if let Some(refusal) = refused(&request, route, &state) {
            let _ = cell.set(refusal);
            return Err(PayloadError::Incomplete(None));
        }
        Ok(piece)
    });
    let payload: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(passed_on);
    (Payload::Stream { payload }, ended)
}

/// Why the key of a request is refused by now, if it is.
fn refused(request: &HttpRequest, route: Route, state: &SharedState) -> Option<Refusal> {
    let gate = &state.bitting.gate;
    let presented = gate.read(carriers::headers(request.headers()));
    let address = || client_address(request.head(), &state.settings);
    match gate.judge(&presented, route, state.bitting.time.now(), address) {
        Some(Decision { verdict: Err(refusal), .. }) => Some(refusal),
        Some(Decision { verdict: Ok(_), .. }) | None => None,
    }
}
