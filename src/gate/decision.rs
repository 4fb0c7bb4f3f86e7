//! The decision: a pure function from what was presented, what is known of it and what the route
//! needs, to who the caller is or why not.
//!
//! The order of the refusals is part of the contract; the test below is its table.

use super::caller::{Caller, KeyCaller, TokenCaller};
use super::key_index::{Holder, IndexedCredential};
use super::presented_key::{Presented, Unusable};
pub use super::refusal::Refusal;
use super::route::{Need, Route};
use crate::model::catalog::{Catalog, Permissions};
use crate::model::key::Status;
use crate::model::scope::Access;
use crate::model::secret::SecretKind;
use crate::model::time::Timestamp;

/// What is known of a credential.
#[derive(Debug, Clone, Copy)]
pub enum Lookup {
    /// The index has it, live or retired.
    Found(IndexedCredential),
    /// No such credential exists.
    Unknown,
    /// It is not in the index, and the database cannot be asked.
    Unavailable,
}

/// The decision about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The holder of the credential if its secret was right, whether or not the request is allowed.
    pub holder: Option<Holder>,
    /// The caller, or why the request is refused.
    pub verdict: Result<Caller, Refusal>,
}

/// Decides about one request. `fresh`: the index is recent enough to accept a credential by it.
/// `inside`: the client is where the credential may be used.
///
/// A key's limits on the number of its requests come last, and not here, since what is decided does
/// not change when it is decided again ([`Limiter::take`](super::limiter::Limiter::take)).
pub fn decide(
    presented: &Result<Presented, Unusable>,
    lookup: Lookup,
    fresh: bool,
    inside: bool,
    now: Timestamp,
    route: Route,
    catalog: &Catalog,
) -> Decision {
    let refused = |refusal| Decision { holder: None, verdict: Err(refusal) };
    let presented = match presented {
        Ok(presented) => presented,
        Err(Unusable::Multiple) => return refused(Refusal::MultipleCredentials),
        Err(Unusable::Missing) => return refused(Refusal::MissingKey),
        Err(Unusable::Malformed) => return refused(Refusal::InvalidKey),
    };
    if presented.kind == SecretKind::AdminToken && !presented.bearer {
        return refused(Refusal::InvalidKey);
    }
    let entry = match lookup {
        Lookup::Found(entry) => entry,
        Lookup::Unknown => return refused(Refusal::InvalidKey),
        Lookup::Unavailable => return refused(Refusal::Unavailable),
    };
    let holder = entry.holder();
    if !presented_id_matches(presented, &holder) {
        return refused(Refusal::InvalidKey);
    }
    let verdict = match entry.status(now) {
        Status::Revoked => Err(Refusal::KeyRevoked),
        Status::Expired => Err(Refusal::KeyExpired),
        Status::Active if !fresh => Err(Refusal::Unavailable),
        Status::Active if !inside => Err(Refusal::AddressNotAllowed),
        Status::Active => permit(&holder, route, catalog),
    };
    Decision { holder: Some(holder), verdict }
}

fn presented_id_matches(presented: &Presented, holder: &Holder) -> bool {
    match (presented.key_id, holder) {
        (None, _) => true,
        (Some(presented), Holder::ApiKey { id, .. }) => presented == *id,
        (Some(_), Holder::AdminToken { .. }) => false,
    }
}

/// Whether a live credential may do what the route offers.
fn permit(holder: &Holder, route: Route, catalog: &Catalog) -> Result<Caller, Refusal> {
    let (need, access, offered) = match route {
        Route::Known { need, access, offered } => (need, access, offered),
        Route::Unknown { .. } => return Err(Refusal::NotFound),
        Route::Unmapped { why, .. } => return Err(Refusal::Unmapped(why)),
        Route::NotOffered { .. } => return Err(Refusal::NotOffered),
    };
    match (need, holder) {
        (
            Need::Scope(_)
            | Need::AnyKey
            | Need::Question
            | Need::Open(_)
            | Need::AtConnection { .. },
            Holder::AdminToken { .. },
        )
        | (Need::AdminToken, Holder::ApiKey { .. }) => Err(Refusal::WrongCredential(need)),
        _ if !offered => Err(Refusal::MethodNotAllowed),
        (
            Need::AnyKey | Need::Question | Need::Open(_),
            &Holder::ApiKey { id, number, permissions, account },
        ) => Ok(Caller::Key(KeyCaller { id, number, permissions, account })),
        (Need::Scope(resource), &Holder::ApiKey { id, number, permissions, account }) => {
            if catalog.allows(permissions, resource, access) {
                Ok(Caller::Key(KeyCaller { id, number, permissions, account }))
            } else {
                let required = format!("{}:{}", catalog.name_of(Some(resource)), access.as_str());
                Err(insufficient(required, permissions, catalog))
            }
        }
        (
            Need::AtConnection { asked, .. },
            &Holder::ApiKey { id, number, permissions, account },
        ) => {
            if catalog.allows_at_connection(permissions, asked) {
                Ok(Caller::Key(KeyCaller { id, number, permissions, account }))
            } else {
                let required = catalog.connections.asked(asked).map(ToString::to_string);
                Err(insufficient(required.unwrap_or_default(), permissions, catalog))
            }
        }
        (Need::AdminToken, &Holder::AdminToken { id, number, access: granted, may_grant }) => {
            match (granted, access) {
                (Access::Write, _) | (Access::Read, Access::Read) => {
                    Ok(Caller::Token(TokenCaller { id, number, may_grant }))
                }
                (Access::Read, Access::Write) => Err(Refusal::InsufficientScope {
                    required: "keys:write".to_owned(),
                    granted: vec!["keys:read".to_owned()],
                }),
            }
        }
    }
}

