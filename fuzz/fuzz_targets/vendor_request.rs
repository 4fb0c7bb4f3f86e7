//! Requests to vendors' APIs: the row that is found is the closest one, and what is forwarded can be
//! read in one way only.
//!
//! An input is a table, a row a line, and, behind its first empty line, a request a line.
#![no_main]

use bitting::model::connections::table::{NoRow, Offers, Row, Table};
use bitting::model::connections::vendor_target::{forbidden_parameter, is_clear};
use bitting_fuzz::{halves, in_one_case};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;

fuzz_target!(|text: &str| {
    let (rows, requests) = halves(text);
    let rows: Vec<Row> = rows.lines().filter_map(|line| line.parse().ok()).collect();
    for row in &rows {
        assert_eq!(row.to_string().parse::<Row>().as_ref(), Ok(row));
    }
    let table: Table = rows.iter().cloned().collect();
    for (method, target) in requests.lines().filter_map(|line| line.split_once(' ')) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if is_clear(path) {
            assert_has_one_reading(path);
        }
        if forbidden_parameter(query).is_none() {
            assert_names_no_credential(query);
        }
        for standing in [false, true] {
            let found = table.find(method, path, Offers { standing, recordings: false });
            assert_eq!(
                found.map(|row| &**row),
                model(&rows, method, path, standing),
                "{method} {path}"
            );
        }
    }
});

fn assert_has_one_reading(path: &str) {
    let once = percent_decode_str(path).decode_utf8().expect("UTF-8").into_owned();
    assert_eq!(percent_decode_str(&once).decode_utf8_lossy(), once, "{path}");
    assert_eq!(once.matches('/').count(), path.matches('/').count());
    assert!(once.split('/').all(|segment| segment != "." && segment != ".."), "{path}");
    assert!(!once.contains([';', '?', '#', '\\']) && !once.chars().any(char::is_control), "{path}");
}

fn assert_names_no_credential(query: &str) {
    for pair in query.split(['&', ';']) {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
        let forbidden = ["api_key", "apikey", "access_token", "token", "_method"];
        assert!(!forbidden.contains(&name.as_str()), "{query}");
    }
}

fn model<'a>(rows: &'a [Row], method: &str, path: &str, standing: bool) -> Result<&'a Row, NoRow> {
    if !is_clear(path) {
        return Err(NoRow::Path);
    }
    let offered = || rows.iter().filter(|row| standing || !row.marks().standing);
    let exactly = |row: &&Row| fits(row, path, false);
    let roughly = |row: &&Row| fits(row, path, true);
    let closest = offered().filter(exactly).map(variables).min().ok_or(NoRow::Path)?;
    if rows.iter().filter(roughly).map(variables).min().is_some_and(|other| other != closest) {
        return Err(NoRow::Path);
    }
    let there: Vec<&Row> =
        offered().filter(exactly).filter(|row| variables(row) == closest).collect();
    let takes = |row: &&&Row| row.method() == method || (row.method() == "GET" && method == "HEAD");
    let methods = || there.iter().map(|row| row.method().to_owned()).collect();
    there.iter().find(takes).copied().ok_or_else(|| NoRow::Method(methods()))
}

/// How many things the segments of a row's pattern may be: one, those of a format, or all.
fn variables(row: &Row) -> Vec<u8> {
    let kind =
        |segment| parts(segment).map_or(0, |(_, suffix)| if suffix.is_empty() { 2 } else { 1 });
    row.path().split('/').map(kind).collect()
}

/// Whether a server may take a segment for this one that decodes both, takes letters of either case
/// for the same, and what follows a dot for a format.
fn may_be(wanted: &str, there: &str) -> bool {
    let read = |segment: &str| {
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        decoded.chars().map(in_one_case).collect::<String>()
    };
    let name = |text: &str, begins: fn(char) -> bool| {
        let dots = text.char_indices().filter(|(at, c)| *c == '.' && *at > 0);
        let mut formats =
            dots.filter(|(at, _)| text[at + 1..].chars().next().map_or(begins('.'), begins));
        formats.next().map_or(text, |(at, _)| &text[..at]).to_owned()
    };
    let (wanted, there) = (read(wanted), read(there));
    let short = name(&there, |_| true).trim_end_matches(' ').to_owned();
    let of_format = name(&wanted, |first| first.is_ascii_alphabetic());
    wanted == there || (short != there && [&wanted, &of_format].contains(&&short))
}

/// The name and the rest of a segment that may be several things.
fn parts(segment: &str) -> Option<(&str, &str)> {
    if segment == "*" {
        return Some(("", ""));
    }
    segment.strip_prefix('{')?.split_once('}')
}

fn fits(row: &Row, path: &str, roughly: bool) -> bool {
    let same =
        |wanted: &str, there: &str| if roughly { may_be(wanted, there) } else { wanted == there };
    let (wanted, there): (Vec<&str>, Vec<&str>) =
        (row.path().split('/').collect(), path.split('/').collect());
    let segment = |(wanted, there): (&&str, &&str)| match parts(wanted) {
        None => same(wanted, there),
        Some((name, suffix)) => {
            (1..there.len() + 1).filter(|at| there.is_char_boundary(*at)).any(|at| {
                let (value, end) = there.split_at(at);
                let version = value.len() == 2
                    && value.starts_with('v')
                    && ('1'..='9').contains(&value.chars().nth(1).unwrap_or('0'));
                same(suffix, end)
                    && (suffix.is_empty() || roughly || !value.contains('.'))
                    && (name != "version" || version)
            })
        }
    };
    wanted.len() == there.len() && wanted.iter().zip(&there).all(segment)
}
