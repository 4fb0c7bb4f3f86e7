//! The records that keys give access to: calls, leads, articles and the others.

mod calls;
mod knowledge_base;
mod record_lists;
mod records;
mod references;
