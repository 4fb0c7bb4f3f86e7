//! What libpq says, without what it repeats of the URL, and what can be done about it.

/// Words that libpq may quote of a URL: none of them is a secret.
const PLAIN_WORDS: [&str; 7] =
    ["require", "verify-ca", "verify-full", "prefer", "allow", "sslmode", "channel_binding"];

/// What libpq, PostgreSQL and poolers say where waiting does not help. Whatever else comes of a server
/// that was reached may pass, also what it says in another language.
const FINAL: [&str; 17] = [
    "authentication failed",
    "auth failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "pg_hba.conf rejects",
    "does not exist",
    "no such user",
    "no such database",
    "not permitted to log in",
    "permission denied",
    "Permission denied",
    " certificate",
    "SSL error",
    "does not support SSL",
    "channel binding",
    "parameter",
    "statement pooling mode",
];

/// What to do about TLS, by what libpq or the server says.
const TLS: [(&str, &str); 6] = [
    (
        "no encryption",
        "the server wants TLS (pg_hba.conf): ask for it with sslmode=require, and switch it on there \
         (ssl = on) if it is off",
    ),
    (
        "does not support SSL",
        "switch TLS on in postgresql.conf (ssl = on), or leave sslmode out on a network that you trust",
    ),
    (
        "certificate verify failed",
        "let sslrootcert=FILE name the certificate of whoever has signed the server's; \
         sslrootcert=system takes those that this machine trusts, or that SSL_CERT_FILE names",
    ),
    (
        "does not match host name",
        "name the host as its certificate does, with hostaddr=ADDRESS beside it where the name is not \
         found",
    ),
    (
        "valid client certificate",
        "sslcert=FILE and sslkey=FILE in the URL name the certificate and its key",
    ),
    (
        "channel binding",
        "leave channel_binding out, or let the server ask for the password by scram-sha-256 over TLS",
    ),
];
const NO_NAME: &str = "the server's name is not found: look at the host in the URL; every character \
                       of a user or password that is no letter or digit must be percent-encoded";
const NO_URL: &str = "the URL must be of the form postgres://USER:PASSWORD@HOST:PORT/DATABASE with \
                      every other character percent-encoded";
const POOLED: &str = "connections go through a pooler that hands them out for a single statement, \
                      so that no change could be made as a whole: let it hand them out for a \
                      transaction or a session (PgBouncer: pool_mode = transaction), or name \
                      PostgreSQL itself in the URL";
const MAYBE_POOLED: &str = "a pooler in between must hand out connections for a transaction or a \
                            session (PgBouncer: pool_mode = transaction)";

/// Why there is no connection, on one line. What libpq quotes of the URL may be a part of the
/// password that was taken for something else, and is left out.
pub(in crate::store) fn reason(message: &str) -> String {
    if says_standby(message) {
        return NO_CHANGES.join("; ");
    }
    let connected = message.starts_with("connection to server");
    let said = if connected { last_attempt(message).to_owned() } else { without_quoted(message) };
    let said = on_one_line(&said);
    let advice = if connected {
        let known = TLS.iter().find(|(words, _)| said.contains(words));
        let Some((_, advice)) = known else { return said };
        advice
    } else if message.starts_with("weak sslmode") {
        return said;
    } else if message.contains("could not translate host name") {
        NO_NAME
    } else {
        NO_URL
    };
    format!("{said}; {advice}")
}

/// What became of the last attempt. Where TLS did not help, libpq has tried without as well, which says
/// nothing if the server wants TLS.
fn last_attempt(message: &str) -> &str {
    let told: Vec<_> = attempts(message).collect();
    let telling = told.iter().rev().find(|said| !said.contains("no encryption"));
    telling.or(told.last()).map_or(message, |said| said)
}

/// What became of each attempt.
fn attempts(message: &str) -> impl Iterator<Item = &str> {
    let attempts = message.split("connection to server");
    attempts.filter_map(|attempt| Some(attempt.split_once(" failed: ")?.1))
}

/// The problem with a server that takes no changes, and its remedy.
pub(in crate::store) const NO_CHANGES: [&str; 2] = [
    "this PostgreSQL server is a standby or takes no changes, and what it holds may lag behind",
    "name the primary in --database-url, or all servers with target_session_attrs=read-write; on a \
     primary, switch default_transaction_read_only off",
];

/// The problem with a user that has no rights to the tables, and its remedy.
pub(in crate::store) const NOT_OWNER: [&str; 2] = [
    "this user may not make or change the tables",
    "let the URL name the user that owns them; where there are none yet, make this one the owner of the \
     database (ALTER DATABASE … OWNER TO …), and where there are, GRANT SELECT, INSERT, UPDATE, DELETE \
     ON ALL TABLES and USAGE, SELECT ON ALL SEQUENCES IN SCHEMA … TO it",
];

/// Whether libpq or the server says that the server is a standby.
pub(in crate::store) fn says_standby(message: &str) -> bool {
    message.contains("session is read-only") || message.contains("hot standby mode")
}

/// What to do where a sequence was left behind its column.
pub(in crate::store) const BEHIND: &str =
    "THE DATABASE GIVES OUT NUMBERS THAT ARE TAKEN; run `bitting check --repair`";

/// Whether connecting may succeed later: nothing listens yet, or the server has no connection to give.
/// A name that is not found may be that of a container that has not been started.
pub(in crate::store) fn may_pass(message: &str) -> bool {
    if let Some((_, name)) = message.split_once("could not translate host name \"") {
        let name = name.rsplit_once("\" to address").map_or(name, |(name, _)| name);
        return name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    }
    message.starts_with("connection to server") && attempts(message).any(is_passing)
}

