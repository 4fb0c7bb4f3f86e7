//! Counts that are written and stand in no usage row yet: a batch is a row or a few here, until
//! several are folded into the usage rows together.
//!
//! Adding thousands of counters to their rows costs more than counting them did, and most of them
//! are the same ones again a moment later.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};

use super::{add_to_hours, add_to_minutes, cell, position};
use crate::model::key::KeyNumber;
use crate::model::usage::{Count, KeySelection, Minute};
use crate::store::database::any_connection::AnyConnection;
use crate::store::database::statement::Statement;
use crate::store::error::Result;
use crate::store::rows::unreadable;
use crate::store::schema::usage_journal;

/// The length of one counter in bytes.
const WIDTH: usize = 18;
/// The part number of a batch that is not divided.
const WHOLE: i64 = 16;
/// Rows that a large batch is divided into. One that fits a page of SQLite's is read at once.
const PARTS: u32 = 64;
/// How many counters make a batch large enough to be divided, so that one key's are found without
/// reading them all.
const LARGE: usize = 1_000;

/// The number of the part of a large batch that a key's counts are in.
fn part_of(key: KeyNumber) -> i64 {
    WHOLE + 1 + i64::from(key.0 % PARTS)
}

/// Appends a process's batch; its counts are in order ([`Count::merge`]).
pub fn append(
    connection: &mut AnyConnection,
    process: &str,
    sequence: i64,
    counts: &[Count],
) -> Result<()> {
    let mut parts = BTreeMap::<i64, Part>::new();
    for count in counts {
        let part = if counts.len() < LARGE { WHOLE } else { part_of(count.key) };
        parts.entry(part).or_default().add(count);
    }
    for (part, Part { n, bytes }) in parts {
        let row = (
            usage_journal::part.eq(part),
            usage_journal::process.eq(process),
            usage_journal::sequence.eq(sequence),
            usage_journal::n.eq(n),
            usage_journal::counts.eq(bytes),
        );
        diesel::insert_into(usage_journal::table).values(row).execute(connection)?;
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Batch {
    #[diesel(sql_type = Binary)]
    counts: Vec<u8>,
}

/// The journal's counts of some keys, each named once, or of all.
pub fn counts(connection: &mut AnyConnection, keys: KeySelection<'_>) -> Result<Vec<Count>> {
    let statement = Statement::<(BigInt, Binary)>::on(connection);
    let statement = match keys {
        KeySelection::All => statement.sql("SELECT part, counts FROM usage_journal"),
        KeySelection::Only(keys) => {
            let parts: BTreeSet<i64> = keys.iter().copied().map(part_of).chain([WHOLE]).collect();
            statement
                .sql("SELECT part, counts FROM ")
                .number_table(parts)
                .sql(" CROSS JOIN usage_journal WHERE part = number.value")
        }
    };
    let batches: Vec<(i64, Vec<u8>)> = statement.load(connection)?;
    let mut counts = Vec::new();
    for (part, batch) in &batches {
        match keys {
            KeySelection::All => decode(batch, keys, &mut counts)?,
            KeySelection::Only(keys) => {
                let here = |key: &KeyNumber| [WHOLE, part_of(*key)].contains(part);
                let keys: Vec<KeyNumber> = keys.iter().copied().filter(here).collect();
                decode(batch, KeySelection::Only(&keys), &mut counts)?;
            }
        }
    }
    Ok(counts)
}

/// Moves everything from the journal into the usage rows, whichever process wrote it. Returns what
/// that was.
pub fn fold(connection: &mut AnyConnection) -> Result<Vec<Count>> {
    let mut counts = take(connection)?;
    Count::merge(&mut counts);
    let position = position(connection)?;
    // Rolled-up hours are not read from the minute rows again.
    let late = counts.iter().filter(|count| position.covers(count.key, count.minute));
    add_to_hours(connection, &late.copied().collect::<Vec<_>>())?;
    let kept = counts.iter().filter(|count| count.minute >= position.minutes_from);
    add_to_minutes(connection, kept)?;
    Ok(counts)
}

/// Takes everything out of the journal.
fn take(connection: &mut AnyConnection) -> Result<Vec<Count>> {
    let taken = diesel::sql_query("DELETE FROM usage_journal RETURNING counts");
    let mut counts = Vec::new();
    for batch in taken.load::<Batch>(connection)? {
        decode(&batch.counts, KeySelection::All, &mut counts)?;
    }
    Ok(counts)
}

/// The counters of one journal row, encoded.
#[derive(Default)]
struct Part {
    /// How many requests they count.
    n: i64,
    bytes: Vec<u8>,
}

impl Part {
    fn add(&mut self, count: &Count) {
        self.n += count.n;
        let since = u32::try_from(count.last_at - count.minute.start_ms()).unwrap_or_default();
        // More than one counter can hold stands in several; a key that was only used stands in one.
        let mut left = count.n;
        loop {
            let n = u32::try_from(left).unwrap_or(u32::MAX);
            self.bytes.extend_from_slice(&(count.minute.0 as u32).to_le_bytes());
            self.bytes.extend_from_slice(&count.key.0.to_le_bytes());
            self.bytes.extend_from_slice(&(count.cell.number() as u16).to_le_bytes());
            self.bytes.extend_from_slice(&n.to_le_bytes());
            self.bytes.extend_from_slice(&since.to_le_bytes());
            left -= i64::from(n);
            if left <= 0 {
                break;
            }
        }
    }
}

/// Decodes the counters of some keys. They are sorted by minute and key, so a few keys are found
/// without decoding the rest.
fn decode(bytes: &[u8], keys: KeySelection<'_>, counts: &mut Vec<Count>) -> Result<()> {
    let (mut counters, rest) = bytes.as_chunks::<WIDTH>();
    if !rest.is_empty() {
        return Err(unreadable("batch of counts of a length of", &bytes.len().to_string()));
    }
    let KeySelection::Only(keys) = keys else { return read_all(counters, counts) };
    while let Some(&first) = counters.first() {
        let minute = place(&first).0;
        let of_minute = counters.partition_point(|counter| place(counter).0 <= minute);
        let (this_minute, later) = counters.split_at(of_minute);
        for key in keys {
            let from = this_minute.partition_point(|counter| place(counter).1 < key.0);
            let to = this_minute.partition_point(|counter| place(counter).1 <= key.0);
            read_all(&this_minute[from..to], counts)?;
        }
        counters = later;
    }
    Ok(())
}

/// The minute and the key of a counter.
fn place(counter: &[u8; WIDTH]) -> (u32, u32) {
    let [m0, m1, m2, m3, k0, k1, k2, k3, ..] = *counter;
    (u32::from_le_bytes([m0, m1, m2, m3]), u32::from_le_bytes([k0, k1, k2, k3]))
}

fn read_all(counters: &[[u8; WIDTH]], counts: &mut Vec<Count>) -> Result<()> {
    for counter in counters {
        let (minute, key) = place(counter);
        let [.., c0, c1, n0, n1, n2, n3, s0, s1, s2, s3] = *counter;
        let minute = Minute(minute.into());
        counts.push(Count {
            key: KeyNumber(key),
            minute,
            cell: cell(u16::from_le_bytes([c0, c1]).into())?,
            n: u32::from_le_bytes([n0, n1, n2, n3]).into(),
            last_at: minute.start_ms() + i64::from(u32::from_le_bytes([s0, s1, s2, s3])),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::model::scope::Access;
    use crate::model::usage::{Cell, Outcome};
    use crate::store::usage::journal::*;

    fn encode(counts: &[Count]) -> Vec<u8> {
        let mut part = Part::default();
        counts.iter().for_each(|count| part.add(count));
        assert_eq!(part.n, counts.iter().map(|count| count.n).sum::<i64>());
        part.bytes
    }

    fn count() -> impl Strategy<Value = Count> {
        let cell = Cell::new(None, Access::Write, Outcome::Retired);
        let any = (0i64..1 << 32, 1u32..1 << 31, 1i64..1 << 34, 0i64..3_600_000);
        any.prop_map(move |(minute, key, n, since)| {
            let (minute, key) = (Minute(minute), KeyNumber(key));
            Count { key, minute, cell, n, last_at: minute.start_ms() + since }
        })
    }

    proptest! {
        #[test]
        fn what_is_noted_is_read(counts in prop::collection::vec(count(), 0..20)) {
            let mut read = Vec::new();
            decode(&encode(&counts), KeySelection::All, &mut read).unwrap();
            let mut noted = counts.iter();
            while let Some(&first) = read.first() {
                let same = read.iter().take_while(|next| Count { n: 0, ..**next } == Count { n: 0, ..first });
                let same: Vec<Count> = same.copied().collect();
                let noted = noted.next().unwrap();
                prop_assert_eq!(Count { n: same.iter().map(|count| count.n).sum(), ..first }, *noted);
                read.drain(..same.len());
            }
            prop_assert!(noted.next().is_none());
        }

        #[test]
        fn of_a_few_keys_no_counter_is_missed(
            counts in prop::collection::vec((0i64..3, 1u32..9, 0i64..4), 0..60),
            wanted in prop::collection::btree_set(1u32..9, 0..4),
        ) {
            let cells = [Outcome::Ok, Outcome::Forbidden].map(|outcome| Cell::new(None, Access::Read, outcome));
            let mut counts: Vec<Count> = counts.iter().map(|&(minute, key, n)| {
                let minute = Minute(minute);
                let cell = cells[usize::from(n % 2 == 0)];
                Count { key: KeyNumber(key), minute, cell, n: (n + 1) << 31, last_at: minute.start_ms() + n }
            }).collect();
            Count::merge(&mut counts);
            let wanted: Vec<KeyNumber> = wanted.into_iter().map(KeyNumber).collect();
            let (mut read, mut all) = (Vec::new(), Vec::new());
            decode(&encode(&counts), KeySelection::Only(&wanted), &mut read).unwrap();
            decode(&encode(&counts), KeySelection::All, &mut all).unwrap();
            all.retain(|count| wanted.contains(&count.key));
            prop_assert_eq!(read, all);
        }

        #[test]
        fn a_batch_that_is_cut_is_refused(counts in prop::collection::vec(count(), 1..5), cut in 1..WIDTH) {
            let bytes = encode(&counts);
            prop_assert!(decode(&bytes[cut..], KeySelection::All, &mut Vec::new()).is_err());
        }
    }
}
