//! What happens around every handler: the decision at each route, and the frame around them all.

pub mod count;
pub mod judge;
pub mod measure;
pub mod observe;
pub mod page;
