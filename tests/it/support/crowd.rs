//! A crowd of keys, users and admin tokens with a month of use, made fast: most of it by the
//! application itself, the use and the ages by SQL for SQLite.

use bitting::domain::keys::transfer::Intake;
use bitting::domain::principal::Principal;
use bitting::model::imported_key::ImportedKey;
use bitting::model::key::KeyLabel;
use bitting::model::limits::KeyLimits;
use bitting::model::scope::{Scope, ScopeSet};
use bitting::model::secret::Digest;
use bitting::model::user::NewUser;
use bitting::records::model::resources;
use chrono::{Datelike, TimeDelta};
use serde_json::json;

use super::TestServer;
use super::server::MadeKey;

const OWNERS: [&str; 8] = [
    "Acme Dental",
    "Brightline",
    "Operations",
    "Finance",
    "Fernhill CRM",
    "Larkspur Dental",
    "Birch & Partners",
    "Content",
];
const WORK: [&str; 10] = [
    "CRM sync",
    "Call export",
    "Lead import",
    "Dashboard",
    "Nightly report",
    "Voice agent",
    "Slack alerts",
    "Knowledge upload",
    "Data warehouse",
    "Partner demo",
];
const PLACES: [&str; 7] = ["Berlin", "Lagos", "Osaka", "Quito", "Oslo", "Pune", "Austin"];
const REASONS: [&str; 3] = ["replaced", "seen in a shared notebook", "the customer has left"];

fn scopes(n: usize) -> ScopeSet {
    let all: Vec<Scope> = resources::catalog().scopes().iter().cloned().collect();
    let wanted = 1 + n * n % 5 + if n.is_multiple_of(17) { 8 } else { 0 };
    (0..wanted).map(|k| all[(n * 7 + k * 3) % all.len()].clone()).collect()
}

/// So many keys of many kinds: a hundredth revoked, a fiftieth expired, most of them used on some
/// of the last 30 days, a few unused for long. Returns an active and a revoked one, whose secrets
/// nobody knows.
pub fn db_crowd(server: &TestServer, keys: usize) -> (MadeKey, MadeKey) {
    let (bitting, cli) = (&server.bitting, Principal::command_line("ops"));
    let now = bitting.time.now();
    let key = |n: usize| {
        let expires_at = match n % 10 {
            0 => Some(now + TimeDelta::days(1 + (n % 120) as i64)),
            1 if n % 50 == 1 => Some(now - TimeDelta::days((n % 90) as i64) - TimeDelta::hours(5)),
            2..=4 => Some(now + TimeDelta::days(100 + (n % 600) as i64)),
            _ => None,
        };
        let (work, place) = (WORK[n % 10], PLACES[n / 10 % 7]);
        ImportedKey {
            label: KeyLabel {
                name: format!("{work}, {place} {}", n / 70 + 1),
                description: n.is_multiple_of(3).then(|| format!("Set up by the team in {place}")),
                owner: (n % 4 != 3).then(|| OWNERS[n / 3 % OWNERS.len()].to_owned()),
            },
            scopes: scopes(n),
            expires_at,
            limits: KeyLimits::default(),
            digest: Digest::of(format!("key {n}").as_bytes()),
            display: format!("btk_{:04}…{:04}", n * 7919 % 10_000, n * 104_729 % 10_000),
        }
    };
    let mut ids = Vec::new();
    for start in (0..keys).step_by(1000) {
        let batch = (start..keys.min(start + 1000)).map(key).collect();
        ids.extend(bitting.import_keys(batch, &cli).unwrap().into_iter().map(|intake| {
            let Intake::New(Some(id)) = intake else { panic!("{intake:?}") };
            id
        }));
    }
    for (n, id) in ids.iter().enumerate().skip(5).step_by(100) {
        bitting.revoke_key(*id, Some(REASONS[n % 3]), &cli, None).unwrap();
    }
    db_use(server, now);
    let made =
        |id: &bitting::model::id::KeyId| MadeKey { id: id.to_string(), secret: String::new() };
    (made(&ids[keys - 8]), made(&ids[5]))
}

