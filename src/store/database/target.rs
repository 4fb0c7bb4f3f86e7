//! Which database a URL names: a file of SQLite's, or a PostgreSQL server.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::store::error::{Error, Result};

/// Which database to use. It is shown without a password, also for debugging.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// The path of an SQLite file.
    Sqlite(PathBuf),
    /// A connection URL; it may hold a password.
    Postgres(String),
}

impl FromStr for Target {
    type Err = Error;
    /// Parses the scheme and, for SQLite, the path. The rest of a PostgreSQL URL is left to libpq.
    fn from_str(url: &str) -> Result<Self> {
        let refused = |why: &str| Error::Url(format!("database URL: {why}"));
        if url.contains(char::is_control) {
            return Err(refused("holds a line break or another control character; take it out"));
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => sqlite_path(rest).map(Self::Sqlite).map_err(refused),
            scheme @ ("postgres" | "postgresql") => {
                Ok(Self::Postgres(format!("{scheme}://{rest}")))
            }
            _ => Err(refused(
                "must begin with sqlite:// or postgres://, such as sqlite://bitting.db, \
                 sqlite:///var/lib/bitting/bitting.db or postgres://USER:PASSWORD@HOST/DATABASE",
            )),
        }
    }
}

/// The path after `sqlite://`. An absolute one may begin with any number of slashes, since some
/// programs want four after the colon and `sqlite:///$PWD` has as many.
fn sqlite_path(text: &str) -> std::result::Result<PathBuf, &'static str> {
    let path = match text.strip_prefix('/') {
        Some(rest) => format!("/{}", rest.trim_start_matches('/')),
        None => text.to_owned(),
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    if path.is_empty() || path == "/" {
        return Err("sqlite:// needs a file name, such as sqlite://bitting.db");
    }
    if name == ":memory:" {
        return Err("sqlite:// needs a file name, such as sqlite://bitting.db: what is in memory \
                    alone would be lost with the process");
    }
    if path.contains(['?', '#']) {
        return Err("sqlite:// takes a file name without ? or #");
    }
    if path == "~" || path.starts_with("~/") {
        return Err("sqlite:// takes a path as it is, and ~ stands for nothing in it; write the \
                    whole path, such as sqlite://$HOME/bitting.db in a shell");
    }
    if has_percent_code(&path) {
        return Err(
            "sqlite:// takes a file name as it is, and %20 stands for no space in it; write \
                    the characters themselves",
        );
    }
    Ok(path.into())
}

/// Whether a path holds a percent-encoded character.
fn has_percent_code(path: &str) -> bool {
    let hexadecimal = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let mut parts = path.split('%');
    parts.next();
    parts.any(|part| {
        let bytes = part.as_bytes();
        hexadecimal(bytes.first()) && hexadecimal(bytes.get(1))
    })
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// Writes the file, or the server without the password: for people to read.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
                let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
                // A question mark before the @ belongs to an ill-written password.
                let place = if parameters.contains('@') { "…" } else { place };
                let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
                write!(f, "{scheme}://{place}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::store::database::target::*;

    #[test]
    fn the_scheme_chooses_and_a_typo_makes_no_database() {
        for (url, path) in [
            ("sqlite://a/b.db", "a/b.db"),
            ("sqlite://./b.db", "./b.db"),
            ("SQLite://b.db", "b.db"),
            ("sqlite:///a/b.db", "/a/b.db"),
            ("sqlite:////a/b.db", "/a/b.db"),
            ("sqlite://///a//b.db", "/a//b.db"),
            ("sqlite://with a space.db", "with a space.db"),
            ("sqlite://100%.db", "100%.db"),
        ] {
            assert_eq!(url.parse::<Target>().unwrap(), Target::Sqlite(path.into()), "{url}");
        }
        for url in ["postgresql://h/d", "POSTGRES://h/d", "postgres:///d?host=/run/postgresql"] {
            let (scheme, rest) = url.split_once(':').unwrap();
            let read = Target::Postgres(format!("{}:{rest}", scheme.to_lowercase()));
            assert_eq!(url.parse::<Target>().unwrap(), read);
        }
    }

    #[test]
    fn what_names_no_database_is_refused_with_what_to_write() {
        for (url, what_to_write) in [
            ("bitting.db", "sqlite://bitting.db"),
            ("/var/lib/bitting/bitting.db", "sqlite:///var/lib/bitting/bitting.db"),
            ("sqlite:bitting.db", "sqlite://bitting.db"),
            ("sqlite::memory:", "sqlite://bitting.db"),
            ("sqlite3://bitting.db", "sqlite://bitting.db"),
            ("file:bitting.db?mode=rwc", "sqlite://bitting.db"),
            ("file:///bitting.db", "sqlite:///var"),
            ("mysql://me:hunter2@h/d", "postgres://"),
            ("postgresql+psycopg2://me:hunter2@h/d", "postgres://"),
            ("jdbc:postgresql://h/d?password=hunter2", "postgres://"),
            ("host=h password=hunter2", "postgres://USER:PASSWORD@HOST/DATABASE"),
            ("sqlite://", "sqlite://bitting.db"),
            ("sqlite:///", "sqlite://bitting.db"),
            ("sqlite:////", "sqlite://bitting.db"),
            ("sqlite://:memory:", "sqlite://bitting.db"),
            ("sqlite:///:memory:", "sqlite://bitting.db"),
            ("sqlite://a?mode=rw", "without ?"),
            ("sqlite://~/bitting.db", "$HOME"),
            ("sqlite:///my%20files/bitting.db", "the characters themselves"),
            ("sqlite://bitting.db\n", "take it out"),
            ("postgres://h/d\r", "take it out"),
            ("", "sqlite://bitting.db"),
        ] {
            let why = url.parse::<Target>().unwrap_err().to_string();
            assert!(why.contains(what_to_write) && !why.contains("hunter2"), "{url}: {why}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for (url, shown) in [
            ("postgres://me:pass@word@host:5432/db?password=x", "postgres://host:5432/db"),
            ("postgres://host/db?user=a@b&password=x", "postgres://…"),
            ("postgres://me:pa?s@host/db", "postgres://…"),
        ] {
            assert_eq!(url.parse::<Target>().unwrap().to_string(), shown);
        }
    }
}
