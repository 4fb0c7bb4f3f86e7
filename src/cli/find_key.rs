//! `bitting key find`: a key that was found somewhere, read so that nobody else sees it.

use std::io::{self, IsTerminal, Read};

use serde_json::{Map, json};

use super::application::{open, principal};
use super::failure::Failure;
use super::key_shown::{KEY_IN_ARGUMENT, show_key};
use crate::config::Settings;
use crate::domain::Error;
use crate::model::find_request::FindRequest;
use crate::store::database::migrate::Missing;

/// How much of standard input is read for a key, in bytes.
const MOST_INPUT: u64 = 4096;

/// Reads a key from standard input, without echo where that is a terminal.
fn read_key() -> Result<FindRequest, Failure> {
    let text = if io::stdin().is_terminal() {
        rpassword::prompt_password("Key: ")?
    } else {
        let mut bytes = Vec::new();
        io::stdin().lock().take(MOST_INPUT).read_to_end(&mut bytes)?;
        String::from_utf8_lossy(&bytes).into_owned()
    };
    FindRequest::from_object(&Map::from_iter([("key".to_owned(), json!(text))]))
        .map_err(|errors| Failure::Usage(errors.summary_naming(|_| "standard input".to_owned())))
}

pub(super) fn find(source: &str, json: bool, settings: &Settings) -> Result<(), Failure> {
    if source != "-" {
        return Err(Failure::Usage(format!(
            "give -, and the key on standard input: {KEY_IN_ARGUMENT}"
        )));
    }
    let FindRequest { key: secret } = read_key()?;
    let bitting = open(settings, Missing::Refuse)?;
    match bitting.find_key_by_secret(&principal(), &secret) {
        Ok(key) => show_key(&bitting, &key, json),
        Err(Error::NotFound) => {
            Err(Failure::Failed(format!("no key found. {}", bitting.why_not_found(&secret))))
        }
        Err(other) => Err(other.into()),
    }
}