fn insufficient(required: String, permissions: Permissions, catalog: &Catalog) -> Refusal {
    let granted = catalog.scopes_of(permissions);
    let granted = granted.iter().map(ToString::to_string).collect();
    Refusal::InsufficientScope { required, granted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::limiter::Limiter;
    use crate::model::actor::{Actor, ActorKind};
    use crate::model::catalog::sample;
    use crate::model::id::{KeyId, PublicId, TokenId};
    use crate::model::key::KeyChange;
    use crate::model::key::KeyNumber;
    use crate::model::limits::KeyLimits;
    use crate::model::secret::Digest;
    use crate::model::time::{Moment, parse_rfc3339};
    use crate::model::token::AdminToken;

    const UNKNOWN: Route = Route::Unknown { access: Access::Read };

    fn catalog() -> Catalog {
        sample::catalog()
    }

    fn at() -> Timestamp {
        Timestamp::of(now())
    }

    fn now() -> Moment {
        parse_rfc3339("2026-11-21T12:00:00Z").unwrap()
    }

    fn presented(kind: SecretKind) -> Presented {
        Presented { digest: Digest::of(b"x"), kind, key_id: None, bearer: true, foreign: false }
    }

    fn key(scopes: &str, expires_at: Option<Moment>, revoked: bool) -> IndexedCredential {
        IndexedCredential::new(
            &KeyChange {
                digest: Digest::of(b"x"),
                number: KeyNumber(7),
                id: KeyId::from_number(5),
                scopes: scopes.parse().unwrap(),
                limits: KeyLimits::default(),
                expires_at,
                revoked,
                imported: false,
                revision: 1,
            },
            &catalog(),
            &Limiter::default(),
        )
    }

    fn token(access: Access) -> IndexedCredential {
        IndexedCredential::new(
            &AdminToken {
                number: 3,
                id: TokenId::from_number(9),
                digest: Digest::of(b"x"),
                name: String::new(),
                access,
                may_grant: "calls:read".parse().unwrap(),
                display: String::new(),
                created_at: now(),
                created_by: Actor { kind: ActorKind::Cli, id: None, name: String::new() },
                user: None,
                expires_at: now() + chrono::Duration::days(1),
                revocation: None,
                last_used_at: None,
                revision: 1,
            },
            &catalog(),
            &Limiter::default(),
        )
    }

    fn route(need: Need, access: Access) -> Route {
        Route::Known { need, access, offered: true }
    }

    /// Every row of the contract's table, in its order; each row also breaks all later rules, so
    /// that the order itself is tested.
    #[test]
    fn the_first_refusal_that_applies_answers() {
        let api = Ok(presented(SecretKind::ApiKey));
        let admin = Ok(presented(SecretKind::AdminToken));
        let management =
            Route::Known { need: Need::AdminToken, access: Access::Write, offered: false };
        let calls = |offered| Route::Known {
            need: Need::Scope(sample::CALLS),
            access: Access::Write,
            offered,
        };
        let live = Lookup::Found(key("calls:read", None, false));
        let scope = Refusal::InsufficientScope {
            required: "calls:write".into(),
            granted: vec!["calls:read".into()],
        };
        let keys = Refusal::InsufficientScope {
            required: "keys:write".into(),
            granted: vec!["keys:read".into()],
        };
        let wrong = |need| Refusal::WrongCredential(need);
        let basic = Presented {
            key_id: Some(KeyId::from_number(6)),
            bearer: false,
            ..presented(SecretKind::ApiKey)
        };
        let rows = [
            (
                "two credentials",
                Err(Unusable::Multiple),
                Lookup::Unavailable,
                false,
                UNKNOWN,
                Refusal::MultipleCredentials,
            ),
            (
                "none",
                Err(Unusable::Missing),
                Lookup::Unavailable,
                false,
                UNKNOWN,
                Refusal::MissingKey,
            ),
            (
                "malformed",
                Err(Unusable::Malformed),
                Lookup::Unavailable,
                false,
                UNKNOWN,
                Refusal::InvalidKey,
            ),
            (
                "token in another form",
                Ok(Presented { bearer: false, ..presented(SecretKind::AdminToken) }),
                Lookup::Found(token(Access::Write)),
                true,
                route(Need::AdminToken, Access::Read),
                Refusal::InvalidKey,
            ),
            ("unknown", api, Lookup::Unknown, false, UNKNOWN, Refusal::InvalidKey),
            (
                "another key's id",
                Ok(basic),
                Lookup::Found(key("calls:read", None, true)),
                false,
                UNKNOWN,
                Refusal::InvalidKey,
            ),
            (
                "revoked",
                api,
                Lookup::Found(key("", Some(now()), true)),
                false,
                UNKNOWN,
                Refusal::KeyRevoked,
            ),
            (
                "expired",
                api,
                Lookup::Found(key("", Some(now()), false)),
                false,
                UNKNOWN,
                Refusal::KeyExpired,
            ),
            (
                "needed to know the key",
                api,
                Lookup::Unavailable,
                true,
                calls(true),
                Refusal::Unavailable,
            ),
            ("out of reach too long", api, live, false, UNKNOWN, Refusal::Unavailable),
            ("from elsewhere", api, live, true, management, Refusal::AddressNotAllowed),
            ("key on a management route", api, live, true, management, wrong(Need::AdminToken)),
            (
                "token on a protected route",
                admin,
                Lookup::Found(token(Access::Read)),
                true,
                calls(false),
                wrong(Need::Scope(sample::CALLS)),
            ),
            (
                "token on a path unknown",
                admin,
                Lookup::Found(token(Access::Write)),
                true,
                UNKNOWN,
                Refusal::NotFound,
            ),
            ("path unknown", api, live, true, UNKNOWN, Refusal::NotFound),
            ("method", api, live, true, calls(false), Refusal::MethodNotAllowed),
            ("scope", api, live, true, calls(true), scope),
            (
                "reading token writes",
                admin,
                Lookup::Found(token(Access::Read)),
                true,
                route(Need::AdminToken, Access::Write),
                keys,
            ),
        ];
        let mut inside = false;
        for (case, presented, lookup, fresh, route, expected) in rows {
            let decision = decide(&presented, lookup, fresh, inside, at(), route, &catalog());
            assert_eq!(decision.verdict, Err(expected), "{case}");
            inside |= case == "from elsewhere";
        }
    }

    #[test]
    fn a_right_credential_passes_where_it_belongs() {
        let api = Ok(presented(SecretKind::ApiKey));
        let admin = Ok(presented(SecretKind::AdminToken));
        let later = Some(now() + chrono::Duration::milliseconds(1));
        for (presented, entry, route) in [
            (api, key("calls:read", later, false), route(Need::Scope(sample::CALLS), Access::Read)),
            (
                api,
                key("calls:write", None, false),
                route(Need::Scope(sample::CALLS), Access::Write),
            ),
            (api, key("leads:write", None, false), route(Need::AnyKey, Access::Write)),
            (admin, token(Access::Read), route(Need::AdminToken, Access::Read)),
            (admin, token(Access::Write), route(Need::AdminToken, Access::Read)),
            (admin, token(Access::Write), route(Need::AdminToken, Access::Write)),
        ] {
            let decision =
                decide(&presented, Lookup::Found(entry), true, true, at(), route, &catalog());
            assert!(decision.verdict.is_ok(), "{route:?}");
        }
    }

    #[test]
    fn a_retired_key_still_says_whose_it_was() {
        let revoked = Lookup::Found(key("calls:read", None, true));
        let api = Ok(presented(SecretKind::ApiKey));
        assert!(decide(&api, revoked, true, true, at(), UNKNOWN, &catalog()).holder.is_some());
        assert!(
            decide(&api, Lookup::Unknown, true, true, at(), UNKNOWN, &catalog()).holder.is_none()
        );
    }
}
