//! The API document as it is served: made once a process, when it is first asked for.

use std::sync::LazyLock;

use super::constant::Constant;

/// The document, or how to make it.
pub struct Document(LazyLock<Constant, Box<dyn FnOnce() -> Constant + Send>>);

impl Document {
    /// A document whose text is made by `make`.
    pub fn new(make: impl FnOnce() -> String + Send + 'static) -> Self {
        Self(LazyLock::new(Box::new(|| Constant::new("application/json", make()))))
    }

    /// The document as it is served, made when it is first asked for.
    pub fn get(&self) -> &Constant {
        &self.0
    }
}

/// An empty document, for servers that serve none.
impl Default for Document {
    fn default() -> Self {
        Self::new(String::new)
    }
}
