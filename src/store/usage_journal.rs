//! Counts that are written and stand in no usage row yet: a batch is one row here, until several
//! are folded into the usage rows together.
//!
//! Adding thousands of counters to their rows costs more than counting them did, and most of them
//! are the same ones again a moment later.

use diesel::prelude::*;
use diesel::sql_types::Binary;

use super::connection::AnyConnection;
use super::error::Result;
use super::rows::unreadable;
use super::schema::usage_journal;
use super::usage::cell;
use crate::model::key::KeyNumber;
use crate::model::usage::{Count, Keys, Minute};

/// Bytes of one counter.
const WIDTH: usize = 18;

/// Notes a batch of a process.
///
/// # Errors
/// When the database fails.
pub fn append(
    connection: &mut AnyConnection,
    process: &str,
    sequence: i64,
    counts: &[Count],
) -> Result<()> {
    let n: i64 = counts.iter().map(|count| count.n).sum();
    let row = (
        usage_journal::process.eq(process),
        usage_journal::sequence.eq(sequence),
        usage_journal::n.eq(n),
        usage_journal::counts.eq(encode(counts)),
    );
    diesel::insert_into(usage_journal::table).values(row).execute(connection)?;
    Ok(())
}

#[derive(QueryableByName)]
struct Batch {
    #[diesel(sql_type = Binary)]
    counts: Vec<u8>,
}

/// What the journal holds of some keys, or of all.
///
/// # Errors
/// When the database fails.
pub fn counts(connection: &mut AnyConnection, keys: Keys<'_>) -> Result<Vec<Count>> {
    let batches: Vec<Vec<u8>> =
        usage_journal::table.select(usage_journal::counts).load(connection)?;
    let mut counts = Vec::new();
    for batch in &batches {
        decode(batch, keys, &mut counts)?;
    }
    Ok(counts)
}

/// Takes everything out of the journal, whoever noted it.
///
/// # Errors
/// When the database fails.
pub fn take(connection: &mut AnyConnection) -> Result<Vec<Count>> {
    let taken = diesel::sql_query("DELETE FROM usage_journal RETURNING counts");
    let mut counts = Vec::new();
    for batch in taken.load::<Batch>(connection)? {
        decode(&batch.counts, Keys::All, &mut counts)?;
    }
    Ok(counts)
}

fn encode(counts: &[Count]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(counts.len() * WIDTH);
    for count in counts {
        let since = count.last_at - count.minute.start_ms();
        // More than one counter can hold stands in several.
        let mut left = count.n;
        while left > 0 {
            let n = u32::try_from(left).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&(count.minute.0 as u32).to_le_bytes());
            bytes.extend_from_slice(&count.key.0.to_le_bytes());
            bytes.extend_from_slice(&(count.cell.number() as u16).to_le_bytes());
            bytes.extend_from_slice(&n.to_le_bytes());
            bytes.extend_from_slice(&u32::try_from(since).unwrap_or_default().to_le_bytes());
            left -= i64::from(n);
        }
    }
    bytes
}

fn decode(bytes: &[u8], keys: Keys<'_>, counts: &mut Vec<Count>) -> Result<()> {
    let (counters, rest) = bytes.as_chunks::<WIDTH>();
    if !rest.is_empty() {
        return Err(unreadable("batch of counts of a length of", &bytes.len().to_string()));
    }
    for counter in counters {
        let [m0, m1, m2, m3, k0, k1, k2, k3, c0, c1, n0, n1, n2, n3, s0, s1, s2, s3] = *counter;
        let key = KeyNumber(u32::from_le_bytes([k0, k1, k2, k3]));
        if let Keys::These(keys) = keys
            && !keys.contains(&key)
        {
            continue;
        }
        let minute = Minute(u32::from_le_bytes([m0, m1, m2, m3]).into());
        counts.push(Count {
            key,
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

    use super::*;
    use crate::model::scope::Access;
    use crate::model::usage::{Cell, Outcome};

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
            decode(&encode(&counts), Keys::All, &mut read).unwrap();
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
        fn a_batch_that_is_cut_is_refused(counts in prop::collection::vec(count(), 1..5), cut in 1..WIDTH) {
            let bytes = encode(&counts);
            prop_assert!(decode(&bytes[cut..], Keys::All, &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn only_what_is_asked_for_is_read() {
        let cell = Cell::new(None, Access::Read, Outcome::Ok);
        let of =
            |key| Count { key: KeyNumber(key), minute: Minute(5), cell, n: 1, last_at: 300_000 };
        let mut read = Vec::new();
        decode(&encode(&[of(1), of(2), of(3)]), Keys::These(&[KeyNumber(2)]), &mut read).unwrap();
        assert_eq!(read, [of(2)]);
    }
}
