//! A request that its key allows, on its way to the vendor and back.

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http as received;
use actix_web::{HttpRequest, HttpResponse};
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri};
use zeroize::Zeroizing;

use super::PREFIX;
use super::at_once::Place;
use super::body::Rewritten;
use super::fault::problem;
use super::links::Links;
use super::outgoing::{comes_back, headers};
use super::pending_write::PendingWrite;
use super::returned::{Returned, is_json};
use super::rewriting::Rewriting;
use super::upload::guarded;
use crate::domain::connections::via_write::ViaWrite;
use crate::gate::caller::KeyCaller;
use crate::gate::connection_limits::{LimitsOf, UsedUp};
use crate::gate::route::Route;
use crate::http::client_address::client_address;
use crate::http::error::{Code, Problem};
use crate::http::extract::body::broken_off;
use crate::http::forwarding::fault::{Asked, Fault};
use crate::http::forwarding::sending::{Answered, Failed, Question, begin_answer, send, size_of};
use crate::http::request_body::announced_length;
use crate::http::request_id::RequestId;
use crate::http::state::{SharedState, State};
use crate::model::actor::ClientInfo;
use crate::model::connections::table::Row;
use crate::model::connections::{Connection, Kind, TestResult, VendorCredential};
use crate::model::scope::Access;
use crate::outbound::{Encoded, is_zipped};

/// A request that its key allows.
pub(super) struct Via<'a> {
    pub(super) request: &'a HttpRequest,
    pub(super) state: &'a SharedState,
    pub(super) connection: &'a Arc<Connection>,
    pub(super) row: &'a Arc<Row>,
    pub(super) target: &'a str,
    pub(super) route: Route,
}

