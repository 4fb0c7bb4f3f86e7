//! Generations: which programs may work with a database. A migration raises none by itself, so that the
//! program before can still be used; what it would not understand does, once it is stored.

use diesel::prelude::*;

use super::any_connection::AnyConnection;
use crate::store::error::Result;
use crate::store::schema::bitting;

/// The generation of this program, which works with every database that asks for it or an earlier one.
pub(in crate::store) const GENERATION: i64 = 2;

/// What a new database asks for.
pub(super) const FIRST: i64 = 1;

/// Keeps earlier programs away from now on: what is stored in this transaction would mean something
/// else to them, or nothing. So it is with connections and with the limits of keys.
pub(in crate::store) fn demand_this(connection: &mut AnyConnection) -> Result<()> {
    diesel::update(bitting::table.filter(bitting::oldest_program.lt(GENERATION)))
        .set(bitting::oldest_program.eq(GENERATION))
        .execute(connection)?;
    Ok(())
}
