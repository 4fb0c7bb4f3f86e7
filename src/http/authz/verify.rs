//! `POST /v1/verify`: a program with an API of its own asks whether a key may do something. The key is
//! the request's credential, so that it stands in no body, log or URL.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use schemars::JsonSchema;
use serde::Serialize;

use super::judging::identify;
use super::question::Question;
use crate::gate::admission::CountedAs;
use crate::gate::caller::KeyCaller;
use crate::gate::decision::Refusal;
use crate::gate::identities::KeyIdentity;
use crate::gate::route::{Need, Route};
use crate::http::client_address::client_address;
use crate::http::error::{Code, Problem};
use crate::http::extract::caller::present;
use crate::http::extract::{JsonObject, QueryReader};
use crate::http::limit_headers::announce;
use crate::http::state::State;
use crate::model::catalog::Catalog;
use crate::model::id::KeyId;
use crate::model::scope::ScopeSet;
use crate::model::time;
use crate::model::time::Moment;
use crate::model::usage::Outcome;
use crate::model::words::{Word, words};

/// Whether a key may do what is asked about.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Verdict")]
pub struct VerdictView<'a> {
    /// Whether the key may do it.
    allowed: bool,
    /// Why not; null if it may.
    code: Option<Code>,
    /// After how many seconds it may again, where a limit is used up.
    retry_after: Option<i64>,
    /// The scope that this takes; null where a live key is enough, or nothing helps.
    required: Option<String>,
    /// The scopes that the key has.
    granted: &'a ScopeSet,
    /// Who the key is.
    key: KeyIdentityView<'a>,
}

/// Who a key is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyIdentity")]
struct KeyIdentityView<'a> {
    /// Names the key; it is not secret.
    id: KeyId,
    /// What people call it.
    name: &'a str,
    /// Whose key it is, in its maker's words.
    owner: Option<&'a str>,
    /// From when on it is refused; never if null.
    #[serde(with = "time::rfc3339::option")]
    #[schemars(with = "Option<Moment>")]
    expires_at: Option<Moment>,
}

impl<'a> VerdictView<'a> {
    /// The verdict about a live key.
    pub fn new(
        identity: &'a KeyIdentity,
        refused: Option<&Problem>,
        required: Option<String>,
    ) -> Self {
        let key = KeyIdentityView {
            id: identity.id,
            name: &identity.label.name,
            owner: identity.label.owner.as_deref(),
            expires_at: identity.expires_at,
        };
        let granted = &identity.scopes;
        let (code, retry_after) = (refused.map(Problem::code), refused.and_then(Problem::seconds));
        Self { allowed: refused.is_none(), code, retry_after, required, granted, key }
    }
}

words! {
    /// Whether the request that is asked about counts as one.
    Counting {
        /// It counts.
        Counted = "true",
        /// It does not; that the key was used is noted all the same.
        Uncounted = "false",
    }
}

/// What the query says of the question.
#[derive(JsonSchema)]
pub struct VerifyQuery {
    /// Whether this counts as a request of the key; true unless said. Where it does not, the key is
    /// noted as used all the same.
    count: Option<Counting>,
}

impl VerifyQuery {
    /// Reads the parameters.
    pub fn read(query: &mut QueryReader) -> Self {
        Self { count: query.choice("count") }
    }
}

/// `POST /v1/verify`: answers 200 for any live key, and says in the body whether it may.
pub async fn verify(
    caller: KeyCaller,
    request: HttpRequest,
    state: web::Data<State>,
    mut query: QueryReader,
    body: JsonObject,
) -> Result<HttpResponse, Problem> {
    let VerifyQuery { count } = VerifyQuery::read(&mut query);
    query.finish()?;
    let catalog = &state.bitting.catalog;
    let route = Question::from_object(&body.0)?.route(catalog);
    let identity = identify(&state, caller.id()).await?;
    let counted = count != Some(Counting::Uncounted);
    let presented = present(request.headers(), &state);
    let address = || client_address(request.head(), &state.settings);
    let answer = state.bitting.gate.answer(&presented, route, address, counted);
    let (verdict, standing) = match answer {
        Some((decision, standing)) => (decision.verdict, standing),
        None => (Err(Refusal::Unavailable), None),
    };
    let refused = verdict.err().map(|refusal| Problem::of_refusal(refusal, ""));
    let status = refused.as_ref().map_or(StatusCode::OK, Problem::status_code);
    if let Some(problem) = refused.as_ref().filter(|_| !is_verdict(status)) {
        // It has ended since this request was accepted, or cannot be told any longer.
        return Err(problem.clone());
    }
    let verdict = VerdictView::new(&identity, refused.as_ref(), required(route, catalog));
    let mut response = HttpResponse::Ok().json(verdict);
    announce(response.headers_mut(), standing, &state);
    let outcome = Outcome::of_status(status.as_u16());
    response.extensions_mut().insert(CountedAs { route, outcome });
    if let Some(problem) = refused {
        response.extensions_mut().insert(problem);
    }
    Ok(response)
}

/// Whether a question asks to be left uncounted, however it ends.
pub fn leaves_uncounted(query: &str) -> bool {
    let uncounted = Counting::Uncounted.as_str();
    form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "count" && value.trim() == uncounted)
}

/// Whether a refusal with this status is a verdict about a live key.
fn is_verdict(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED | StatusCode::TOO_MANY_REQUESTS
    )
}

/// The scope that a request on this route needs, if there is one.
fn required(route: Route, catalog: &Catalog) -> Option<String> {
    match route {
        Route::Known { need: Need::Scope(resource), access, offered: true } => {
            Some(format!("{}:{}", catalog.name_of(Some(resource)), access.as_str()))
        }
        Route::Known { need: Need::Scope(_) | Need::Open(_), .. }
        | Route::Known { need: Need::AnyKey | Need::Question | Need::AdminToken, .. }
        | Route::Known { need: Need::AtConnection { .. }, .. }
        | Route::NotOffered { .. }
        | Route::Unknown { .. }
        | Route::Unmapped { .. } => None,
    }
}
