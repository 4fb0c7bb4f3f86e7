//! What stands around the content of every page for somebody who is signed in.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::domain::principal::Principal;
use crate::domain::users::signed_in::UserCaller;
use crate::http::error::Problem;
use crate::http::extract::{Draft, FormToken};
use crate::http::state::State;
use crate::model::actor::ClientInfo;
use crate::model::catalog::Catalog;
use crate::model::user::{Role, User};
use crate::model::words::Word;

/// The users who may look at users and admin tokens.
pub const ADMINS_AND_AUDITORS: &[Role] = &[Role::Admin, Role::Auditor];

/// The pages in the navigation, in order. A page that is added gets a row in `Section::row`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The list of API keys.
    Keys,
    /// The requests of all keys.
    Usage,
    /// The audit log.
    Audit,
    /// Who may sign in.
    Users,
    /// The list of admin tokens.
    Tokens,
    /// The vendors' APIs that keys reach.
    Connections,
    /// The messages about warnings.
    Notifications,
    /// The API document.
    Docs,
    /// One's own account, which the address at the top leads to.
    Account,
    /// A page that is in no section.
    Elsewhere,
}

impl Section {
    const ALL: [Self; 8] = [
        Self::Keys,
        Self::Usage,
        Self::Audit,
        Self::Users,
        Self::Tokens,
        Self::Connections,
        Self::Notifications,
        Self::Docs,
    ];

    /// The section's name, its path, and who sees it.
    fn row(self) -> (&'static str, &'static str, &'static [Role]) {
        match self {
            Self::Keys => ("Keys", "/keys", Role::ALL),
            Self::Usage => ("Usage", "/usage", Role::ALL),
            Self::Audit => ("Audit log", "/audit", Role::ALL),
            Self::Users => ("Users", "/users", ADMINS_AND_AUDITORS),
            Self::Tokens => ("Tokens", "/tokens", ADMINS_AND_AUDITORS),
            Self::Connections => ("Connections", "/connections", Role::ALL),
            Self::Notifications => ("Notifications", "/notifications", &[Role::Admin]),
            Self::Docs => ("API", "/docs", Role::ALL),
            Self::Account => ("Account", "/account", Role::ALL),
            Self::Elsewhere => ("Elsewhere", "/", &[]),
        }
    }
}

/// An entry of the navigation.
pub struct NavigationItem {
    /// The entry's text.
    pub name: &'static str,
    /// The page it links to.
    pub path: &'static str,
    /// Whether the page at hand belongs to it.
    pub current: bool,
}

/// The frame of a page: its header and navigation.
pub struct Frame {
    /// The address of who is signed in.
    pub email: String,
    /// Their role, in the words of the pages.
    pub role: &'static str,
    /// The token that every form on the page carries.
    pub form_token: String,
    /// Whether the page at hand is that of their account.
    pub at_account: bool,
    /// The pages they may see.
    pub navigation: Vec<NavigationItem>,
    /// Whether the form on the page is filled in with what was typed before signing in again.
    pub restored: bool,
}

/// The user who looks at a page: for the use cases, and for the frame.
pub struct Viewer {
    /// The principal for which use cases are called.
    pub principal: Principal,
    /// The resources and scopes there are.
    pub catalog: Arc<Catalog>,
    user: User,
    form_token: String,
    restored: bool,
}

impl Viewer {
    /// The frame of a page in this section.
    pub fn frame(&self, current: Section) -> Frame {
        let item = |section: Section| {
            let (name, path, roles) = section.row();
            let seen = roles.contains(&self.user.role);
            seen.then_some(NavigationItem { name, path, current: section == current })
        };
        Frame {
            email: self.user.email.to_string(),
            role: self.user.role.as_str(),
            form_token: self.form_token.clone(),
            at_account: current == Section::Account,
            restored: self.restored,
            navigation: Section::ALL.into_iter().filter_map(item).collect(),
        }
    }
}

impl FromRequest for Viewer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mut read = || {
            let caller = UserCaller::from_request(request, payload).into_inner()?;
            let client = ClientInfo::from_request(request, payload).into_inner()?;
            let FormToken(form_token) = FormToken::from_request(request, payload).into_inner()?;
            let principal = caller.principal(&client);
            let restored = request.extensions().contains::<Draft>();
            let (user, catalog) =
                (caller.user().clone(), State::of(request)?.bitting.catalog.clone());
            Ok(Self { principal, user, catalog, form_token, restored })
        };
        ready(read())
    }
}
