//! Reports of leaked keys, by anybody who has found one, and by GitHub.

use std::time::{Duration, Instant};

use actix_web::rt::time::sleep;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::Bitting;
use crate::http::error::{Code, Problem};
use crate::http::extract::body::read;
use crate::http::extract::{JsonObject, QueryReader};
use crate::http::state::State;
use crate::model::actor::ClientInfo;
use crate::model::leak::{LeakReceipt, LeakReport};

/// Reports are answered after a multiple of this time, which what is done about a key of ours seldom
/// takes: how long an answer takes does not say whether there was anything to do.
const ANSWERED_EVERY: Duration = Duration::from_millis(250);

/// The header that names the key of a signature.
const KEY_IDENTIFIER: &str = "github-public-key-identifier";
/// The header with the signature of the body.
const SIGNATURE: &str = "github-public-key-signature";

const CANNOT_TELL: &str =
    "The database cannot be read, so that nothing was done about the report. Send it again.";

/// `POST /v1/leaks`: anybody reports a key that was found where it does not belong.
pub async fn report(
    client: ClientInfo,
    state: web::Data<State>,
    query: QueryReader,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    query.finish()?;
    let report = LeakReport::from_object(&body.0)?;
    let began = Instant::now();
    state.bitting.admit_leak_report(&client)?;
    let taken = take(&state, vec![report], client).await;
    sleep(until_answered(began.elapsed())).await;
    taken?;
    Ok(HttpResponse::Accepted().json(LeakReceipt::RECEIVED))
}

/// `POST /v1/leaks/github`: GitHub reports what its secret scanning has found, and signs it.
pub async fn report_by_github(
    request: HttpRequest,
    client: ClientInfo,
    state: web::Data<State>,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let Some(keys) = &state.settings.github_keys else {
        let detail = "This server takes no reports of GitHub: it has no --github-keys.";
        return Err(Problem::new(Code::NotFound, detail));
    };
    if keys.is_empty() {
        let detail = "GitHub's public keys could not be fetched yet.";
        return Err(Problem::new(Code::Unavailable, detail));
    }
    let body = read(&request, payload.into_inner()).await?;
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    };
    let (id, signature) = (header(KEY_IDENTIFIER), header(SIGNATURE));
    if !keys.verify(id, signature, &body) {
        let detail = "The body is not signed with one of GitHub's keys that this server knows.";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let reports = LeakReport::of_github(&body).map_err(|why| {
        Problem::new(Code::MalformedJson, format!("The body is no list of what was found: {why}."))
    })?;
    take(&state, reports, client).await?;
    Ok(HttpResponse::Accepted().json(LeakReceipt::RECEIVED))
}

async fn take(state: &State, reports: Vec<LeakReport>, client: ClientInfo) -> Result<(), Problem> {
    let read = state.bitting.catch_up_with(&reports).await;
    read.map_err(|_| Problem::new(Code::Unavailable, CANNOT_TELL))?;
    let take = move |bitting: &Bitting| {
        reports.iter().try_for_each(|report| bitting.take_leak_report(report, &client))
    };
    state.run(take).await
}

/// What is missing to a multiple of the time.
fn until_answered(elapsed: Duration) -> Duration {
    let over = elapsed.as_micros() % ANSWERED_EVERY.as_micros();
    ANSWERED_EVERY - Duration::from_micros(u64::try_from(over).unwrap_or_default())
}
