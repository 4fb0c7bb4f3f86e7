//! `/keys/{id}/rotate`: a new key in the place of one, and what will happen when.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::{Map, json};

use super::line::sources_in_words;
use super::made::{Replaced, made};
use crate::domain;
use crate::domain::Bitting;
use crate::domain::keys::forms::FormOutcome;
use crate::domain::keys::rotation::Rotated;
use crate::domain::principal::Principal;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, Id};
use crate::http::pages::parts::expiry::{ChosenEnd, KEEP, Life, lives_like, usual_life};
use crate::http::pages::parts::form_error::{Field, FormErrors, validation_errors};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::parts::text::exact;
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::FieldErrors;
use crate::model::id::KeyId;
use crate::model::key::ApiKey;
use crate::model::policy::Policy;
use crate::model::random_secret::RandomSecret;
use crate::model::rotation::RotateRequest;
use crate::model::time::Moment;

const FIELDS: [Field; 3] = [
    ("overlap", "overlap", "How long both keys work"),
    ("expires_at", "expires", "The expiry"),
    ("expires_on", "expires_on", "The last day"),
];

/// The overlaps to choose from, in words.
const OVERLAPS: [(&str, &str); 6] = [
    ("0", "Not at all"),
    ("1h", "1 hour"),
    ("1d", "1 day"),
    ("7d", "7 days"),
    ("30d", "30 days"),
    ("90d", "90 days"),
];

#[derive(Template)]
#[template(path = "key_rotate.html")]
struct RotatePage {
    frame: Frame,
    id: String,
    name: String,
    display: String,
    missing: Vec<String>,
    in_use: String,
    typed: Typed,
    overlaps: Vec<Overlap>,
    lives: Vec<Life>,
    ends: Vec<NewEnd>,
    expiry_rule: Option<String>,
    today: String,
    nonce: String,
    errors: FormErrors,
}

/// For how long both keys may work, and what comes then.
struct Overlap {
    value: &'static str,
    words: &'static str,
    /// When the old key ends.
    end: String,
    then: &'static str,
}

/// When the new key ends, if this life is chosen.
struct NewEnd {
    value: &'static str,
    end: String,
    then: &'static str,
}

/// What is typed into the form.
struct Typed {
    overlap: String,
    end: ChosenEnd,
}

impl Typed {
    fn nothing(life: &str) -> Self {
        Self { overlap: "7d".to_owned(), end: ChosenEnd::of_life(life) }
    }

    fn of_form(form: &Form) -> Self {
        Self { overlap: form.text("overlap").to_owned(), end: ChosenEnd::of_form(form) }
    }

    /// What is asked for.
    fn request(&self, now: Moment) -> Result<RotateRequest, FieldErrors> {
        let mut object = Map::from_iter([("overlap".to_owned(), json!(self.overlap))]);
        let mut errors = FieldErrors::default();
        self.end.add_to(&mut object, &mut errors, now);
        match RotateRequest::from_object(&object, now) {
            Ok(request) => errors.into_result().map(|()| request),
            Err(found) => {
                errors.extend(found);
                Err(errors)
            }
        }
    }

    /// Shows errors of the expiry where it was typed.
    fn errors(&self, mut errors: FieldErrors) -> FormErrors {
        errors.named_mut().iter_mut().for_each(|error| self.end.place(&mut error.field));
        FormErrors::new(errors, &FIELDS)
    }
}

/// Everything that is read for the page.
struct Found {
    key: ApiKey,
    missing: Vec<String>,
    in_use: String,
    nonce: RandomSecret,
    policy: Policy,
    now: Moment,
}

impl Found {
    /// The life that is chosen unless somebody chooses another.
    fn usual_life(&self) -> &'static str {
        let kept =
            lives_like(&self.key, &self.policy, self.now).iter().any(|life| life.value == KEEP);
        if kept { KEEP } else { usual_life(90, &self.policy, self.now) }
    }
}

fn find(
    bitting: &Bitting,
    principal: &Principal,
    id: KeyId,
    nonce: Option<RandomSecret>,
) -> domain::Result<Found> {
    let (key, missing) = bitting.find_key_to_rotate(principal, id)?;
    let usage = bitting.usage_of_key(key.number)?;
    let sources = bitting.addresses_of_key(key.number)?;
    Ok(Found {
        missing: missing.iter().map(ToString::to_string).collect(),
        in_use: sources_in_words(&usage, &sources),
        nonce: nonce.map_or_else(|| bitting.form_nonce(), Ok)?,
        policy: bitting.policy.clone(),
        now: bitting.time.now(),
        key,
    })
}

