//! The record of a write at a vendor's: made once the vendor has answered, or once it is known that
//! nobody will hear of an answer.

use std::sync::Arc;

use crate::domain::Bitting;
use crate::domain::connections::via_write::ViaWrite;
use crate::http::state::State;

/// A write that has been forwarded, and may have been carried out.
pub(super) struct PendingWrite {
    bitting: Arc<Bitting>,
    written: Option<ViaWrite>,
}

impl PendingWrite {
    /// A write that is about to be forwarded.
    pub(super) fn new(state: &State, written: ViaWrite) -> Self {
        Self { bitting: state.bitting.clone(), written: Some(written) }
    }

    /// Records it with the status of the vendor's answer.
    pub(super) async fn answered(mut self, status: u16, state: &State) {
        if let Some(written) = &mut self.written {
            written.status = Some(status);
        }
        let record = move |bitting: &Bitting| {
            if let Some(written) = self.written.take() {
                bitting.note_via_write(written);
            }
            Ok(())
        };
        // If nobody gets to that, it is recorded all the same when this is dropped.
        let _ = state.run(record).await;
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
            self.bitting.note_via_write_late(written);
        }
    }
}
