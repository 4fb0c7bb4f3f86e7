//! Files of keys: whatever is in one, it is read or refused without repeating what may be a secret, and
//! what is written is read again as it was.
#![no_main]

use bitting::cli::fuzzing::lines_of_keys;
use bitting::model::imported_key::ImportedKey;
use bitting::model::secret::Brand;
use bitting::model::spreadsheet;
use bitting_fuzz::{CATALOG, now};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

/// What other products' keys begin with.
const SECRET: &str = "sk_live_";
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fuzz_target!(|file: &[u8]| {
    match lines_of_keys(file) {
        Err(why) => assert!(!why.contains(SECRET), "{why}"),
        Ok(lines) => lines.into_iter().for_each(check),
    }
    if let Ok(text) = std::str::from_utf8(file) {
        assert_survives(text);
    }
});

fn check(line: Result<Map<String, Value>, String>) {
    let brand: Brand = "bt".parse().expect("a brand");
    let object = match line {
        Ok(object) => object,
        Err(why) => return assert!(!why.contains(SECRET), "{why}"),
    };
    match ImportedKey::from_object(&object, &brand, &CATALOG, now()) {
        Err(errors) => {
            let said = errors.summary();
            assert!(!said.contains(SECRET), "{said}");
        }
        Ok(key) => {
            assert!(!key.scopes.is_empty() && CATALOG.scopes().includes(&key.scopes));
            assert!(key.expires_at.is_none_or(|at| at > now()));
            let texts =
                [Some(&key.label.name), key.label.owner.as_ref(), key.label.description.as_ref()];
            assert!(!texts.into_iter().flatten().any(|text| brand.may_occur_in(text)));
            assert!(
                object["sha256"]
                    .as_str()
                    .is_some_and(|hex| { hex.trim().eq_ignore_ascii_case(&key.digest.to_hex()) })
            );
        }
    }
}

/// Written as CSV and as JSON, a line says the same.
fn assert_survives(text: &str) {
    let row = [text, "calls:read leads:write", DIGEST].map(str::to_owned);
    let heading = ["name", "scopes", "sha256"].map(str::to_owned);
    let csv = spreadsheet::text([heading, row]);
    let name = if text.is_empty() { Value::Null } else { text.into() };
    let object = json!({"name": name, "scopes": ["calls:read", "leads:write"], "sha256": DIGEST});
    for file in [csv, object.to_string()] {
        let fits = file.len() < 60_000;
        let lines = lines_of_keys(file.as_bytes()).expect("a file of keys");
        assert!(!fits || lines == [Ok(object.as_object().expect("an object").clone())], "{file:?}");
    }
}