impl RotatePage {
    fn new(viewer: &Viewer, found: Found, typed: Typed, errors: FormErrors) -> Self {
        let Found { key, missing, in_use, nonce, policy, now } = found;
        let lives = lives_like(&key, &policy, now);
        let end = |life: &Life| new_end(&key, &policy, life.value, now);
        Self {
            frame: viewer.frame(Section::Keys),
            id: key.id.to_string(),
            overlaps: overlaps(&key, now),
            ends: lives.iter().filter_map(end).collect(),
            lives,
            expiry_rule: policy.about_expiry(),
            today: now.format("%Y-%m-%d").to_string(),
            nonce: nonce.expose(),
            name: key.label.name,
            display: key.display,
            missing,
            in_use,
            typed,
            errors,
        }
    }
}

fn overlaps(key: &ApiKey, now: Moment) -> Vec<Overlap> {
    let of = |(value, words): (&'static str, &'static str)| {
        let object = Map::from_iter([("overlap".to_owned(), json!(value))]);
        let request = RotateRequest::from_object(&object, now).ok()?;
        let end = request.end_of_old(key, now);
        let then = match end {
            end if end == now => "The old key stops working as soon as the new one is made.",
            end if end < now + request.overlap => "The old key expires, as it would anyway.",
            _ => "The old key stops working.",
        };
        let end = if end == now { "At once".to_owned() } else { exact(end) };
        Some(Overlap { value, words, end, then })
    };
    OVERLAPS.into_iter().filter_map(of).collect()
}

fn new_end(key: &ApiKey, policy: &Policy, life: &'static str, now: Moment) -> Option<NewEnd> {
    let typed = Typed::nothing(life);
    let expires = "The new key expires.";
    if life == "date" {
        let end = "At the end of the day you choose".to_owned();
        return Some(NewEnd { value: life, end, then: expires });
    }
    let (end, then) = match typed.request(now).ok()?.end_of_new(key, policy, now) {
        Some(end) => (exact(end), expires),
        None => ("No end".to_owned(), "The new key never expires."),
    };
    Some(NewEnd { value: life, end, then })
}

/// `GET /keys/{id}/rotate`
pub async fn form(
    viewer: Viewer,
    state: web::Data<State>,
    id: Id<KeyId>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let found = state.run(move |bitting| find(bitting, &principal, id.0, None)).await?;
    let typed = draft.or(Typed::of_form, || Typed::nothing(found.usual_life()));
    page(StatusCode::OK, &RotatePage::new(&viewer, found, typed, FormErrors::default()))
}

/// The outcome of submitting the form.
enum Submission {
    /// The form rotated the key now.
    Rotated(Box<Rotated>, Moment),
    /// The form made this key before.
    Known(KeyId),
    /// The form is to be shown again, with its errors.
    Again(StatusCode, Box<Found>, Typed, FieldErrors),
}

/// `POST /keys/{id}/rotate`
pub async fn rotate(
    viewer: Viewer,
    state: web::Data<State>,
    request: HttpRequest,
    id: Id<KeyId>,
    sent: Form,
) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let done = state.run(move |bitting| {
        let invalid = |errors| (StatusCode::UNPROCESSABLE_ENTITY, errors);
        let (typed, now) = (Typed::of_form(&sent), bitting.time.now());
        let nonce = bitting.nonce_of_form(sent.text("nonce"))?;
        let rotated = match typed.request(now) {
            Ok(request) => {
                match bitting.rotate_key_by_form(id.0, request, &principal, &nonce) {
                    // The page says by itself what may not be granted.
                    Err(domain::Error::NotGranted { .. }) => {
                        Err((StatusCode::FORBIDDEN, FieldErrors::default()))
                    }
                    rotated => validation_errors(rotated)?.map_err(invalid),
                }
            }
            Err(errors) => Err(invalid(errors)),
        };
        match rotated {
            Ok(FormOutcome::Made(made)) => Ok(Submission::Rotated(made, now)),
            Ok(FormOutcome::Known(id)) => Ok(Submission::Known(id)),
            Err((status, errors)) => {
                let found = find(bitting, &principal, id.0, Some(nonce))?;
                Ok(Submission::Again(status, Box::new(found), typed, errors))
            }
        }
    });
    match done.await? {
        Submission::Rotated(rotated, now) => {
            let Rotated { keys, secret } = *rotated;
            let replaced = Replaced::new(&keys.old, now);
            let template = made(&viewer, &state, &request, &keys.new, &secret, Some(replaced));
            page(StatusCode::OK, &template)
        }
        Submission::Known(id) => Ok(see_other(&format!("/keys/{id}"))),
        Submission::Again(status, found, typed, errors) => {
            let errors = typed.errors(errors);
            let template = RotatePage::new(&viewer, *found, typed, errors);
            page(status, &template)
        }
    }
}
