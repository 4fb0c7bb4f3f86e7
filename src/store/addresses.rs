//! From where each key was used lately, in the database.

use diesel::prelude::*;
use diesel::query_dsl::methods;
use diesel::upsert::excluded;

use super::connection::{AnyConnection, on_either};
use super::error::Result;
use super::schema::key_addresses as table;
use crate::model::key::KeyNumber;
use crate::model::time::Moment;
use crate::model::usage::Source;

/// How many addresses are kept of a key.
pub const KEPT: i64 = 5;

/// Notes that a key was used from an address, and forgets all but the last ones.
///
/// # Errors
/// When the database fails.
pub fn note(connection: &mut AnyConnection, key: KeyNumber, source: &Source) -> Result<()> {
    let number = i64::from(key.0);
    let row = (
        table::key_number.eq(number),
        table::address.eq(&source.address),
        table::user_agent.eq(&source.user_agent),
        table::last_at.eq(source.at.timestamp_millis()),
    );
    let newer = (
        table::user_agent.eq(excluded(table::user_agent)),
        table::last_at.eq(excluded(table::last_at)),
    );
    // Two processes may note the same address at once, so that one statement has to do it.
    on_either!(connection => {
        let place = (table::key_number, table::address);
        let upsert = diesel::insert_into(table::table).values(row).on_conflict(place).do_update();
        let later = table::last_at.le(excluded(table::last_at));
        methods::FilterDsl::filter(upsert.set(newer), later).execute(connection)?
    });
    let addresses: Vec<String> = table::table
        .filter(table::key_number.eq(number))
        .order((table::last_at.desc(), table::address.desc()))
        .select(table::address)
        .load(connection)?;
    for address in addresses.iter().skip(KEPT as usize) {
        let old =
            table::table.filter(table::key_number.eq(number)).filter(table::address.eq(address));
        diesel::delete(old).execute(connection)?;
    }
    Ok(())
}

/// The last addresses of a key, the newest first.
///
/// # Errors
/// When the database fails.
pub fn list(connection: &mut AnyConnection, key: KeyNumber) -> Result<Vec<Source>> {
    let rows: Vec<(String, Option<String>, i64)> = table::table
        .filter(table::key_number.eq(i64::from(key.0)))
        .order((table::last_at.desc(), table::address.desc()))
        .limit(KEPT)
        .select((table::address, table::user_agent, table::last_at))
        .load(connection)?;
    let source = |(address, user_agent, last_at)| Source {
        address,
        user_agent,
        at: Moment::from_timestamp_millis(last_at).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(source).collect())
}
