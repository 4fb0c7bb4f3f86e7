//! What each kind of connection offers, one module a kind and one row a line. What has no row is
//! refused, so a path that a vendor adds tomorrow opens nothing until somebody has read about it.

mod aircall;
mod callrail;
mod clari;
mod customerly;
mod offered;

use super::kind::Kind;
pub use offered::Offered;

impl Kind {
    /// What the kind offers; none where each connection has rules of its own.
    pub fn offered(self) -> Option<Offered> {
        match self {
            Self::CallRail => Some(callrail::offered()),
            Self::Aircall => Some(aircall::offered()),
            Self::Customerly => Some(customerly::offered()),
            Self::Clari => Some(clari::offered()),
            Self::Http => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{Offers, Row};
    use super::*;
    use crate::model::words::Word;

    const ALL: Offers = Offers { standing: true, recordings: true };

    fn offered() -> impl Iterator<Item = (Kind, Offered)> {
        Kind::ALL.iter().filter_map(|kind| Some((*kind, kind.offered()?)))
    }

    #[test]
    fn every_line_is_a_row_that_its_own_path_finds() {
        for (kind, offered) in offered() {
            let lines = offered.text.lines().filter(|line| !line.is_empty());
            let rows: Vec<Row> = lines.map(|line| line.parse().expect(line)).collect();
            assert_eq!(rows.len(), offered.table.rows().len(), "{kind:?}");
            for row in &rows {
                let path = row.example();
                let found = offered.table.find(row.method(), &path, ALL).expect(&path);
                assert_eq!(found.to_string(), row.to_string());
            }
        }
    }

    #[test]
    fn a_request_to_test_with_is_offered_to_any_key() {
        for (kind, offered) in offered() {
            let (method, target) = offered.test.split_once(' ').unwrap();
            let path = target.split('?').next().unwrap();
            let row = offered.table.find(method, path, ALL).unwrap();
            let any = row.scope().is_none() || kind == Kind::Customerly;
            assert!(any, "{kind:?}: {row}");
        }
    }

    #[test]
    fn what_outlives_a_key_is_closed_until_it_is_offered() {
        let closed = Offers::default();
        for (_, offered) in offered() {
            for row in offered.table.rows().iter().filter(|row| row.marks().standing) {
                let path = row.example();
                assert!(offered.table.find(row.method(), &path, closed).is_err(), "{row}");
                assert!(offered.table.find(row.method(), &path, ALL).is_ok(), "{row}");
            }
        }
    }
}
