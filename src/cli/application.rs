//! The application as commands use it: on the database itself, and by whoever has that.

use std::sync::Arc;

use nix::unistd::{Uid, User, gethostname};

use super::failure::Failure;
use super::output::say;
use crate::clock::{Clock, SystemClock};
use crate::config::Settings;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::model::catalog::Catalog;
use crate::model::time::Moment;
use crate::server;
use crate::store::Target;
use crate::store::database::migrate::Missing;

/// Opens the database for one command, and says so when that made a new one: a key in the wrong
/// database is good for nothing.
pub(super) fn open(settings: &Settings, missing: Missing) -> Result<Bitting, Failure> {
    let made = matches!(&settings.database, Target::Sqlite(path) if !path.exists());
    let bitting = server::open(settings, Arc::new(SystemClock), missing)?;
    bitting.load_connections()?;
    if made {
        say(format_args!("made a new database: {}", settings.database));
    }
    Ok(bitting)
}

/// What scopes are read by. Which connections there are only the database knows, so it is opened for
/// scopes at connections. For others it is opened later, since a scope that is misspelled must not make
/// a new one.
pub(super) fn catalog_for(scopes: &[String], settings: &Settings) -> Result<Arc<Catalog>, Failure> {
    if scopes.iter().any(|scope| scope.contains('@')) {
        Ok(open(settings, Missing::Refuse)?.catalog.clone())
    } else {
        Ok(Arc::new(server::catalog(settings)))
    }
}

/// Whoever has the database may do everything. Noted is who they are to the operating system, and on
/// which machine: not by the environment, which says whatever they like.
pub(super) fn principal() -> Principal {
    let id = Uid::current();
    let user = User::from_uid(id).ok().flatten().map(|user| user.name);
    let user = user.unwrap_or_else(|| format!("user {id}"));
    let host = gethostname().ok().and_then(|host| host.into_string().ok());
    // Not with an @, as the addresses of users have.
    Principal::command_line(match host.filter(|host| !host.is_empty()) {
        Some(host) => format!("{user} on {host}"),
        None => user,
    })
}

/// The time commands go by before the database is opened.
pub(super) fn now() -> Moment {
    SystemClock.wall()
}
