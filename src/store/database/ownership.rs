//! Whose database it is: nobody's yet, another program's, or ours.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::any_connection::AnyConnection;
use super::generation::GENERATION;
use super::target::Target;
use crate::store::error::{Error, Result};
use crate::store::schema::bitting;

/// The schema of PostgreSQL's that holds our tables. It need not be the first of `search_path`, by
/// which statements find them.
pub(super) const OUR_SCHEMA: &str = "(SELECT relnamespace FROM pg_catalog.pg_class \
                                     WHERE oid = to_regclass('bitting'))";

pub(super) enum State {
    Empty,
    Foreign,
    /// Ours, in a schema that this user does not search.
    Elsewhere {
        schema: String,
    },
    Ours {
        oldest_program: i64,
    },
}

#[derive(QueryableByName)]
struct Tables {
    #[diesel(sql_type = BigInt)]
    all_tables: i64,
    #[diesel(sql_type = BigInt)]
    mark: i64,
    #[diesel(sql_type = Nullable<Text>)]
    elsewhere: Option<String>,
}

/// Finds out whose it is.
pub(super) fn state(connection: &mut AnyConnection) -> Result<State> {
    // Ours is recognised by its columns, since other programs may have a table of the same name.
    let source = match connection {
        AnyConnection::Sqlite(_) => {
            "SELECT name = 'bitting' AND 3 = (SELECT COUNT(*) FROM pragma_table_info(s.name) AS c \
             WHERE c.name IN ('brand', 'oldest_program', 'high_water')) AS ours, \
             TRUE AS found, TRUE AS counts, NULL AS place \
             FROM sqlite_schema AS s WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
        }
        // Whether or not this user may read them. What others keep in schemas of their own, as tools
        // that watch a server do, is in nobody's way, and what belongs to an extension is nobody's.
        AnyConnection::Postgres(_) => {
            "SELECT t.relname = 'bitting' \
             AND 3 = (SELECT COUNT(*) FROM pg_catalog.pg_attribute AS c WHERE c.attrelid = t.oid \
             AND c.attname IN ('brand', 'oldest_program', 'high_water')) AS ours, \
             t.oid = COALESCE(CAST(to_regclass('bitting') AS oid), 0) AS found, \
             n.nspname = ANY(current_schemas(FALSE)) \
             OR pg_get_userbyid(t.relowner) = current_user AS counts, \
             quote_ident(n.nspname) AS place \
             FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_namespace AS n \
             ON n.oid = t.relnamespace WHERE t.relkind IN ('r', 'p', 'v', 'm', 'f') \
             AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg!_%' ESCAPE '!' \
             AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d \
             WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = t.oid \
             AND d.deptype = 'e')"
        }
    };
    let tables: Tables = diesel::sql_query(format!(
        "SELECT CAST(COUNT(CASE WHEN counts THEN 1 END) AS BIGINT) AS all_tables, \
         CAST(COUNT(CASE WHEN ours AND found THEN 1 END) AS BIGINT) AS mark, \
         MIN(CASE WHEN ours AND NOT found THEN place END) AS elsewhere FROM ({source}) AS present"
    ))
    .get_result(connection)?;
    match (tables, connection) {
        (Tables { mark: 1.., .. }, connection) => {
            let oldest: Option<i64> =
                bitting::table.select(bitting::oldest_program).first(connection).optional()?;
            let ours = |oldest_program| State::Ours { oldest_program };
            Ok(oldest.map_or(State::Foreign, ours))
        }
        (Tables { elsewhere: Some(schema), .. }, _) => Ok(State::Elsewhere { schema }),
        (Tables { all_tables: 0, .. }, _) => Ok(State::Empty),
        _ => Ok(State::Foreign),
    }
}

/// The error for another program's database.
pub(super) fn foreign(target: &Target) -> Error {
    Error::Refused(format!(
        "{target}: this database belongs to another program and was not touched; name another with \
         --database-url"
    ))
}

/// The error for ours that is not searched.
pub(super) fn elsewhere(target: &Target, schema: &str) -> Error {
    Error::Refused(format!(
        "{target}: Bitting's tables are in the schema {schema}, where this user does not look for \
         them; if they are this installation's, let search_path name it (ALTER ROLE … SET \
         search_path = {schema}; GRANT USAGE ON SCHEMA {schema} TO …), else use another database"
    ))
}

/// The error for one that a newer program has made unfit for this one.
pub(super) fn too_new(target: &Target, oldest_program: i64) -> Error {
    Error::Refused(format!(
        "{target}: this database needs a newer Bitting (generation {oldest_program}, this one is \
         {GENERATION}) and was not touched; update this one"
    ))
}