impl Via<'_> {
    /// Forwards the request, unless the connection cannot be used now.
    ///
    /// # Errors
    /// Why there is no answer of the vendor's.
    pub(super) async fn serve(
        &self,
        key: KeyCaller,
        payload: Payload,
    ) -> Result<HttpResponse, Problem> {
        let credential = self.open()?;
        let most = self.state.settings.via.max_body;
        if announced_length(self.request.headers()).is_some_and(|length| length > most) {
            return Err(too_large(most));
        }
        let mark = self.state.bitting.connections.registry.database();
        if comes_back(self.request.head(), &mark) {
            let detail = "This request has come through here before: the connection leads back to \
                          this server.";
            return Err(Problem::new(Code::BadRequest, detail));
        }
        let place = self.enter(key)?;
        let question = self.question(&credential, &mark)?;
        let secrets = credential.secrets();
        drop(credential);
        let (client, patience) = (self.state.vendors(), self.state.settings.via.timeout);
        let (payload, ended) = guarded(payload, most, self.request, self.route, self.state);
        let write = self.pending_write(key);
        let (began, kind) = (Instant::now(), self.connection.kind);
        let watched = &self.state.settings.watch.vendors;
        let answered = match send(client, patience, question, self.request, payload).await {
            Ok(answered) => {
                watched.answered(kind, answered.answer.status().as_u16(), began.elapsed());
                answered
            }
            Err(Failed::Body(why)) => {
                return Err(match (ended.why(), why) {
                    (Some(refusal), _) => Problem::of_refusal(refusal, ""),
                    (None, PayloadError::Overflow) => too_large(most),
                    (None, why) => broken_off(&why, self.state.settings.patience.body),
                });
            }
            Err(Failed::Answer(fault)) => {
                watched.not_answered(kind);
                if let (Fault::Unreachable(_), Some(write)) = (&fault, write) {
                    write.not_sent();
                }
                return Err(self.failed(&fault));
            }
        };
        if let Some(write) = write {
            write.answered(answered.answer.status().as_u16(), self.state).await;
        }
        let whole = demand_whole(answered.answer.status());
        let encoded = |why: Encoded| Fault::Invalid(why.to_string());
        let has_no_body =
            matches!(answered.answer.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let zipped = whole.and_then(|()| {
            let zipped = is_zipped(answered.answer.headers());
            if has_no_body { Ok(false) } else { zipped.map_err(encoded) }
        });
        let zipped = zipped.map_err(|fault| self.failed(&fault))?;
        self.look_after_credential(answered.answer.status()).await?;
        Ok(self.give(answered, zipped, secrets, place))
    }

    /// The credential, where the connection can be used.
    fn open(&self) -> Result<VendorCredential, Problem> {
        let handle = &self.connection.handle;
        if self.connection.disabled_at.is_some() {
            let detail = format!("The connection {handle} is switched off.");
            return Err(Problem::new(Code::ConnectionDisabled, detail));
        }
        self.state.bitting.open_credential(self.connection).map_err(|_| {
            let detail = format!(
                "The credential of the connection {handle} cannot be opened at present. Its page \
                 says why."
            );
            Problem::new(Code::ConnectionLocked, detail)
        })
    }

    /// Takes a place at the connection, and one request from its limits.
    fn enter(&self, key: KeyCaller) -> Result<Place, Problem> {
        let (connection, state) = (self.connection, self.state);
        let handle = &connection.handle;
        let place = state.settings.at_once.enter(connection.number).ok_or_else(|| {
            let detail = format!("Too many requests are at the connection {handle} at once.");
            Problem::new(Code::ConnectionBusy, detail).to_be_tried_again(1)
        })?;
        let profile = &connection.profile;
        let limits =
            LimitsOf { connection: connection.number, all: profile.limit, each: profile.key_limit };
        let gate = &state.bitting.gate;
        gate.connection_limits.take(limits, key.number(), gate.now()).map_err(|used_up| {
            let (whose, seconds) = match used_up {
                UsedUp::ByAll(seconds) => ("The rate limit", seconds),
                UsedUp::ByKey(seconds) => ("This key's share of the rate limit", seconds),
            };
            let detail =
                format!("{whose} of the connection {handle} is used up. Try again in {seconds} s.");
            Problem::new(Code::RateLimited, detail).to_be_tried_again(seconds.into())
        })?;
        Ok(place)
    }

    /// What the vendor is asked.
    fn question(&self, credential: &VendorCredential, mark: &str) -> Result<Question, Problem> {
        let (origin, head) = (&self.connection.origin, self.request.head());
        let invalid = || Problem::new(Code::BadRequest, "The method or the URL is not valid.");
        let method = Method::from_bytes(self.request.method().as_str().as_bytes());
        let uri = Uri::try_from(format!("{origin}{}", self.target));
        let unfit = || Problem::internal("a credential does not fit the form of its connection");
        let mut headers = headers(head, origin.authority(), mark);
        for (name, value) in credential.headers(&self.connection.form).ok_or_else(unfit)? {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| unfit())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let method = method.map_err(|_| invalid())?;
        Ok(Question { method, uri: uri.map_err(|_| invalid())?, headers })
    }

    fn asked(&self) -> Asked {
        let at = Some((self.connection.clone(), self.row.clone()));
        Asked { id: RequestId::of(self.request, self.state), at }
    }

    /// Says that there is no answer, to the client and in the log.
    fn failed(&self, fault: &Fault) -> Problem {
        let handle = self.connection.handle.as_str();
        fault.tell(&self.asked(), self.state);
        problem(fault, handle, self.request.method() != received::Method::GET)
    }

    /// The record of what this request may change at the vendor's, so that there is an answer to who
    /// did it; none of what only reads.
    fn pending_write(&self, key: KeyCaller) -> Option<PendingWrite> {
        let scope = self.row.scope();
        let of_method = || Access::of_method(self.request.method().as_str());
        if scope.map_or_else(of_method, |scope| scope.access) == Access::Read {
            return None;
        }
        let id = RequestId::of(self.request, self.state);
        let address = client_address(self.request.head(), &self.state.settings);
        let request_id = Some(id.as_str().to_owned());
        let written = ViaWrite {
            at: self.state.bitting.time.believed(),
            key: key.id(),
            scope: scope.map(|scope| scope.at(&self.connection.handle)),
            row: self.row.to_string(),
            status: None,
            client: ClientInfo { address, user_agent: None, request_id },
        };
        Some(PendingWrite::new(self.state, written))
    }

    /// After an answer that may mean that the vendor no longer accepts the credential, asks whether it
    /// does.
    async fn look_after_credential(&self, status: StatusCode) -> Result<(), Problem> {
        if !is_suspicious(self.connection.kind, status) {
            return Ok(());
        }
        let connection = self.connection.clone();
        let tested = self.state.run_with_vendor(move |bitting| bitting.test_suspected(&connection));
        let tested = tested.await.ok().flatten();
        let handle = &self.connection.handle;
        // Where it was tested a moment ago, what was found then counts.
        let known = || {
            let now = self.state.bitting.connections.registry.find(handle)?;
            now.test.as_ref().map(|test| test.result)
        };
        if tested.or_else(known) != Some(TestResult::Rejected) {
            return Ok(());
        }
        let detail = format!(
            "The vendor no longer accepts the credential of the connection {handle}. An administrator \
             has to replace it; your key is in order."
        );
        Err(Problem::new(Code::ConnectionRejected, detail))
    }

    /// The vendor's answer as one of ours.
    fn give(
        &self,
        answered: Answered,
        zipped: bool,
        secrets: Vec<Zeroizing<String>>,
        place: Place,
    ) -> HttpResponse {
        let Answered { answer, silence } = answered;
        let (head, body) = answer.into_parts();
        let handle = self.connection.handle.as_str();
        let here = address(self.request, handle, self.state);
        let links = Links::new(self.connection.origin.as_str(), &here).in_answer_to(self.target);
        let hidden = self.hidden();
        // What is to be hidden is looked for whatever the vendor calls its answer.
        let json = is_json(&head.headers) || !hidden.is_empty();
        let changes = json || zipped;
        let size = match size_of(self.request, head.status, &head.headers, &body) {
            // Its length changes with its links, or with its encoding.
            BodySize::Sized(_) if changes && self.request.method() == received::Method::HEAD => {
                BodySize::None
            }
            BodySize::Sized(1..) if changes => BodySize::Stream,
            size => size,
        };
        let status = told(head.status);
        let begun =
            begin_answer(self.request, status, size, (body, silence), self.state, self.asked());
        let (mut response, body) = begun;
        let id = RequestId::of(self.request, self.state);
        let returned = Returned { connection: handle, id, links: &links, secrets: &secrets };
        let now = self.state.bitting.time.now().timestamp();
        returned.give(&head, now, response.headers_mut());
        let rewriting = if json {
            Rewriting::of_json(secrets, links, hidden)
        } else {
            Rewriting::of_bytes(secrets)
        };
        response.set_body(BoxBody::new(Rewritten::new(body, zipped, rewriting, place)))
    }

    /// The fields whose values the client does not get.
    fn hidden(&self) -> Vec<&'static str> {
        let Some(offered) = self.connection.kind.offered() else { return Vec::new() };
        let marks = self.row.marks();
        let secrets = if marks.secrets { offered.secrets } else { &[] };
        let links = marks.links && !self.connection.profile.recordings;
        let links = if links { offered.links } else { &[] };
        secrets.iter().chain(links).copied().collect()
    }
}

