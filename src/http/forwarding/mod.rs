//! Requests that somebody else answers: what the gateway and connections have in common.
//!
//! `sending` asks and waits for the head of an answer, `headers` is what passes of a request's, `upload`
//! and `download` are the two bodies, which are streamed, `silence` is how long the other side is waited
//! for, and `fault` what can go wrong.

pub(in crate::http) mod download;
pub(in crate::http) mod fault;
pub(in crate::http) mod headers;
pub(in crate::http) mod sending;
pub(in crate::http) mod silence;
pub(in crate::http) mod upload;