/// The use of a month, as the roll-up leaves it, and ages for the keys.
fn db_use(server: &TestServer, now: bitting::model::time::Moment) {
    let hour = now.timestamp() / 3600;
    let midnight = hour - i64::from(chrono::Timelike::hour(&now));
    assert!(now.year() > 2000);
    server.database.db_execute(&format!(
        "BEGIN IMMEDIATE;
         UPDATE usage_rollup SET hour = {hour}, key_number = 0, minutes_from = ({hour} - 26) * 60;
         UPDATE api_keys SET created_at = datetime({0}, 'unixepoch', '-' || (30 + number * 37 % 400) || ' days')
             WHERE number % 9 <> 0;
         WITH RECURSIVE days(day) AS (VALUES (0) UNION ALL SELECT day + 1 FROM days WHERE day < 29)
         INSERT INTO usage_hours SELECT k.number, {midnight} - 24 * day + (k.number * 5 + day) % 12,
             CASE k.number * 3 % 7 WHEN 0 THEN 16 WHEN 1 THEN 24 WHEN 2 THEN 33 WHEN 3 THEN 40 WHEN 4 THEN 17 ELSE 32 END,
             1 + (k.number * 31 + day * 17) % 40 * (1 + k.number % 29), ({midnight} - 24 * day + 12) * 3600000
             FROM api_keys k CROSS JOIN days
             WHERE k.number % 6 <> 0 AND (k.number + day * day) % 3 <> 0
             AND k.created_at < datetime(({midnight} - 24 * day) * 3600, 'unixepoch')
             AND {midnight} - 24 * day + (k.number * 5 + day) % 12 < {hour};
         INSERT INTO usage_totals SELECT number, 16, 1 + number * 7 % 5000, ({hour} - 24 * (95 + number % 60)) * 3600000
             FROM api_keys WHERE number % 12 = 0 AND created_at < datetime(({hour} - 24 * 160) * 3600, 'unixepoch');
         INSERT INTO usage_sums SELECT hour, cell, SUM(n) FROM usage_hours GROUP BY hour, cell;
         INSERT INTO key_summaries SELECT key_number, SUM(n), MAX(last_at) FROM usage_hours GROUP BY key_number;
         INSERT INTO scope_uses SELECT key_number, name || CASE cell / 8 % 2 WHEN 0 THEN ':read' ELSE ':write' END, MAX(last_at)
             FROM usage_hours JOIN resources ON number = cell / 16 WHERE cell % 8 < 3 GROUP BY key_number, name, cell / 8;
         COMMIT;",
        hour * 3600,
    ));
}

/// So many users, without passwords, and admin tokens, of which every third was revoked.
pub fn db_staff(server: &TestServer, users: usize, tokens: usize) {
    let cli = Principal::command_line("ops");
    for n in 0..users {
        let email = format!(
            "{}.{n:03}@{}.example.com",
            ["ada", "bo", "cy", "di", "eve"][n % 5],
            ["clinic", "desk", "billing"][n % 3]
        );
        let new = match n % 10 {
            0 => json!({"email": email, "role": "auditor"}),
            1 => json!({"email": email, "role": "admin"}),
            _ => json!({"email": email, "may_grant": scopes(n)}),
        };
        let new = NewUser::from_object(new.as_object().unwrap(), &resources::catalog()).unwrap();
        let user = server.bitting.add_user(&cli, &new, None).unwrap();
        if n % 25 == 3 {
            server.bitting.disable_user(&cli, user.id, None).unwrap();
        }
    }
    for n in 0..tokens {
        let access = if n % 2 == 0 { "read" } else { "write" };
        let name = format!("{} of customer {n:03}", WORK[n % 10]);
        let expires_at = server.bitting.time.now() + TimeDelta::days(5 + n as i64);
        let mut token = json!({"name": name, "access": access, "expires_at": bitting::model::time::format(expires_at)});
        if n % 4 != 0 {
            token["may_grant"] = json!(scopes(n));
        }
        server.db_token(&token);
    }
    for (n, token) in server.bitting.list_tokens(&cli).unwrap().iter().enumerate().step_by(3) {
        if token.name != "test" {
            server.bitting.revoke_token(token.id, Some(REASONS[n % 2]), &cli).unwrap();
        }
    }
}
