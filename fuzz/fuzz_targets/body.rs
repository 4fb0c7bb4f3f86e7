//! Bodies of requests: what is accepted says the same when it is written and read again, an edit never
//! widens a key, and what is wrong is told in bounds.
#![no_main]

use bitting::model::catalog::Catalog;
use bitting::model::field_errors::{FieldErrors, MOST_NAMED};
use bitting::model::key::{KeyLabel, NewKey};
use bitting::model::key_settings::KeySettings;
use bitting::model::limits::KeyLimits;
use bitting::records::model::{Fields, agent, article, call, contact, integration, lead};
use bitting_fuzz::{CATALOG, now};
use chrono::Duration;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

fuzz_target!(|text: &str| {
    let Ok(Value::Object(object)) = serde_json::from_str(text) else { return };
    check_new_key(&object, &CATALOG);
    check_edit(object.clone(), &CATALOG);
    check_record::<call::Call>(&object);
    check_record::<lead::Lead>(&object);
    check_record::<agent::Agent>(&object);
    check_record::<contact::Contact>(&object);
    check_record::<article::Article>(&object);
    check_record::<integration::Integration>(&object);
});

fn check_errors(errors: &FieldErrors) {
    assert!(!errors.is_empty() && errors.named().len() <= MOST_NAMED);
    for error in errors.named() {
        assert!(error.field.chars().count() <= 60 && error.message.chars().count() <= 1000);
    }
}

fn check_new_key(object: &Map<String, Value>, catalog: &Catalog) {
    let key = match NewKey::from_object(object, catalog, now()) {
        Ok(key) => key,
        Err(errors) => return check_errors(&errors),
    };
    let NewKey { label, scopes, expires_at, limits } = key;
    assert!((1..=100).contains(&label.name.chars().count()) && label.name.trim() == label.name);
    assert!(!scopes.is_empty() && catalog.scopes().includes(&scopes));
    assert!(expires_at.is_none_or(|at| at > now() && at <= now() + Duration::days(3653)));
    let settings = KeySettings { label, scopes, expires_at, limits, holder: None };
    let mut written = json!(settings).as_object().expect("an object").clone();
    written.remove("holder");
    let again = NewKey::from_object(&written, catalog, now()).expect("what was accepted");
    let NewKey { label, scopes, expires_at, limits } = again;
    let to_millisecond =
        |at: Option<chrono::DateTime<chrono::Utc>>| at.map(|at| at.timestamp_millis());
    assert_eq!(to_millisecond(expires_at), to_millisecond(settings.expires_at));
    assert_eq!((label, scopes, limits), (settings.label, settings.scopes, settings.limits));
}

fn check_edit(patch: Map<String, Value>, catalog: &Catalog) {
    let label = KeyLabel { name: "a".to_owned(), description: None, owner: None };
    let before = KeySettings {
        label,
        scopes: "calls:read calls:write reports:read gone:read".parse().expect("scopes"),
        expires_at: Some(now() + Duration::days(30)),
        limits: KeyLimits::default(),
        holder: None,
    };
    let after = match before.patched(patch, catalog, now()) {
        Ok(after) => after,
        Err(errors) => return check_errors(&errors),
    };
    assert!(!after.scopes.is_empty() && before.scopes.includes(&after.scopes));
    assert!(after.expires_at.is_some() && after.expires_at <= before.expires_at);
    assert_eq!(after.patched(Map::new(), catalog, now()).as_ref(), Ok(&after));
}

fn check_record<F: Fields>(object: &Map<String, Value>) {
    match F::from_object(object) {
        Err(errors) => check_errors(&errors),
        Ok(fields) => {
            let written = json!(fields);
            let again = F::from_object(written.as_object().expect("an object"));
            assert_eq!(again.ok().map(|fields| json!(fields)), Some(written));
        }
    }
}
