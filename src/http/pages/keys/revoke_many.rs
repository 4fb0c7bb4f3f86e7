//! `/keys/revoke`: revoking the keys that were ticked, or all that a filter finds, after naming them.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use crate::domain;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::http::api::keys::read_filter;
use crate::http::error::Problem;
use crate::http::extract::{Draft, Form, PageQuery, QueryReader, ReadQuery};
use crate::http::pages::parts::form_error::{Field, FormErrors, validation_errors};
use crate::http::pages::parts::frame::{Frame, Section, Viewer};
use crate::http::pages::parts::list_filters;
use crate::http::pages::parts::pager;
use crate::http::pages::parts::text::{NAME, OWNER, When, counted, number, shortened};
use crate::http::pages::{page, see_other};
use crate::http::state::State;
use crate::model::FieldErrors;
use crate::model::catalog::Catalog;
use crate::model::id::KeyId;
use crate::model::key::KeyNumber;
use crate::model::key_choice::{KeyChoice, MOST_FOUND, MOST_IDS, RevokeMany};
use crate::model::key_filter::{KeyFilter, KeyOrder, KeySort};
use crate::model::secret::Digest;

const FIELDS: [Field; 1] = [("reason", "reason", "The reason")];
/// How many keys are named; further ones are counted.
const NAMED: usize = 100;

/// The keys that somebody has chosen in a list.
#[derive(Clone)]
pub struct Chosen {
    ids: Vec<KeyId>,
    filter: KeyFilter,
}

impl ReadQuery for Chosen {
    fn read(query: &mut QueryReader) -> Self {
        let id = |text: &str| text.parse().map_err(|_| "must be the id of a key".to_owned());
        let mut ids: Vec<KeyId> = query.several("key", id);
        ids.truncate(MOST_IDS);
        Self { ids, filter: read_filter(query) }
    }
}

impl Chosen {
    /// What is chosen by a form, whose fields are those of the address.
    fn of_form(form: &Form, catalog: &Arc<Catalog>) -> Result<Self, Problem> {
        let mut asked = form_urlencoded::Serializer::new(String::new());
        asked.extend_pairs(form.values("key").map(|id| ("key", id)));
        let names = KeyFilter::default().parameters().map(|(name, _)| name);
        let given = names.into_iter().map(|name| (name, form.text(name)));
        asked.extend_pairs(given.filter(|(_, value)| !value.is_empty()));
        let mut query = QueryReader::new(&asked.finish(), catalog.clone());
        let chosen = Self::read(&mut query);
        query.finish().map(|()| chosen)
    }

    /// Whether the filter alone says which keys are meant.
    fn by_filter(&self) -> bool {
        self.ids.is_empty() && !self.fields().is_empty()
    }

