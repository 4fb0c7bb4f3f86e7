//! Who may do what, as a database holds it: what is compared with another database after a backup
//! was restored.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::model::connections::Connection;
use crate::model::id::{KeyId, TokenId, UserId};
use crate::model::limits::KeyLimits;
use crate::model::scope::ScopeSet;
use crate::model::time::Moment;
use crate::model::user::User;
use crate::store::database::any_connection::AnyConnection;
use crate::store::error::Result;
use crate::store::keys::{self, LimitColumns};
use crate::store::rows::MomentColumn;
use crate::store::schema::{admin_tokens, api_keys, users as user_table};
use crate::store::{connections, rows, users};

/// Whether a key or an admin token gives power to somebody, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential {
    /// Whether it was revoked.
    pub revoked: bool,
    /// The user whose key or token it is.
    pub user: Option<UserId>,
}

/// How far a key reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// What it may do.
    pub scopes: ScopeSet,
    /// When it expires; never if absent.
    pub expires_at: Option<Moment>,
    /// How fast, how much and from where it may be used.
    pub limits: KeyLimits,
}

/// A user with the hash of their password.
#[derive(Debug, Clone)]
pub struct Account {
    /// The user as stored.
    pub user: User,
    /// The hash of their password; none until one was set.
    pub password: Option<String>,
}

/// Who may do what according to one database.
#[derive(Debug, Default)]
pub struct Powers {
    /// Every key that is stored.
    pub keys: HashMap<KeyId, Credential>,
    /// How far each key reaches.
    pub reach: HashMap<KeyId, Reach>,
    /// Every admin token that is stored.
    pub tokens: HashMap<TokenId, Credential>,
    /// Every user that is stored.
    pub users: HashMap<UserId, Account>,
    /// Every connection that is stored, in the order of their last changes.
    pub connections: Vec<Connection>,
}

type CredentialRow = (String, bool, Option<String>);
type KeyRow = (String, bool, Option<String>, String, Option<MomentColumn>, LimitColumns);

/// Reads every key, admin token, user and connection.
///
/// # Errors
/// When the database fails, or holds what this program never wrote.
pub fn read(connection: &mut AnyConnection) -> Result<Powers> {
    let credential = |revoked, user| {
        Result::Ok(Credential { revoked, user: rows::optional_id("user id", user)? })
    };
    let mut powers = Powers::default();
    let key_rows: Vec<KeyRow> = api_keys::table
        .select((
            api_keys::id,
            api_keys::revoked_at.is_not_null(),
            api_keys::user_id,
            api_keys::scopes,
            api_keys::expires_at,
            (api_keys::rate_limit, api_keys::quota, api_keys::allowed_networks),
        ))
        .load(connection)?;
    for (id, revoked, user, scopes, end, limits) in key_rows {
        let id = rows::parse("key id", &id)?;
        powers.keys.insert(id, credential(revoked, user)?);
        let scopes = rows::parse("scopes", &scopes)?;
        let (expires_at, limits) = (end.map(|end| end.0), keys::limits(limits)?);
        powers.reach.insert(id, Reach { scopes, expires_at, limits });
    }
    let tokens: Vec<CredentialRow> = admin_tokens::table
        .select((admin_tokens::id, admin_tokens::revoked_at.is_not_null(), admin_tokens::user_id))
        .load(connection)?;
    for (id, revoked, user) in tokens {
        powers.tokens.insert(rows::parse("token id", &id)?, credential(revoked, user)?);
    }
    let accounts: Vec<(users::Row, Option<String>)> =
        user_table::table.select((users::COLUMNS, user_table::password)).load(connection)?;
    for (row, password) in accounts {
        let user = users::read(row)?;
        powers.users.insert(user.id, Account { user, password });
    }
    powers.connections = connections::changed_since(connection, 0)?;
    Ok(powers)
}
