//! Files for spreadsheets, as answers.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::Bytes;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use futures_util::{Stream, StreamExt, stream};

use crate::domain::principal::Principal;
use crate::http::error::Problem;
use crate::http::state::State;
use crate::model::spreadsheet::{BYTE_ORDER_MARK, text};

/// A file of these columns for somebody signed in. Its lines are sent as they are read: a long file
/// never lies in memory, and one that breaks off in the middle is cut, so that nobody takes it for
/// the whole. It breaks off, too, when its reader is signed out or in another role before a part.
/// HEAD asks for none of it, and nothing is read.
///
/// # Errors
/// When there is nothing to begin with.
pub async fn answer<L>(
    request: &HttpRequest,
    state: &web::Data<State>,
    reader: Principal,
    name: &str,
    columns: &[&str],
    lines: impl Future<Output = Result<L, Problem>>,
) -> Result<HttpResponse, Problem>
where
    L: Stream<Item = Result<String, Problem>> + 'static,
{
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
    if request.method() == Method::HEAD {
        return Ok(answer.streaming(stream::empty::<Result<Bytes, Error>>()));
    }
    let headings = text([columns.iter().map(ToString::to_string)]);
    let head = Ok(format!("{BYTE_ORDER_MARK}{headings}"));
    let (state, reader) = (state.clone(), Arc::new(reader));
    let body = stream::iter([head]).chain(lines.await?).then(move |part| {
        let (state, reader) = (state.clone(), reader.clone());
        async move {
            let asking = reader.clone();
            let allowed = state.run(move |bitting| bitting.require_unchanged(&asking)).await;
            allowed.and(part).inspect_err(|why| tell_broken_off(&reader, why))
        }
    });
    Ok(answer.streaming(body.map(|text| text.map(Bytes::from).map_err(Error::from))))
}

/// Logs why a file broke off: the client only sees that it has no end.
fn tell_broken_off(reader: &Principal, why: &Problem) {
    tracing::warn!(
        request_id = reader.origin.client.request_id,
        actor_id = reader.origin.actor.id,
        why = why.detail(),
        cause = why.cause(),
        "an export was broken off"
    );
}
