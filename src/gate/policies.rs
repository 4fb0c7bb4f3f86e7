//! What credentials may do, each distinct policy kept once: a credential holds its number, so that
//! narrowing a key is one atomic store and a million keys with equal scopes share one value.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::limiter::LimitsNumber;
use super::row_numbers::Table;
use crate::model::catalog::Permissions;

/// What a credential is and may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Policy {
    /// What kind of credential it is.
    pub kind: CredentialKind,
    /// The scopes that a key has, or that a token may grant.
    pub permissions: Permissions,
    /// The limits of a key.
    pub limits: LimitsNumber,
}

/// The kind of a credential, and what only its kind tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CredentialKind {
    /// An API key of ours.
    #[default]
    ApiKey,
    /// An API key whose secret was made elsewhere.
    ImportedKey,
    /// An admin token that only reads.
    ReadToken,
    /// An admin token that changes keys.
    WriteToken,
}

impl CredentialKind {
    /// The kind of an API key.
    pub fn of_key(imported: bool) -> Self {
        if imported { Self::ImportedKey } else { Self::ApiKey }
    }

    /// The table whose rows these credentials are.
    pub fn table(self) -> Table {
        match self {
            Self::ApiKey | Self::ImportedKey => Table::Keys,
            Self::ReadToken | Self::WriteToken => Table::Tokens,
        }
    }
}

/// The number of a policy in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyNumber(pub u32);

/// Every distinct policy that a credential has or had. Readers take no lock.
#[derive(Default)]
pub struct Policies {
    policies: boxcar::Vec<Policy>,
    numbers: Mutex<HashMap<Policy, u32>>,
}

impl Policies {
    /// The number of a policy, which is added if it is new.
    pub fn intern(&self, policy: Policy) -> PolicyNumber {
        let mut numbers = self.numbers.lock();
        let add = || u32::try_from(self.policies.push(policy)).unwrap_or(u32::MAX);
        PolicyNumber(*numbers.entry(policy).or_insert_with(add))
    }

    /// The policy with this number. One that was never given out allows nothing.
    pub fn get(&self, number: PolicyNumber) -> Policy {
        let nothing = Policy::default();
        self.policies.get(number.0 as usize).copied().unwrap_or(nothing)
    }
}
