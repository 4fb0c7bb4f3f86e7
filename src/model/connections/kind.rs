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
    }
}

impl Kind {
    /// Where the vendor serves its API.
    pub fn origin(self) -> &'static str {
        match self {
            Self::CallRail => "https://api.callrail.com",
            Self::Aircall => "https://api.aircall.io",
            Self::Customerly => "https://api.customerly.io",
            Self::Clari => "https://api.clari.com",
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
        }
    }
}
