//! Who a key is to the servers behind a proxy, read when it is first asked for.

use std::sync::Arc;

use crate::domain::Bitting;
use crate::domain::error::Result;
use crate::gate::identities::KeyIdentity;
use crate::model::id::KeyId;

impl Bitting {
    /// Reads who a key is, and keeps it in memory.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::domain::Error::NotFound).
    pub fn identify_key(&self, id: KeyId) -> Result<Arc<KeyIdentity>> {
        let identities = &self.gate.index.identities;
        let before = identities.begin(id);
        let identity = Arc::new(KeyIdentity::new(&self.find_own_key(id)?, &self.catalog));
        identities.insert(id, identity.clone(), before);
        Ok(identity)
    }
}
