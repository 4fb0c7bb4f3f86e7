//! The built-in API: phone calls with the voice agents, leads, contacts, articles and integrations
//! around them, figures over these, and a demo of it all.
//!
//! It is a product of its own that Bitting protects. The server plugs in its [`resources`], its
//! [`endpoints`] and its [`demo`]; nothing else knows it. Inside, it has the layers of the house under
//! their own names, and imports point the same way.

pub mod demo;
pub mod domain;
pub mod http;
pub mod model;
pub mod store;

pub use http::routes::endpoints;
pub use model::resources::resources;
