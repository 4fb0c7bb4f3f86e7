//! Sealing a credential and opening it again: XChaCha20-Poly1305 under a key that is derived from a
//! master key, bound to the connection, its origin and its form. A row that was copied, or whose
//! origin was changed, does not open.

use rand::TryRng;
use rand::rngs::{SysError, SysRng};
use zeroize::Zeroizing;

use super::cipher;
use crate::model::connections::sealed::Sealed;
use crate::model::connections::{
    ApiOrigin, AuthForm, Connection, Kind, MasterKey, MasterKeyId, SealedCredential,
    VendorCredential,
};
use crate::model::id::ConnectionId;
use crate::model::words::Word;

/// What is encrypted is filled up to a multiple of this, so that its length tells nothing.
const BLOCK: usize = 64;

/// What a sealed credential is for, and good for nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// The database.
    pub database: &'a str,
    /// The connection.
    pub connection: ConnectionId,
    /// Which API it is.
    pub kind: Kind,
    /// Where it is sent.
    pub origin: &'a ApiOrigin,
    /// How it is sent.
    pub form: &'a AuthForm,
}

impl<'a> Binding<'a> {
    /// That of a connection in this database.
    pub fn of(connection: &'a Connection, database: &'a str) -> Self {
        let Connection { id, kind, origin, form, .. } = connection;
        Self { database, connection: *id, kind: *kind, origin, form }
    }

    /// All of it as bytes; each part with its length, so that no two bindings are alike.
    fn to_bytes(self) -> Vec<u8> {
        let id = self.connection.to_string();
        let (kind, origin, form) =
            (self.kind.as_str(), self.origin.as_str(), self.form.to_string());
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(b"bitting connection");
        for part in [self.database, &id, kind, origin, &form] {
            bytes.extend((part.len() as u64).to_le_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

/// Why a credential cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Locked {
    /// There is no master key at all, or it could not be read.
    #[error("its credential needs the master key {needs}, and {why}")]
    NoKey {
        /// The key that it needs.
        needs: MasterKeyId,
        /// Why there is none.
        why: String,
    },
    /// There are other master keys.
    #[error("its credential needs the master key {needs}, and there is {has}")]
    OtherKey {
        /// The key that it needs.
        needs: MasterKeyId,
        /// Those there are.
        has: String,
    },
    /// It may not be sent where the connection leads to.
    #[error("its address {0} is not among --connections-hosts; let its operator add it")]
    Elsewhere(ApiOrigin),
    /// It was not sealed for this connection as it stands, or it is damaged.
    #[error(
        "its credential does not open: it was sealed for another connection, address or form, or is \
         damaged; enter it again with `bitting connection set-credential`"
    )]
    Altered,
    /// What it is bound to, or what it may be used for, cannot be read.
    #[error(
        "its kind, form or rules in the database cannot be read; mend that row there, or remove the \
         connection and make it anew"
    )]
    Damaged,
}

/// Seals a credential.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn seal(
    key: &MasterKey,
    credential: &VendorCredential,
    binding: Binding<'_>,
) -> Result<SealedCredential, SysError> {
    let mut nonce = [0; 24];
    SysRng.try_fill_bytes(&mut nonce)?;
    let mut text = pad(credential.to_json().as_bytes());
    // It only fails for messages of 256 GiB, and then seals nothing.
    let sealed = cipher::seal(key.sealing_key(), &nonce, &binding.to_bytes(), &mut text);
    let ciphertext = sealed.map(|()| &**text).unwrap_or_default();
    Ok(SealedCredential::new(key.id(), &nonce, ciphertext))
}

/// Opens the credential of a connection in this database.
///
/// # Errors
/// [`Locked`], which tells nothing of the credential.
pub fn open_of(
    keys: Result<&[MasterKey], &str>,
    connection: &Connection,
    database: &str,
) -> Result<VendorCredential, Locked> {
    if connection.damaged {
        return Err(Locked::Damaged);
    }
    let sealed = connection.sealed.as_ref().ok_or(Locked::Altered)?;
    open(keys, sealed, Binding::of(connection, database))
}

