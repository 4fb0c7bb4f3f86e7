//! The vendors whose APIs connections are for, and the forms in which they take a credential.

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

words! {
    /// How a credential is sent to its vendor. Which form is right is found by a test.
    AuthForm {
        /// `Authorization: Token token="…"`.
        Token = "token",
        /// `Authorization: Basic …`, of an id and a token.
        Basic = "basic",
        /// `Authorization: Bearer …`.
        Bearer = "bearer",
        /// `apikey: …`.
        ApiKey = "apikey",
        /// `Authentication: Bearer …`.
        AuthenticationBearer = "authentication-bearer",
        /// `Authentication: AccessToken …`.
        AuthenticationAccessToken = "authentication-accesstoken",
        /// `Authentication: AccessToken: …`.
        AuthenticationAccessTokenColon = "authentication-accesstoken-colon",
        /// Headers of the connection's own, in which fields of the credential stand.
        Headers = "headers",
    }
}

impl Kind {
    /// Where the vendor serves its API; none for a kind that any server can be.
    pub fn origin(self) -> Option<&'static str> {
        match self {
            Self::CallRail => Some("https://api.callrail.com"),
            Self::Aircall => Some("https://api.aircall.io"),
            Self::Customerly => Some("https://api.customerly.io"),
            Self::Clari => Some("https://api.clari.com"),
            Self::Http => None,
        }
    }

    /// The forms in which the vendor may take a credential, in the order in which they are tried.
    pub fn forms(self) -> &'static [AuthForm] {
        match self {
            Self::CallRail => &[AuthForm::Token],
            Self::Aircall => &[AuthForm::Basic, AuthForm::Bearer],
            Self::Customerly => &[
                AuthForm::AuthenticationAccessTokenColon,
                AuthForm::Bearer,
                AuthForm::AuthenticationBearer,
                AuthForm::AuthenticationAccessToken,
            ],
            Self::Clari => &[AuthForm::ApiKey, AuthForm::Bearer],
            Self::Http => &[AuthForm::Headers],
        }
    }
}
