//! The numbers of resources in the database.

use diesel::prelude::*;

use super::database::any_connection::AnyConnection;
use super::error::{Error, Result};
use super::rows::unreadable;
use super::schema::resources;
use crate::model::catalog::ResourceNumber;
use crate::model::scope::ResourceName;

/// The first number of a resource that is not built in.
const FIRST_OWN: i64 = 100;
/// The greatest number that counts have room for.
const LAST: i64 = 4095;

/// The number and name of every resource that this database ever had.
pub fn list(connection: &mut AnyConnection) -> Result<Vec<(ResourceNumber, ResourceName)>> {
    let rows: Vec<(i64, String)> = resources::table
        .order(resources::number)
        .select((resources::number, resources::name))
        .load(connection)?;
    rows.into_iter().map(read).collect()
}

fn read((number, name): (i64, String)) -> Result<(ResourceNumber, ResourceName)> {
    let known = u16::try_from(number).ok().zip(ResourceName::parse_counted(&name).ok());
    let (number, name) = known.ok_or_else(|| unreadable("resource", &name))?;
    Ok((ResourceNumber(number), name))
}

/// Gives a resource the next number.
///
/// # Errors
/// When the numbers are used up.
pub fn add(connection: &mut AnyConnection, name: &ResourceName) -> Result<()> {
    let last: Option<i64> =
        resources::table.select(diesel::dsl::max(resources::number)).first(connection)?;
    let number = last.map_or(FIRST_OWN, |last| FIRST_OWN.max(last + 1));
    if number > LAST {
        let why = "this database has had more resources than counts have room for; use names of earlier ones";
        return Err(Error::Refused(why.to_owned()));
    }
    let row = (resources::number.eq(number), resources::name.eq(name.as_str()));
    diesel::insert_into(resources::table).values(row).execute(connection)?;
    Ok(())
}
