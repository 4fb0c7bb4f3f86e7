//! The APIs that connections are for, and the forms in which they take a credential.

use super::auth_form::UsualForm;
use crate::model::words::words;

words! {
    /// Which API a connection is for. It decides where its requests go, what they need and how its
    /// credential is sent, and never changes.
    Kind {
        /// CallRail's API, version 3.
        CallRail = "callrail",
        /// Aircall's public API.
        Aircall = "aircall",
        /// Customerly's API, version 1.
        Customerly = "customerly",
        /// Clari Revenue's API.
        Clari = "clari",
        /// Another API over HTTP, which opens what the connection's own rules say.
        Http = "http",
    }
}

impl Kind {
    /// Where the vendor serves its API; none where any server can be meant.
    pub fn origin(self) -> Option<&'static str> {
        match self {
            Self::CallRail => Some("https://api.callrail.com"),
            Self::Aircall => Some("https://api.aircall.io"),
            Self::Customerly => Some("https://api.customerly.io"),
            Self::Clari => Some("https://api.clari.com"),
            Self::Http => None,
        }
    }

    /// The usual forms in which the vendor may take a credential, in the order in which they are tried.
    pub fn forms(self) -> &'static [UsualForm] {
        match self {
            Self::CallRail => &[UsualForm::Token],
            Self::Aircall => &[UsualForm::Basic, UsualForm::Bearer],
            Self::Customerly => &[
                UsualForm::AuthenticationAccessTokenColon,
                UsualForm::Bearer,
                UsualForm::AuthenticationBearer,
                UsualForm::AuthenticationAccessToken,
            ],
            Self::Clari => &[UsualForm::ApiKey, UsualForm::Bearer],
            Self::Http => &[UsualForm::Bearer, UsualForm::Basic],
        }
    }
}
