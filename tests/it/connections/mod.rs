//! Connections: what they offer and to which keys, the way out to vendors, how their credentials are
//! kept, and what a test of one says.

mod kinds;
mod outbound;
