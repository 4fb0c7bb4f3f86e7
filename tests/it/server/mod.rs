//! The process: its settings, starting and stopping, connections, faults and metrics.

mod connections;
mod constants;
mod demo;
pub mod faults;
mod forwarded;
mod greeting;
mod idle_connections;
mod metrics;
mod pipelining;
mod settings;
pub mod slow_clients;
pub mod startup;
mod stopping;
mod threads;
mod unix_socket_files;
mod unix_sockets;
mod vanished_clients;