/// Refuses a part of an answer, which nobody has asked for: a secret could be read in two parts.
fn demand_whole(status: StatusCode) -> Result<(), Fault> {
    match status {
        StatusCode::PARTIAL_CONTENT => Err(Fault::Invalid("it is a part of one".to_owned())),
        _ => Ok(()),
    }
}

fn too_large(most: u64) -> Problem {
    let detail = format!("The body is larger than {most} bytes. Send less at once.");
    Problem::new(Code::BodyTooLarge, detail)
}

/// The status that is told: a 401 would mean that the client's own key is wrong.
fn told(status: StatusCode) -> StatusCode {
    if status == StatusCode::UNAUTHORIZED { StatusCode::FORBIDDEN } else { status }
}

/// Whether an answer may mean that the credential is no longer accepted. Each vendor says that in its
/// own way.
fn is_suspicious(kind: Kind, status: StatusCode) -> bool {
    match status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN => kind == Kind::Aircall,
        StatusCode::INTERNAL_SERVER_ERROR => kind == Kind::Customerly,
        _ => false,
    }
}

/// Where a client reaches the connection: at the address that is configured, or else the one that it
/// has used.
fn address(request: &HttpRequest, handle: &str, state: &State) -> String {
    let base = state.settings.address(request).unwrap_or_default();
    format!("{}{PREFIX}{handle}", base.trim_end_matches('/'))
}
