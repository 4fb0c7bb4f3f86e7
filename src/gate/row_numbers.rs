//! Row numbers as memory knows them.
//!
//! A database that was set back gives row numbers out again. Requests of the key that had a number
//! before may still be running, and must not be counted to the one that has it now: so that one is
//! known in memory by a stand-in.

use std::collections::{HashMap, HashSet};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::model::key::KeyNumber;
use crate::model::usage::Count;

/// The table that a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// The table of API keys.
    Keys,
    /// The table of admin tokens.
    Tokens,
}

/// Which database row each number in memory stands for: itself, until a database is set back.
#[derive(Debug, Default)]
pub struct RowNumbers(RwLock<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    /// Numbers in memory of what the database does not know.
    gone: HashSet<(Table, u32)>,
    /// The rows that stand-ins stand for.
    rows: HashMap<(Table, u32), u32>,
}

impl Numbers {
    fn stands_for(&self, table: Table, number: u32) -> u32 {
        self.rows.get(&(table, number)).copied().unwrap_or(number)
    }

    fn row(&self, table: Table, number: u32) -> Option<u32> {
        (!self.gone.contains(&(table, number))).then(|| self.stands_for(table, number))
    }
}

impl RowNumbers {
    fn read(&self) -> RwLockReadGuard<'_, Numbers> {
        self.0.read()
    }

    fn write(&self) -> RwLockWriteGuard<'_, Numbers> {
        self.0.write()
    }

    /// The row that a number stands for, or stood for.
    pub fn stands_for(&self, table: Table, number: u32) -> u32 {
        self.read().stands_for(table, number)
    }

    /// The row that a number stands for; none when the database does not know it.
    pub fn row(&self, table: Table, number: u32) -> Option<u32> {
        self.read().row(table, number)
    }

    /// The number of a row that is new in memory: its own, unless something that is gone had it.
    pub fn admit(&self, table: Table, row: u32) -> u32 {
        if !self.read().gone.contains(&(table, row)) {
            return row;
        }
        let mut numbers = self.write();
        // From the other end, which no row reaches: all keys are in memory.
        let number = u32::MAX - numbers.rows.len() as u32;
        numbers.rows.insert((table, number), row);
        number
    }

    /// Records whether the database still has the row that a number stands for.
    pub fn set_gone(&self, table: Table, number: u32, gone: bool) {
        if gone {
            self.write().gone.insert((table, number));
        } else if self.read().gone.contains(&(table, number)) {
            self.write().gone.remove(&(table, number));
        }
    }

    /// Every number that stands for one of these keys' rows.
    pub fn of_keys(&self, rows: &[KeyNumber]) -> Vec<KeyNumber> {
        let numbers = self.read();
        let stand_ins = numbers
            .rows
            .iter()
            .filter(|((table, _), row)| *table == Table::Keys && rows.contains(&KeyNumber(**row)));
        let stand_ins = stand_ins.map(|((_, number), _)| KeyNumber(*number));
        rows.iter().copied().chain(stand_ins).collect()
    }

    /// Replaces numbers by their rows, and drops counts whose row is gone; returns how many
    /// requests that were.
    pub fn find_rows(&self, counts: &mut Vec<Count>) -> i64 {
        let numbers = self.read();
        if numbers.gone.is_empty() && numbers.rows.is_empty() {
            return 0;
        }
        let mut set_aside = 0;
        counts.retain_mut(|count| match numbers.row(Table::Keys, count.key.0) {
            Some(row) => {
                count.key = KeyNumber(row);
                true
            }
            None => {
                set_aside += count.n;
                false
            }
        });
        set_aside
    }
}

#[cfg(test)]
mod tests {
    use crate::gate::row_numbers::*;

    #[test]
    fn a_number_that_was_given_out_anew_is_another_one_in_memory() {
        let numbers = RowNumbers::default();
        assert_eq!(numbers.admit(Table::Keys, 7), 7);
        numbers.set_gone(Table::Keys, 7, true);
        let stand_in = numbers.admit(Table::Keys, 7);
        assert_ne!(stand_in, 7);
        assert_eq!(numbers.admit(Table::Tokens, 7), 7, "tokens have numbers of their own");
        assert_eq!(numbers.row(Table::Keys, 7), None);
        assert_eq!(numbers.row(Table::Keys, stand_in), Some(7));
        assert_eq!(numbers.of_keys(&[KeyNumber(7)]), [KeyNumber(7), KeyNumber(stand_in)]);

        // The first database is back.
        numbers.set_gone(Table::Keys, stand_in, true);
        numbers.set_gone(Table::Keys, 7, false);
        assert_eq!(numbers.row(Table::Keys, 7), Some(7));
        assert_eq!(numbers.row(Table::Keys, stand_in), None);
        assert_eq!(numbers.stands_for(Table::Keys, stand_in), 7);
    }
}
