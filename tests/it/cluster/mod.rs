//! Failovers as operators live through them: two servers under load on a PostgreSQL with standbys,
//! something that fails, and what it cost. Not among the usual tests, since each starts a cluster of
//! its own: `tests/run --cluster` runs them, one after the other, and shows a line of a table for each.

mod failovers;
mod load;
mod machines;