/// Whether what a server says that was reached may be otherwise later.
pub(in crate::store) fn is_passing(said: &str) -> bool {
    !says_standby(said) && !FINAL.iter().any(|words| said.contains(words))
}

/// The words of PostgreSQL or a pooler on one line, and what to do beside those that do not say what
/// is behind them.
pub(in crate::store) fn with_advice(said: &str) -> String {
    let said = on_one_line(said);
    if said.contains("statement pooling mode") {
        format!("{said}; {POOLED}")
    } else if said.contains("server closed the connection unexpectedly") {
        format!("{said}; {MAYBE_POOLED}")
    } else if said.contains("permission denied for") || said.contains("must be owner of") {
        format!("{said}; {}", NOT_OWNER.join("; "))
    } else {
        said
    }
}

fn on_one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

/// The text with an ellipsis for everything from its first quotation mark to its last, since what
/// is quoted may hold such marks itself. Plain words stay.
fn without_quoted(text: &str) -> String {
    let mut quoted = text.split('"').skip(1).step_by(2);
    match (text.find('"'), text.rfind('"')) {
        (Some(first), Some(last))
            if first < last && !quoted.all(|word| PLAIN_WORDS.contains(&word)) =>
        {
            format!("{}\"…\"{}", &text[..first], &text[last + 1..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::store::database::libpq::*;

    #[test]
    fn libpqs_own_words_are_told_without_what_they_repeat() {
        for (message, told) in [
            ("sslmode value \"hunter2\" invalid", &["sslmode value \"…\" invalid", NO_URL][..]),
            (
                "could not translate host name \"hunter2@host\" to address: Name or service not known",
                &["host name \"…\" to address: Name or service not known", NO_NAME],
            ),
            ("invalid percent-encoded token: \"hunter2%\"", &["percent-encoded token", NO_URL]),
            (
                "invalid integer value \"hunter2\" for connection option \"port\"",
                &["invalid integer value \"…\"", NO_URL],
            ),
            ("missing \"=\" after \"hun\"ter2\" in string", &["missing \"…\" in string"]),
            (
                "weak sslmode \"verify-ca\" may not be used with sslrootcert=system (use \"verify-full\")",
                &["weak sslmode \"verify-ca\" may not", "(use \"verify-full\")"],
            ),
            (
                "connection to server at \"127.0.0.1\", port 1 failed: Connection refused\n\tIs the \
                 server running on that host and accepting TCP/IP connections?\n",
                &["Connection refused; Is the server running"],
            ),
            (
                "connection to server at \"10.0.0.1\", port 5432 failed: FATAL:  no pg_hba.conf entry \
                 for host \"10.0.0.2\", user \"me\", database \"db\", no encryption",
                &["no pg_hba.conf entry", TLS[0].1],
            ),
        ] {
            let reason = reason(message);
            assert!(!reason.contains("hunter2") && !reason.contains('\n'), "{reason}");
            told.iter().for_each(|told| assert!(reason.contains(told), "{reason}"));
        }
    }

    #[test]
    fn what_may_go_well_later_is_told_from_what_will_not() {
        let at = |said: &str| {
            format!("connection to server at \"h\" (10.0.0.1), port 5432 failed: {said}")
        };
        for (message, passes) in [
            (at("Connection refused\n\tIs the server running on that host?"), true),
            (at("timeout expired"), true),
            (at("FATAL:  the database system is starting up"), true),
            (at("FATAL:  sorry, too many clients already"), true),
            (at("FATAL:  tut mir leid, schon zu viele Verbindungen"), true),
            (at("FATAL:  das Datenbanksystem startet"), true),
            (at("FATAL:  too many connections for role \"me\""), true),
            (at("FATAL:  too many connections for database \"d\""), true),
            (at("FATAL:  no more connections allowed (max_client_conn)"), true),
            (at("FATAL:  remaining connection slots are reserved"), true),
            (at("FATAL:  no such user"), false),
            (at("FATAL:  permission denied for database \"d\""), false),
            (at("SSL error: certificate verify failed"), false),
            (at("session is read-only"), false),
            (at("server is in hot standby mode"), false),
            (at("SSL SYSCALL error: EOF detected"), true),
            (at("server is in hot standby mode\n") + &at("Connection refused"), true),
            (at("FATAL:  password authentication failed for user \"me\""), false),
            (at("FATAL:  database \"d\" does not exist"), false),
            (at("FATAL:  role \"me\" does not exist"), false),
            (at("FATAL:  no pg_hba.conf entry for host \"h\", no encryption"), false),
            (at("fe_sendauth: no password supplied"), false),
            (
                "could not translate host name \"db\" to address: Name or service not known".into(),
                true,
            ),
            ("could not translate host name \"x@db\" to address: Unknown".into(), false),
            (at("server does not support SSL, but SSL was required"), false),
            ("invalid percent-encoded token: \"x%\"".into(), false),
        ] {
            assert_eq!(may_pass(&message), passes, "{message}");
        }
    }

    #[test]
    fn a_pooler_that_hands_out_connections_by_statement_is_named() {
        let said = "transaction blocks not allowed in statement pooling mode";
        assert_eq!(with_advice(said), format!("{said}; {POOLED}"));
        assert_eq!(with_advice("disk full\n\tsorry\n"), "disk full; sorry");
    }
}
