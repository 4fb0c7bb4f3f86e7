//! Functions of PostgreSQL's that statements use again and again: written in diesel's words, a
//! connection prepares such a statement once.

use diesel::sql_types::Text;

#[diesel::declare_sql_function]
extern "SQL" {
    /// Whether the server is a standby.
    fn pg_is_in_recovery() -> Bool;
    /// What a setting is, as text.
    fn current_setting(name: Text) -> Text;
    /// Whether the user has a privilege, such as `USAGE`, of a role.
    fn pg_has_role(role: Text, privilege: Text) -> Bool;
}
