//! Secrets on the command line: a vendor's credential, which is asked for or read from standard input,
//! and a new master key.

use std::io;
use std::io::{IsTerminal, Read};

use zeroize::Zeroizing;

use super::super::failure::Failure;
use super::super::output::{say, show};
use crate::model::connections::credential::FieldGroups;
use crate::model::connections::{MasterKey, VendorCredential};

/// The most that is read of standard input.
const LONGEST: u64 = 64 * 1024;

/// Asks for a credential of these fields: at prompts without echo, or from standard input if that is no
/// terminal.
pub(super) fn ask(groups: &FieldGroups) -> Result<VendorCredential, Failure> {
    let text = if io::stdin().is_terminal() {
        prompt(groups)?
    } else {
        let mut text = Zeroizing::new(String::new());
        io::stdin().lock().take(LONGEST).read_to_string(&mut text)?;
        text
    };
    VendorCredential::parse(groups, &text)
        .map_err(|why| Failure::Usage(format!("the credential {why}")))
}

/// The fields of the first way to write a credential, or, where the first of them is left empty, of
/// the next.
fn prompt(groups: &FieldGroups) -> Result<Zeroizing<String>, Failure> {
    for (at, fields) in groups.iter().enumerate() {
        let mut text = Zeroizing::new(String::new());
        for (place, field) in fields.iter().enumerate() {
            let other = match groups.get(at + 1) {
                Some(next) if place == 0 => format!(" (empty for {})", next.join(" and ")),
                _ => String::new(),
            };
            let line = rpassword::prompt_password(format!("{field}{other}: "))?;
            let line = Zeroizing::new(line);
            if line.trim().is_empty() && !other.is_empty() {
                break;
            }
            text.push_str(line.trim());
            text.push('\n');
        }
        if !text.is_empty() {
            return Ok(text);
        }
    }
    Ok(Zeroizing::new(String::new()))
}

/// Draws a master key.
pub(super) fn new_key() -> Result<(), Failure> {
    let key = MasterKey::generate().map_err(|why| Failure::Failed(why.to_string()))?;
    say(format_args!(
        "master key {}: keep a copy of it apart from the database, which is of no use without it",
        key.id()
    ));
    show(format_args!("{}", key.expose()))
}
