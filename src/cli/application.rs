//! The application as commands use it: on the database itself, and by whoever has that.

use std::sync::Arc;

use super::failure::Failure;
use super::output::say;
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::model::time::Moment;
use crate::server;
use crate::store::Target;
use crate::store::database::migrate::Missing;

/// Opens the database for one command, and says so when that made a new one: a key in the wrong
/// database is good for nothing.
pub(super) fn open(settings: &Settings, missing: Missing) -> Result<Bitting, Failure> {
    let made = matches!(&settings.database, Target::Sqlite(path) if !path.exists());
    let bitting = server::open(settings, Arc::new(SystemClock), missing)?;
    if made {
        say(format_args!("made a new database: {}", settings.database));
    }
    Ok(bitting)
}

/// Whoever has the database may do everything; the operating system's user name is noted.
pub(super) fn principal() -> Principal {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let name = ["USER", "LOGNAME"].into_iter().find_map(variable);
    let name = name.unwrap_or_else(|| "command line".to_owned());
    Principal::command_line(name)
}

/// The time commands go by before the database is opened.
pub(super) fn now() -> Moment {
    SystemClock.wall()
}
