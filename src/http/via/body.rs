//! A vendor's body on its way to the client, rewritten.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use flate2::write::MultiGzDecoder;

use super::at_once::Place;
use super::rewriting::Rewriting;
use crate::http::forwarding::download::Download;
use crate::http::forwarding::fault::Fault;

/// So many bytes of gzip are undone at once, which may become a thousand times as many.
const STEP: usize = 1024;

const BROKEN: &str = "its gzip is broken, or cut off";

/// A vendor's body as its client gets it.
pub(super) struct Rewritten {
    body: Download,
    /// Undoes gzip, where the vendor has used it unasked.
    unzip: Option<MultiGzDecoder<Vec<u8>>>,
    rewriting: Rewriting,
    /// What has come and is not rewritten yet.
    rest: Bytes,
    /// Whether anything has come: gzip of nothing is nothing.
    begun: bool,
    ended: bool,
    /// The place that the request takes at its connection, until all is sent.
    _place: Place,
}

impl Rewritten {
    pub(super) fn new(body: Download, zipped: bool, rewriting: Rewriting, place: Place) -> Self {
        let unzip = zipped.then(|| MultiGzDecoder::new(Vec::new()));
        let (rest, begun, ended) = (Bytes::new(), false, false);
        Self { body, unzip, rewriting, rest, begun, ended, _place: place }
    }

    /// Rewrites some of what has come.
    fn step(&mut self) -> io::Result<Bytes> {
        let Some(unzip) = &mut self.unzip else {
            return Ok(self.rewriting.push(&std::mem::take(&mut self.rest)));
        };
        unzip.write_all(&self.rest.split_to(STEP.min(self.rest.len())))?;
        Ok(self.rewriting.push(&std::mem::take(unzip.get_mut())))
    }

    fn finish(&mut self) -> io::Result<Bytes> {
        self.ended = true;
        let Some(unzip) = self.unzip.as_mut().filter(|_| self.begun) else {
            return Ok(self.rewriting.finish());
        };
        unzip.try_finish()?;
        let last = self.rewriting.push(&std::mem::take(unzip.get_mut()));
        Ok([last, self.rewriting.finish()].concat().into())
    }
}

impl MessageBody for Rewritten {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, io::Error>>> {
        let this = self.get_mut();
        loop {
            let piece = if !this.rest.is_empty() {
                this.step()
            } else if this.ended {
                return Poll::Ready(None);
            } else if let Some(piece) = ready!(Pin::new(&mut this.body).poll_next(context)) {
                (this.rest, this.begun) = (piece?, true);
                continue;
            } else {
                this.finish()
            };
            let Ok(piece) = piece else {
                (this.rest, this.ended) = (Bytes::new(), false);
                return this.body.break_off(Fault::Invalid(BROKEN.to_owned()));
            };
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(piece)));
            }
        }
    }
}
