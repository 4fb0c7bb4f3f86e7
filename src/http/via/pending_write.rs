//! The record of a write at a vendor's: made once the vendor has answered, or once it is known that
//! nobody will hear of an answer.

use actix_web::rt;

use crate::domain::connections::via_writes::ViaWrite;
use crate::http::state::SharedState;

/// A write that has been forwarded, and may have been carried out.
pub(super) struct PendingWrite {
    state: SharedState,
    written: Option<ViaWrite>,
}

impl PendingWrite {
    /// A write that is about to be forwarded.
    pub(super) fn new(state: &SharedState, written: ViaWrite) -> Self {
        Self { state: state.clone(), written: Some(written) }
    }

    /// Records it with the status of the vendor's answer.
    pub(super) async fn answered(mut self, status: u16) {
        if let Some(written) = self.written.take() {
            record(&self.state, ViaWrite { status: Some(status), ..written }).await;
        }
    }

    /// Forgets it, since it never reached the vendor.
    pub(super) fn not_sent(mut self) {
        self.written = None;
    }
}

/// Without an answer, or without a client who waits for it, it is recorded all the same.
impl Drop for PendingWrite {
    fn drop(&mut self) {
        if let Some(written) = self.written.take() {
            let state = self.state.clone();
            rt::spawn(async move { record(&state, written).await });
        }
    }
}

async fn record(state: &SharedState, written: ViaWrite) {
    let request_id = written.client.request_id.clone();
    if let Err(problem) = state.run(move |bitting| bitting.note_via_write(&written)).await {
        let cause = problem.cause().unwrap_or_default();
        tracing::warn!(request_id, cause, "a write at a vendor is missing from the audit log");
    }
}
