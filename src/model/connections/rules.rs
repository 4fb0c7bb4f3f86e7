//! The rules of a connection to an API that has no table here: the rows that its administrator writes.

use serde_json::{Value, json};

use super::table::{InvalidRow, Marks, Row, Table};
use super::vendor_target::is_clear;
use crate::model::fields::as_text;
use crate::model::scope::OTHER;

/// The most rules of a connection.
const MOST: usize = 200;
/// The longest rule, in characters.
const LONGEST: usize = 300;
/// The most resources that they name: each is counted under a number of its own, for ever.
const MOST_RESOURCES: usize = 20;

/// The JSON Schema of rules.
pub(super) fn schema() -> Value {
    let rule = json!({"type": "string", "maxLength": LONGEST});
    json!({"type": "array", "items": rule, "maxItems": MOST})
}

/// Reads rules, `GET /v1/things/{id} things:read` each.
pub(super) fn read(value: &Value) -> Result<Table, String> {
    let items = value.as_array().filter(|items| items.len() <= MOST);
    let items = items.ok_or_else(|| format!("must be a list of at most {MOST} rules"))?;
    let mut rows: Vec<Row> = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let row = rule(as_text(item)?).map_err(|why| format!("rule {}: {why}", at + 1))?;
        if let Some(before) = rows.iter().position(|before| before.opens_the_same(&row)) {
            let (at, before) = (at + 1, before + 1);
            return Err(format!("rule {at}: is about the same requests as rule {before}"));
        }
        rows.push(row);
    }
    let mut resources: Vec<_> = rows.iter().filter_map(Row::scope).map(|s| &s.resource).collect();
    resources.sort_unstable();
    resources.dedup();
    if resources.len() > MOST_RESOURCES {
        return Err(format!("must name at most {MOST_RESOURCES} resources"));
    }
    Ok(rows.into_iter().collect())
}

fn rule(text: &str) -> Result<Row, String> {
    if text.len() > LONGEST {
        return Err(format!("must have at most {LONGEST} characters"));
    }
    let row: Row = text.parse().map_err(|why: InvalidRow| why.to_string())?;
    if row.is_unsent() {
        return Err(format!("{} is never forwarded", row.method()));
    }
    if row.marks() != Marks::default() {
        return Err("must end with its scope; marks are for the tables of vendors".to_owned());
    }
    if !is_clear(&row.example()) {
        return Err(
            "has a path that is never forwarded, since servers read it differently".to_owned()
        );
    }
    if row.scope().is_some_and(|scope| scope.resource.as_str() == OTHER) {
        return Err(format!("must not name {OTHER}, which stands for requests of no scope"));
    }
    if row.scope().is_some_and(|scope| scope.connection.is_some()) {
        return Err("must have a scope without @ and a connection, which is this one".to_owned());
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_rows_of_which_no_two_open_the_same() {
        let rules = json!(["GET  /v1/things/{id}  things:read", "PUT /v1/things/* things:write"]);
        let table = read(&rules).unwrap();
        assert_eq!(
            json!(table),
            json!(["GET /v1/things/{id} things:read", "PUT /v1/things/* things:write"])
        );
        let many: Vec<String> = (0..=MOST).map(|n| format!("GET /{n} any")).collect();
        let named = (0..=MOST_RESOURCES).map(|n| format!("GET /{n} r{n}:read"));
        for (rules, why) in [
            (json!("GET /v1/things things:read"), "a list"),
            (json!(many), "at most 200"),
            (json!(named.collect::<Vec<_>>()), "at most 20 resources"),
            (json!([7]), "string"),
            (
                json!(["GET /a any", "GET /v1/things"]),
                "rule 2: must be a method, a path and a scope",
            ),
            (json!(["GET /v1/../things things:read"]), "rule 1: "),
            (json!(["GET /v1/th!ngs things:read"]), "never forwarded"),
            (json!(["CONNECT /v1/things things:read"]), "CONNECT is never forwarded"),
            (json!(["TRACE /v1/things any"]), "TRACE is never forwarded"),
            (json!(["GET /v1/things things:read S"]), "marks"),
            (json!(["GET /v1/things things:read@other"]), "without @"),
            (json!(["GET /v1/things other:read"]), "must not name other"),
            (json!(["GET /a/* a:read", "GET /a/{id} b:read"]), "the same requests as rule 1"),
        ] {
            let said = read(&rules).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
