//! What several pages are made of.

pub mod browser;
pub mod csv;
pub mod expiry;
pub mod form_error;
pub mod frame;
pub mod list;
pub mod list_filters;
pub mod pager;
pub mod shown;
pub mod text;
