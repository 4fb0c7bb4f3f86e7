//! Making connections and replacing their credentials: tested first, then sealed.

use serde_json::json;

use super::managing::require_readable;
use super::probe::{ProbeResult, Subject, probe};
use super::seal::{Binding, seal};
use super::testing::tell;
use crate::domain::Bitting;
use crate::domain::audit_log::log_change;
use crate::domain::error::{Error, Result};
use crate::domain::principal::{Principal, require};
use crate::model::FieldErrors;
use crate::model::audit::Action;
use crate::model::connections::sealed::Sealed;
use crate::model::connections::{
    AuthForm, Connection, Handle, MasterKey, NewConnection, SealedCredential, TestResult,
    VendorCredential,
};
use crate::model::id::{ConnectionId, PublicId};
use crate::model::words::Word;
use crate::store::AnyConnection;
use crate::store::connections;
use crate::store::database::transaction::AdvisoryLock;

/// A connection that has just been made, or got another credential.
pub struct Added {
    /// The connection as it is stored.
    pub connection: Connection,
    /// The accounts that its credential sees, where the vendor says so.
    pub accounts: Vec<String>,
}

/// How a credential is to be stored: its form, and what the test of it has found, if there was one.
struct Tried {
    form: AuthForm,
    finding: Option<ProbeResult>,
}

impl Bitting {
    /// Makes a connection. Its credential is tested first, unless `untested`, and nothing is stored
    /// that the vendor does not accept.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], or [`Error::Refused`] with what the test has found.
    pub fn add_connection(
        &self,
        principal: &Principal,
        new: NewConnection,
        credential: &VendorCredential,
        untested: bool,
    ) -> Result<Added> {
        let attempt = json!({"attempt": "connection.created", "handle": new.handle});
        let made = self.add_connection_as(principal, new, credential, untested);
        let added = self.audit_denial(principal, None, &attempt, made)?;
        self.connection_took_effect(&added.connection);
        log_change(Action::ConnectionCreated, &added.connection.handle, &principal.origin);
        Ok(added)
    }

    fn add_connection_as(
        &self,
        principal: &Principal,
        new: NewConnection,
        credential: &VendorCredential,
        untested: bool,
    ) -> Result<Added> {
        require(principal.administers())?;
        let auth = new.form.as_ref().map(|form| ("auth", form.to_string()));
        let texts = [("base_url", new.origin.to_string())].into_iter().chain(auth);
        let texts = texts.map(|(field, text)| (field.to_owned(), text));
        self.refuse_secrets_in(texts.chain(new.profile.texts()))?;
        if self.connections.require_allowed(new.kind, &new.origin).is_err() {
            let why =
                format!("{} is not among --connections-hosts; let its operator add it", new.origin);
            return Err(FieldErrors::one("base_url", why).into());
        }
        let key = self.connections.keys.writer().map_err(|why| Error::Refused(why.to_owned()))?;
        // What cannot be stored need not be tested.
        self.database.read(|connection| {
            self.require_unlocked(connection)?;
            require_free(connection, &new.handle)
        })?;
        let tried = self.try_credential(&new, credential, untested)?;
        let accounts = tried.finding.as_ref().map(|found| found.accounts.clone());
        let mut added = self.unsaved_connection(principal, new, tried, credential.hint());
        self.database.write(|connection| -> Result<()> {
            require(self.reload_rights(connection, principal)?.administers())?;
            AdvisoryLock::Keys.acquire(connection)?;
            self.require_unlocked(connection)?;
            require_free(connection, &added.handle)?;
            let full =
                || Error::Refused("there have been 255 connections, which is the most".into());
            added.number = connections::next_number(connection)?.ok_or_else(full)?;
            self.seal_for(connection, key, credential, &mut added)?;
            let detail = json!({
                "connection_id": added.id, "handle": added.handle, "kind": added.kind,
                "base_url": added.origin, "auth": added.form, "tested": !untested,
            });
            let (action, origin) = (Action::ConnectionCreated, &principal.origin);
            added.revision = self.record_change(connection, action, origin, None, &detail)?;
            self.number_resources(connection, &added)?;
            Ok(connections::insert(connection, &added)?)
        })?;
        Ok(Added { connection: added, accounts: accounts.unwrap_or_default() })
    }

    /// A connection that is about to be stored: its number, its sealed credential and its revision are
    /// still to be given to it.
    fn unsaved_connection(
        &self,
        principal: &Principal,
        new: NewConnection,
        tried: Tried,
        hint: Option<String>,
    ) -> Connection {
        let now = self.time.now();
        Connection {
            number: 0,
            id: ConnectionId::from_number(self.next_id(now)),
            handle: new.handle,
            kind: new.kind,
            origin: new.origin,
            form: tried.form,
            profile: new.profile,
            sealed: None,
            hint,
            test: tried
                .finding
                .map(|found| found.into_test(self.time.believed(), &principal.origin)),
            disabled_at: None,
            removed_at: None,
            created_at: now,
            created_by: principal.origin.actor.clone(),
            revision: 0,
            damaged: false,
        }
    }

