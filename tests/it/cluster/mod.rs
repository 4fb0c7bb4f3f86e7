//! What fails under real clusters of PostgreSQL, as operators live through it: servers of ours under
//! load, something that fails, and what it cost. Not among the usual tests, since each starts a cluster
//! of its own: `tests/run --cluster` runs them, one after the other, and shows a line of a table for
//! each.

mod failovers;
mod load;
mod machines;
mod managed;
mod patroni;
mod story;
mod ways;