    /// The filter as fields of a form.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let given = self.filter.parameters().into_iter();
        given.filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

#[derive(Template)]
#[template(path = "keys_revoke.html")]
struct RevokePage {
    frame: Frame,
    /// How many keys, in words; empty if there are none.
    count: String,
    /// What they were found by, in words.
    found_by: Option<String>,
    /// The fields of the filter; none where the keys themselves are named.
    fields: Vec<(&'static str, String)>,
    /// What tells the keys that were found from others.
    mark: String,
    rows: Vec<Row>,
    more: Option<String>,
    /// The list that they were chosen in.
    back: String,
    reason: String,
    notice: Option<String>,
    errors: FormErrors,
}

/// A key that would be revoked.
struct Row {
    id: String,
    name: String,
    display: String,
    owner: Option<String>,
    used: Option<When>,
    month: String,
}

/// What is asked about, read from the database.
struct Found {
    numbers: Vec<KeyNumber>,
    /// Those that are named.
    rows: Vec<Row>,
}

fn numbers_of(
    bitting: &Bitting,
    principal: &Principal,
    chosen: &Chosen,
) -> domain::Result<Vec<KeyNumber>> {
    if chosen.by_filter() {
        let filter = KeyChoice::to_revoke(chosen.filter.clone());
        return bitting.numbers_of_keys(principal, &filter, KeyOrder::by(KeySort::Name));
    }
    let keys = bitting.keys_with_ids(principal, &chosen.ids)?;
    Ok(keys.iter().filter(|key| key.revocation.is_none()).map(|key| key.number).collect())
}

fn find(bitting: &Bitting, principal: &Principal, chosen: &Chosen) -> domain::Result<Found> {
    let (numbers, now) = (numbers_of(bitting, principal, chosen)?, bitting.time.now());
    let row = |row: domain::keys::listing::KeyRow| Row {
        id: row.key.id.to_string(),
        name: shortened(row.key.label.name, NAME),
        display: row.key.display,
        owner: row.key.label.owner.map(|owner| shortened(owner, OWNER)),
        used: row.usage.last_used_at().map(|at| When::ago(at, now)),
        month: counted(row.usage.windows.month.total(), "request"),
    };
    let named = if chosen.by_filter() { numbers.len().min(NAMED) } else { numbers.len() };
    let rows = bitting.key_rows(&numbers[..named])?.into_iter().map(row).collect();
    Ok(Found { numbers, rows })
}

/// A text for these keys and no others, in any order.
fn mark_of(numbers: &[KeyNumber]) -> String {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.0.to_be_bytes()).collect();
    Digest::of(&bytes).to_hex()
}

impl RevokePage {
    fn new(viewer: &Viewer, chosen: &Chosen, found: Found) -> Self {
        let Found { numbers, rows } = found;
        let total = numbers.len();
        let more = total - rows.len();
        let by_filter = chosen.by_filter();
        Self {
            frame: viewer.frame(Section::Keys),
            count: if total == 0 { String::new() } else { counted(total as i64, "key") },
            found_by: by_filter.then(|| list_filters::words(&chosen.filter).join(", ")),
            back: pager::address("/keys", chosen.filter.parameters()),
            fields: if by_filter { chosen.fields() } else { Vec::new() },
            mark: mark_of(&numbers),
            rows,
            more: (more > 0).then(|| number(more as i64)),
            reason: String::new(),
            notice: (total > MOST_FOUND).then(|| {
                format!(
                    "At most {} are revoked at once. Narrow the filter.",
                    number(MOST_FOUND as i64)
                )
            }),
            errors: FormErrors::default(),
        }
    }
}

/// `GET /keys/revoke`
pub async fn ask(
    viewer: Viewer,
    state: web::Data<State>,
    PageQuery(asked): PageQuery<Chosen>,
    draft: Draft,
) -> Result<HttpResponse, Problem> {
    let chosen = draft.or(|form| Chosen::of_form(form, &viewer.catalog), || Ok(asked))?;
    let reason = draft.or(|form| form.text("reason").to_owned(), String::new);
    let (principal, asked) = (viewer.principal.clone(), chosen.clone());
    let found = state.run(move |bitting| find(bitting, &principal, &asked)).await?;
    page(StatusCode::OK, &RevokePage { reason, ..RevokePage::new(&viewer, &chosen, found) })
}

/// `POST /keys/revoke`
pub async fn revoke(
    viewer: Viewer,
    state: web::Data<State>,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let chosen = Chosen::of_form(&form, &viewer.catalog)?;
    let (mark, reason) = (form.text("mark").to_owned(), form.text("reason").to_owned());
    let (principal, asked) = (viewer.principal.clone(), chosen.clone());
    let typed = Some(reason.clone()).filter(|reason| !reason.trim().is_empty());
    let done = state.run(move |bitting| {
        let refusal = revoke_shown(bitting, &principal, &asked, &mark, typed)?;
        let again = refusal.map(|refusal| Ok((refusal, find(bitting, &principal, &asked)?)));
        again.transpose()
    });
    let Some((refusal, found)) = done.await? else { return Ok(see_other("/keys/retired")) };
    let asked_again = RevokePage::new(&viewer, &chosen, found);
    match refusal {
        Refusal::Reason(errors) => {
            let errors = FormErrors::new(errors, &FIELDS);
            page(StatusCode::UNPROCESSABLE_ENTITY, &RevokePage { errors, reason, ..asked_again })
        }
        Refusal::Changed => {
            let changed = "Nothing has been revoked: these are not the keys that were shown before. \
                           Look at them again.";
            let notice = Some(changed.to_owned());
            page(StatusCode::CONFLICT, &RevokePage { notice, reason, ..asked_again })
        }
    }
}

/// Why somebody is asked again.
enum Refusal {
    /// The reason is wrong.
    Reason(FieldErrors),
    /// The filter finds other keys than they were shown.
    Changed,
}

/// Revokes the keys, if they are those that were shown.
fn revoke_shown(
    bitting: &Bitting,
    principal: &Principal,
    chosen: &Chosen,
    mark: &str,
    reason: Option<String>,
) -> domain::Result<Option<Refusal>> {
    let keys = if chosen.by_filter() {
        let numbers = numbers_of(bitting, principal, chosen)?;
        if mark_of(&numbers) != mark {
            return Ok(Some(Refusal::Changed));
        }
        KeyChoice::Shown(numbers)
    } else {
        KeyChoice::Ids(chosen.ids.clone())
    };
    let request = RevokeMany { keys, reason };
    match validation_errors(bitting.revoke_keys(&request, principal, None)) {
        Ok(Ok(_)) => Ok(None),
        Ok(Err(errors)) => Ok(Some(Refusal::Reason(reason_errors(errors)?))),
        Err(other) => Err(other),
    }
}

/// Only the reason can be typed; what else is wrong is answered as for programs.
fn reason_errors(errors: FieldErrors) -> domain::Result<FieldErrors> {
    let typed = errors.named().iter().all(|error| error.field == "reason");
    if typed { Ok(errors) } else { Err(errors.into()) }
}
