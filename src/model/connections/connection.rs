//! A connection as it is stored: a vendor's API, how it is reached, and its sealed credential.

use serde::Serialize;

use super::api_origin::ApiOrigin;
use super::auth_form::AuthForm;
use super::credential::FieldGroups;
use super::handle::Handle;
use super::kind::Kind;
use super::profile::ConnectionProfile;
use super::sealed::SealedCredential;
use super::table::Table;
use crate::model::actor::Actor;
use crate::model::id::ConnectionId;
use crate::model::time;
use crate::model::time::Moment;
use crate::model::words::words;

/// A vendor's API with a credential for it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The row number, from 1 to 255; never given again.
    pub number: u8,
    /// The public id, to which the sealed credential is bound.
    pub id: ConnectionId,
    /// Its name in scopes and URLs.
    pub handle: Handle,
    /// Which API it is.
    pub kind: Kind,
    /// Where the API is served; fixed, since the credential is bound to it.
    pub origin: ApiOrigin,
    /// How the credential is sent; the credential is bound to that too.
    pub form: AuthForm,
    /// What may be changed at any time.
    pub profile: ConnectionProfile,
    /// The credential; none once the connection is removed.
    pub sealed: Option<SealedCredential>,
    /// The end of the credential, if that is long enough to be shown.
    pub hint: Option<String>,
    /// What its last test found; none when it was never tested.
    pub test: Option<ConnectionTest>,
    /// Since when it is switched off, if it is.
    pub disabled_at: Option<Moment>,
    /// Since when it is gone, if it is.
    pub removed_at: Option<Moment>,
    /// When it was made.
    pub created_at: Moment,
    /// By whom.
    pub created_by: Actor,
    /// Id of the audit event of its last change.
    pub revision: i64,
    /// Whether its kind, its form or its rules could not be read, so that something else stands there. It
    /// can be removed, and nothing else.
    pub damaged: bool,
}

words! {
    /// What a test of a connection found.
    TestResult {
        /// The vendor accepts the credential.
        Ok = "ok",
        /// The vendor does not accept the credential.
        Rejected = "rejected",
        /// The vendor cannot be reached.
        Unreachable = "unreachable",
        /// The vendor answers something else than it should.
        Unexpected = "unexpected",
    }
}

/// What the last test of a connection found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionTest {
    /// What it found.
    pub result: TestResult,
    /// Since when tests find that.
    #[serde(with = "time::rfc3339")]
    pub since: Moment,
    /// When it was.
    #[serde(with = "time::rfc3339")]
    pub at: Moment,
    /// Who had it made.
    pub by: String,
    /// How long it took, in milliseconds.
    pub milliseconds: i64,
    /// What is wrong, in words.
    pub detail: Option<String>,
}

words! {
    /// Whether a connection can be used.
    ConnectionState {
        /// The vendor accepted the credential when it was last tested.
        Ok = "ok",
        /// It was never tested.
        Untested = "untested",
        /// The vendor does not accept the credential.
        Rejected = "rejected",
        /// The vendor could not be reached when it was last tested.
        Unreachable = "unreachable",
        /// The vendor answered something else than it should.
        Unexpected = "unexpected",
        /// It was switched off.
        Disabled = "disabled",
        /// Its credential does not open, or may not be sent where it leads.
        Locked = "locked",
    }
}

impl Connection {
    /// What it offers: the table of its kind, or else its own rules.
    pub fn table(&self) -> &Table {
        self.kind.offered().map_or(&self.profile.rules, |offered| offered.table)
    }

    /// The fields that another credential of it may have. A vendor's forms are known, so that one may take
    /// another form than the last.
    pub fn credential_fields(&self) -> FieldGroups {
        self.kind.credential_fields(self.kind.offered().is_none().then_some(&self.form))
    }

    /// Whether the vendor was found not to accept its credential. Every server knows that soon, as it
    /// does not of what else a test may find.
    pub fn is_rejected(&self) -> bool {
        self.test.as_ref().is_some_and(|test| test.result == TestResult::Rejected)
    }

    /// Its state, where it is known whether its credential opens.
    pub fn state(&self, opens: bool) -> ConnectionState {
        if self.disabled_at.is_some() {
            return ConnectionState::Disabled;
        }
        if !opens {
            return ConnectionState::Locked;
        }
        match self.test.as_ref().map(|test| test.result) {
            None => ConnectionState::Untested,
            Some(TestResult::Ok) => ConnectionState::Ok,
            Some(TestResult::Rejected) => ConnectionState::Rejected,
            Some(TestResult::Unreachable) => ConnectionState::Unreachable,
            Some(TestResult::Unexpected) => ConnectionState::Unexpected,
        }
    }
}
