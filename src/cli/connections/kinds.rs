//! `bitting connection kinds`: the vendors, and what each lets a key do.

use super::super::failure::Failure;
use super::super::output::{show, show_table};
use crate::model::connections::Kind;
use crate::model::connections::table::{Marks, Row};
use crate::model::words::Word;

pub(super) fn run(kind: Option<&str>) -> Result<(), Failure> {
    let Some(text) = kind else { return list() };
    let kind = Kind::parse(text).ok_or_else(|| {
        Failure::Usage(format!("there is no kind {text:?}; choose {}", Kind::choices()))
    })?;
    describe(kind)
}

fn list() -> Result<(), Failure> {
    let row = |kind: &Kind| {
        let rows = kind.offered().map(|offered| offered.table.rows().len().to_string());
        let rows = rows.unwrap_or_else(|| "by rules".to_owned());
        let origin = kind.origin().unwrap_or("its base URL").to_owned();
        [kind.as_str().to_owned(), origin, rows, kind.about().to_owned()]
    };
    let rows: Vec<_> = Kind::ALL.iter().map(row).collect();
    show_table(["KIND", "ORIGIN", "REQUESTS", "DESCRIPTION"], &rows)
}

/// What is said of a kind that has no table.
const OF_ITS_OWN: &str = "\
Or in headers of any name, as --auth has it, such as 'X-Api-Key: {api_key}'.
It offers nothing but what the rules of a connection say:
  GET /v1/things/{id} things:read
  POST /v1/things     things:write
{id} and * stand for one segment, GET for HEAD too; the scope any is for every key at the connection.
It is tested with --test-path, which answers whoever has the credential.";

fn describe(kind: Kind) -> Result<(), Failure> {
    show(format_args!("{}", kind.about()))?;
    if let Some(origin) = kind.origin() {
        show(format_args!("Origin: {origin}"))?;
    }
    show(format_args!("Forms of its credential, in the order in which they are tried:"))?;
    for form in kind.forms() {
        show(format_args!("  {:<32} {}", form.as_str(), form.about()))?;
    }
    let Some(offered) = kind.offered() else {
        return show(format_args!("{OF_ITS_OWN}"));
    };
    show(format_args!("Test: {}", offered.test))?;
    show(format_args!("What it offers; GET stands for HEAD too, and all else is refused:"))?;
    let rows: Vec<_> = offered.table.rows().iter().map(|row| columns(row)).collect();
    show_table(["METHOD", "PATH", "SCOPE", "MARKS"], &rows)?;
    Marks::legend().try_for_each(|(letter, about)| show(format_args!("{letter}  {about}")))
}

fn columns(row: &Row) -> [String; 4] {
    let (method, path) = (row.method().to_owned(), row.path().to_owned());
    [method, path, row.scope_text(), row.marks().letters()]
}