    /// The form to send a credential in: the one that is wanted, or else one that is found by a test, or
    /// else the first that fits.
    fn try_credential(
        &self,
        to: &NewConnection,
        credential: &VendorCredential,
        untested: bool,
    ) -> Result<Tried> {
        let usual = || to.kind.forms().iter().copied().map(AuthForm::Usual).collect();
        let forms: Vec<AuthForm> = to.form.clone().map_or_else(usual, |form| vec![form]);
        let fits = |form: &&AuthForm| credential.headers(form).is_some();
        let Some(form) = forms.iter().find(fits).cloned() else {
            let forms: Vec<String> = forms.iter().map(AuthForm::to_string).collect();
            let why =
                format!("has not the fields that it takes to be sent as {}", forms.join(", "));
            return Err(FieldErrors::one("credential", why).into());
        };
        if untested {
            return Ok(Tried { form, finding: None });
        }
        let subject = Subject::of(to.kind, &to.origin, &to.profile)?;
        let finding = probe(&self.connections.connector, &subject, &forms, credential);
        self.connections.tests.count(to.kind, finding.result);
        if finding.result != TestResult::Ok {
            let why = finding.detail.unwrap_or_default();
            return Err(Error::Refused(format!(
                "the test says {}: {why}; nothing was saved",
                finding.result.as_str()
            )));
        }
        let account = to.profile.account.as_ref();
        if account.is_some_and(|account| !finding.accounts.contains(account)) {
            let why = format!(
                "is not seen by this credential, which sees {}",
                finding.accounts.join(", ")
            );
            return Err(FieldErrors::one("account", why).into());
        }
        Ok(Tried { form: finding.form.clone().unwrap_or(form), finding: Some(finding) })
    }

    pub(super) fn seal_for(
        &self,
        connection: &mut AnyConnection,
        key: &MasterKey,
        credential: &VendorCredential,
        to: &mut Connection,
    ) -> Result<()> {
        let database = connections::database_id(connection)?;
        let sealed = seal(key, credential, Binding::of(to, &database));
        to.sealed = Some(sealed.map_err(|why| Error::Randomness(why.to_string()))?);
        Ok(())
    }

    /// Refuses to seal while the master key of another connection is not there: whoever has set
    /// another key by mistake would end up with some connections under each.
    fn require_unlocked(&self, connection: &mut AnyConnection) -> Result<()> {
        for there in connections::list(connection)? {
            let needs = there.sealed.as_ref().and_then(SealedCredential::parts);
            let handle = there.handle;
            if let Some(Sealed { key, .. }) =
                needs.filter(|needs| !self.connections.keys.has(needs.key))
            {
                return Err(Error::Refused(format!(
                    "the connection {handle} needs the master key {key}, which is not there; add that \
                     key, or, if it is lost, enter the credential again with `bitting connection \
                     set-credential {handle}`"
                )));
            }
        }
        Ok(())
    }

    /// Replaces the credential of a connection, which keeps everything else. The old one need not
    /// open. The new one is tested first, unless `untested`; that ends a rejection, and nothing else does.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`], [`Error::Invalid`], or [`Error::Refused`] with what
    /// the test has found.
    pub fn set_connection_credential(
        &self,
        principal: &Principal,
        handle: &Handle,
        credential: &VendorCredential,
        untested: bool,
    ) -> Result<Added> {
        let present = self.find_connection(principal, handle)?;
        require_readable(&present)?;
        self.connections.require_allowed(present.kind, &present.origin).map_err(Error::Locked)?;
        let key = self.connections.keys.writer().map_err(|why| Error::Refused(why.to_owned()))?;
        // A vendor's forms are known, so that the new one may take another.
        let fixed = present.kind.offered().is_none();
        let to = NewConnection {
            handle: present.handle,
            kind: present.kind,
            origin: present.origin,
            form: fixed.then_some(present.form),
            profile: present.profile,
        };
        let action = Action::ConnectionCredentialSet;
        let mut tried = None;
        if principal.administers() {
            tried = Some(self.try_credential(&to, credential, untested)?);
        }
        let accounts = tried.as_ref().and_then(|tried| tried.finding.clone());
        let mut recovered = false;
        let changed = self.change_connection(principal, handle, action, |connection, there| {
            let tried = tried.ok_or(Error::Forbidden)?;
            there.form = tried.form;
            there.hint = credential.hint();
            let (was_rejected, origin) = (there.is_rejected(), &principal.origin);
            recovered = was_rejected && tried.finding.is_some();
            // Without a test nobody knows that this one is accepted.
            if !was_rejected || recovered {
                there.test =
                    tried.finding.map(|found| found.into_test(self.time.believed(), origin));
            }
            if recovered {
                self.record_result(connection, Action::ConnectionRecovered, origin, there)?;
            }
            self.seal_for(connection, key, credential, there)?;
            Ok(Some(json!({"auth": there.form, "tested": !untested})))
        })?;
        if recovered {
            tell(Action::ConnectionRecovered, &changed);
        }
        let accounts = accounts.map(|found| found.accounts).unwrap_or_default();
        Ok(Added { connection: changed, accounts })
    }
}

fn require_free(connection: &mut AnyConnection, handle: &Handle) -> Result<()> {
    match connections::find(connection, handle)? {
        None => Ok(()),
        Some(there) if there.removed_at.is_none() => {
            Err(FieldErrors::one("handle", "is that of another connection; choose another").into())
        }
        Some(_) => {
            let why = "was that of a connection that is removed, and is never given again, since \
                       scopes may still name it; choose another";
            Err(FieldErrors::one("handle", why).into())
        }
    }
}