/// Opens a credential with the one of these keys that it needs, where there are any.
///
/// # Errors
/// [`Locked`], which tells nothing of the credential.
fn open(
    keys: Result<&[MasterKey], &str>,
    sealed: &SealedCredential,
    binding: Binding<'_>,
) -> Result<VendorCredential, Locked> {
    let Sealed { key: needs, nonce, ciphertext } = sealed.parts().ok_or(Locked::Altered)?;
    let keys = keys.map_err(|why| Locked::NoKey { needs, why: why.to_owned() })?;
    let key = keys.iter().find(|key| key.id() == needs).ok_or_else(|| {
        let has: Vec<String> = keys.iter().map(|key| key.id().to_string()).collect();
        Locked::OtherKey { needs, has: has.join(", ") }
    })?;
    let mut text = Zeroizing::new(ciphertext.to_vec());
    let opened = cipher::open(key.sealing_key(), &nonce, &binding.to_bytes(), &mut text);
    let text = str::from_utf8(opened.map_err(|_| Locked::Altered)?).map_err(|_| Locked::Altered)?;
    let fields = binding.kind.credential_fields(Some(binding.form));
    VendorCredential::parse(&fields, text).map_err(|_| Locked::Altered)
}

/// Fills a text up with spaces, which JSON does not mind. There is room for the tag: what is outgrown
/// would stay in memory.
fn pad(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = text.len().next_multiple_of(BLOCK);
    let mut padded = Zeroizing::new(Vec::with_capacity(length + cipher::TAG));
    padded.extend_from_slice(text);
    padded.resize(length, b' ');
    padded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::connections::UsualForm;
    use crate::model::id::PublicId;

    fn credential(text: &str) -> VendorCredential {
        VendorCredential::parse(&Kind::CallRail.credential_fields(None), text).unwrap()
    }

    const TOKEN: AuthForm = AuthForm::Usual(UsualForm::Token);

    fn origin(text: &str) -> ApiOrigin {
        text.parse().unwrap()
    }

    fn binding<'a>(database: &'a str, origin: &'a ApiOrigin) -> Binding<'a> {
        let connection = ConnectionId::from_number(7);
        Binding { database, connection, kind: Kind::CallRail, origin, form: &TOKEN }
    }

    fn sent(credential: &VendorCredential) -> String {
        let headers = credential.headers(&AuthForm::Usual(UsualForm::ApiKey)).unwrap();
        headers[0].1.to_string()
    }

    #[test]
    fn what_was_sealed_for_one_thing_opens_for_nothing_else() {
        let key = MasterKey::generate().unwrap();
        let (home, away) = (origin("https://api.callrail.com"), origin("https://evil.example"));
        let right = binding("one", &home);
        let sealed = seal(&key, &credential("secret"), right).unwrap();
        let keys = [MasterKey::generate().unwrap(), key];
        assert_eq!(sent(&open(Ok(&keys), &sealed, right).unwrap()), "secret");
        for (what, wrong) in [
            ("origin", Binding { origin: &away, ..right }),
            ("database", Binding { database: "two", ..right }),
            ("connection", Binding { connection: ConnectionId::from_number(8), ..right }),
            ("kind", Binding { kind: Kind::Clari, ..right }),
            ("form", Binding { form: &AuthForm::Usual(UsualForm::Bearer), ..right }),
        ] {
            assert_eq!(open(Ok(&keys), &sealed, wrong).unwrap_err(), Locked::Altered, "{what}");
        }
        let why = open(Ok(&keys[..1]), &sealed, right).unwrap_err();
        let [needs, has] = [keys[1].id().to_string(), keys[0].id().to_string()];
        assert!(why.to_string().contains(&needs) && why.to_string().contains(&has), "{why}");
    }

    #[test]
    fn no_byte_can_be_changed() {
        let key = [MasterKey::generate().unwrap()];
        let home = origin("https://api.callrail.com");
        let sealed = seal(&key[0], &credential("secret"), binding("one", &home)).unwrap();
        for at in 0..sealed.as_bytes().len() {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[at] ^= 1;
            let opened = open(Ok(&key), &bytes.into(), binding("one", &home));
            assert!(opened.is_err(), "byte {at}");
        }
        for length in 0..sealed.as_bytes().len() {
            let bytes = sealed.as_bytes()[..length].to_vec();
            let opened = open(Ok(&key), &bytes.into(), binding("one", &home));
            assert_eq!(opened.unwrap_err(), Locked::Altered, "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn every_credential_survives_and_none_tells_its_length(text in "[!-z|~]{1,40}") {
            let key = [MasterKey::generate().unwrap()];
            let home = origin("https://api.callrail.com");
            let (sealed, again) = (
                seal(&key[0], &credential(&text), binding("one", &home)).unwrap(),
                seal(&key[0], &credential(&text), binding("one", &home)).unwrap(),
            );
            prop_assert_ne!(sealed.as_bytes(), again.as_bytes());
            prop_assert_eq!((sealed.parts().unwrap().ciphertext.len() - cipher::TAG) % BLOCK, 0);
            let opened = open(Ok(&key), &sealed, binding("one", &home)).unwrap();
            prop_assert_eq!(sent(&opened), text);
        }
    }
}
