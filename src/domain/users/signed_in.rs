//! Who is signed in, and may they see this page: the decision for pages, as `decision` is the one
//! for the API. An API key is never accepted here, and a session never there.

use crate::domain;
use crate::domain::Bitting;
use crate::domain::principal::Principal;
use crate::model::actor::ClientInfo;
use crate::model::random_secret::RandomSecret;
use crate::model::session::Session;
use crate::model::user::{Role, User};

/// What a page requires of whoever opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageNeed {
    /// Nothing: a page for signing in.
    Visitor,
    /// Somebody signed in, in one of these roles.
    User(&'static [Role]),
}

impl PageNeed {
    /// Somebody signed in, whatever their role.
    pub const ANY_USER: Self = Self::User(&[Role::Admin, Role::Member, Role::Auditor]);
}

/// Somebody signed in, who may see the page at hand. Only [`admit`] makes one.
#[derive(Debug, Clone)]
pub struct UserCaller {
    user: User,
    session: Session,
}

impl UserCaller {
    /// The user, as they are now.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The session they are signed in with.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The principal for which use cases are called.
    pub fn principal(&self, client: &ClientInfo) -> Principal {
        Principal::signed_in(self.user.clone(), self.session.id, client)
    }
}

/// Why a page is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageRefusal {
    /// Nobody is signed in.
    SignIn,
    /// The page is not for this user's role.
    Forbidden,
}

/// Looks a session up in the database: the user with it is as they are at this moment.
pub fn look_up(bitting: &Bitting, secret: &RandomSecret) -> domain::Result<Option<SignedInUser>> {
    let found = bitting.find_session(secret)?;
    Ok(found.map(|(session, user)| SignedInUser(UserCaller { user, session })))
}

/// Somebody signed in, of whom it is not decided yet whether they may see the page.
#[derive(Debug)]
pub struct SignedInUser(UserCaller);

impl SignedInUser {
    /// The user who is signed in.
    pub fn user(&self) -> &User {
        self.0.user()
    }
}

/// Decides whether the page is shown. `Ok(None)`: it is for visitors.
///
/// # Errors
/// Why the page is not shown.
pub fn admit(
    need: PageNeed,
    found: Option<SignedInUser>,
) -> Result<Option<UserCaller>, PageRefusal> {
    match (need, found) {
        (PageNeed::Visitor, _) => Ok(None),
        (PageNeed::User(_), None) => Err(PageRefusal::SignIn),
        (PageNeed::User(roles), Some(SignedInUser(caller))) => {
            if roles.contains(&caller.user.role) {
                Ok(Some(caller))
            } else {
                Err(PageRefusal::Forbidden)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::users::signed_in::*;
    use crate::model::id::PublicId;
    use crate::model::time::Moment;
    use crate::model::words::Word;

    fn signed_in(role: Role) -> SignedInUser {
        let id = PublicId::from_number(1);
        let now = Moment::default();
        let user = User {
            id,
            email: "ada@example.com".parse().unwrap(),
            role,
            may_grant: Default::default(),
            created_at: now,
            disabled_at: None,
            last_login_at: None,
        };
        let session = Session {
            id: PublicId::from_number(2),
            user: id,
            created_at: now,
            last_seen_at: now,
            address: None,
            user_agent: None,
        };
        SignedInUser(UserCaller { user, session })
    }

    #[test]
    fn a_page_is_shown_to_the_roles_it_is_for() {
        let readers = PageNeed::User(&[Role::Admin, Role::Auditor]);
        for role in Role::ALL.iter().copied() {
            let shown = |need| admit(need, Some(signed_in(role))).map(|caller| caller.is_some());
            assert_eq!(shown(PageNeed::Visitor), Ok(false));
            assert_eq!(shown(PageNeed::ANY_USER), Ok(true));
            let expected =
                if role == Role::Member { Err(PageRefusal::Forbidden) } else { Ok(true) };
            assert_eq!(shown(readers), expected);
            assert_eq!(shown(PageNeed::User(&[])), Err(PageRefusal::Forbidden));
        }
        assert_eq!(admit(readers, None).err(), Some(PageRefusal::SignIn));
        assert!(admit(PageNeed::Visitor, None).is_ok_and(|caller| caller.is_none()));
    }
}
