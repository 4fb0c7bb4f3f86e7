//! The test of a credential: one request to the vendor that only reads, in each form that the
//! credential may be sent in, and what its answer says.

use std::time::{Duration, Instant};

use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use serde_json::Value;

use crate::domain;
use crate::model::FieldErrors;
use crate::model::actor::Origin;
use crate::model::connections::{
    ApiOrigin, AuthForm, ConnectionProfile, ConnectionTest, Kind, TestResult, VendorCredential,
};
use crate::model::time::Moment;
use crate::outbound;
use crate::outbound::{Answer, Connector, Fault};

/// How long the vendor may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one test found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// Whether the vendor accepts the credential.
    pub result: TestResult,
    /// The form in which it was sent last, if it has the fields for any.
    pub form: Option<AuthForm>,
    /// What is wrong, in words without anything of the answer's body.
    pub detail: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// The accounts that the credential sees, where the vendor says so.
    pub accounts: Vec<String>,
}

impl ProbeResult {
    /// What is stored of it: that it was found at this moment, and is so since then.
    pub(super) fn into_test(self, at: Moment, by: &Origin) -> ConnectionTest {
        ConnectionTest {
            result: self.result,
            since: at,
            at,
            by: by.actor.name.clone(),
            milliseconds: i64::try_from(self.took.as_millis()).unwrap_or(i64::MAX),
            detail: self.detail,
        }
    }
}

/// What a credential is tested with: a request that is cheap, and there for every credential.
pub(super) struct Subject<'a> {
    kind: Kind,
    origin: &'a ApiOrigin,
    target: &'a str,
}

impl<'a> Subject<'a> {
    /// The test of a connection.
    ///
    /// # Errors
    /// When nobody has said what it is tested with.
    pub(super) fn of(
        kind: Kind,
        origin: &'a ApiOrigin,
        profile: &'a ConnectionProfile,
    ) -> domain::Result<Self> {
        let target = profile.test_target(kind).ok_or_else(|| {
            let why = "is missing: name a path that answers whoever has the credential, or save it \
                       without a test";
            domain::Error::Invalid(FieldErrors::one("test_path", why))
        })?;
        Ok(Self { kind, origin, target })
    }
}

/// Tests a credential in each of these forms that it has the fields for, until the vendor accepts one.
pub(super) fn probe(
    connector: &Connector,
    subject: &Subject<'_>,
    forms: &[AuthForm],
    credential: &VendorCredential,
) -> ProbeResult {
    let Subject { kind, origin, target } = *subject;
    let began = Instant::now();
    let mut worst: Option<ProbeResult> = None;
    for form in forms {
        let Some(carriers) = credential.headers(form) else { continue };
        let request = Request::get(format!("{origin}{target}"))
            .header(ACCEPT, "application/json")
            // Aircall refuses some reads without it.
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("bitting/", env!("CARGO_PKG_VERSION")));
        let sent = carriers
            .iter()
            .fold(request, |request, (name, value)| request.header(&**name, value.as_str()));
        let request = sent.body(String::new());
        let answer = match request {
            Ok(request) => outbound::ask(connector, request, PATIENCE),
            Err(why) => Err(Fault::Invalid(why.to_string())),
        };
        let (result, detail, accounts) = judge(kind, answer);
        let took = began.elapsed();
        let found = ProbeResult { result, form: Some(form.clone()), detail, took, accounts };
        match result {
            TestResult::Ok | TestResult::Unreachable => return found,
            // What one form is rejected for, another one says more about.
            TestResult::Rejected => worst = Some(worst.unwrap_or(found)),
            TestResult::Unexpected => worst = Some(found),
        }
    }
    worst.unwrap_or_else(|| ProbeResult {
        result: TestResult::Unexpected,
        form: None,
        detail: Some("the credential has not the fields that this form needs".to_owned()),
        took: began.elapsed(),
        accounts: Vec::new(),
    })
}

type Judged = (TestResult, Option<String>, Vec<String>);

fn judge(kind: Kind, answer: Result<Answer, Fault>) -> Judged {
    let answer = match answer {
        Ok(answer) => answer,
        Err(Fault::Unreachable(why)) => {
            return (TestResult::Unreachable, Some(why), Vec::new());
        }
        Err(late @ Fault::Late(_)) => {
            return (TestResult::Unreachable, Some(late.to_string()), Vec::new());
        }
        Err(fault) => return (TestResult::Unexpected, Some(fault.to_string()), Vec::new()),
    };
    let (status, body) = (answer.status().as_u16(), outbound::plain_body(&answer));
    let json = body.as_ref().ok().and_then(|body| serde_json::from_slice(body).ok());
    let json: Value = json.unwrap_or_default();
    if body.is_ok() && answer.status().is_success() && is_proof(kind, &json) {
        return (TestResult::Ok, None, accounts(kind, &json));
    }
    // What stands before a vendor's API refuses with a page of its own.
    let is_vendors = kind == Kind::Http || !json.is_null();
    if status == 401 || (status == 403 && is_vendors) || is_refusal(kind, status, &json) {
        let why = format!("the vendor does not accept the credential (status {status})");
        return (TestResult::Rejected, Some(why), Vec::new());
    }
    if status == 429 || status >= 500 {
        let why = format!("the vendor answers status {status} for now, so it cannot be tested");
        return (TestResult::Unexpected, Some(why), Vec::new());
    }
    if let Err(why) = body {
        return (TestResult::Unexpected, Some(format!("status {status}: {why}")), Vec::new());
    }
    let content = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content = content.unwrap_or("no Content-Type");
    let why =
        format!("the vendor answers status {status}, {content}, which is not its API's answer");
    (TestResult::Unexpected, Some(why), Vec::new())
}

/// Whether an answer can only come from the vendor's API.
fn is_proof(kind: Kind, json: &Value) -> bool {
    match kind {
        Kind::CallRail => json["accounts"].is_array(),
        Kind::Aircall => json["ping"] == "pong",
        Kind::Customerly => json["data"].is_array(),
        Kind::Clari => json["jobs"].is_object(),
        // Nothing is known of its answers.
        Kind::Http => true,
    }
}

/// Whether an answer that is neither 401 nor 403 says that the credential is wrong. Customerly's is a
/// server error with a message about it.
fn is_refusal(kind: Kind, status: u16, json: &Value) -> bool {
    let message = json["error"]["message"].as_str().unwrap_or_default().to_ascii_lowercase();
    let about_it = message.contains("token") || message.contains("header");
    kind == Kind::Customerly && status == 500 && about_it
}

fn accounts(kind: Kind, json: &Value) -> Vec<String> {
    let list = json["accounts"].as_array().filter(|_| kind == Kind::CallRail);
    let ids = list.into_iter().flatten().filter_map(|account| account["id"].as_str());
    ids.map(str::to_owned).collect()
}
