//! `bitting connection kinds`: the vendors, and what each lets a key do.

use super::super::failure::Failure;
use super::super::output::{show, show_table};
use crate::model::connections::table::{Marks, Row};
use crate::model::connections::{AuthForm, Kind};
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
        let rows = kind.offered().table.rows().len().to_string();
        [kind.as_str().to_owned(), kind.origin().to_owned(), rows, kind.about().to_owned()]
    };
    let rows: Vec<_> = Kind::ALL.iter().map(row).collect();
    show_table(["KIND", "ORIGIN", "REQUESTS", "DESCRIPTION"], &rows)
}

fn describe(kind: Kind) -> Result<(), Failure> {
    show(format_args!("{}", kind.about()))?;
    show(format_args!("Origin: {}", kind.origin()))?;
    show(format_args!("Forms of its credential, in the order in which they are tried:"))?;
    for form in kind.forms() {
        show(format_args!("  {:<32} {}", form.as_str(), AuthForm::about(*form)))?;
    }
    let offered = kind.offered();
    show(format_args!("Test: {}", offered.test))?;
    show(format_args!("What it offers; GET stands for HEAD too, and all else is refused:"))?;
    let rows: Vec<_> = offered.table.rows().iter().map(columns).collect();
    show_table(["METHOD", "PATH", "SCOPE", "MARKS"], &rows)?;
    Marks::legend().try_for_each(|(letter, about)| show(format_args!("{letter}  {about}")))
}

fn columns(row: &Row) -> [String; 4] {
    let (method, path) = (row.method().to_owned(), row.path().to_owned());
    [method, path, row.scope_text(), row.marks().letters()]
}
