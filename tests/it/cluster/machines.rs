//! Three machines with PostgreSQL, as relays let servers of ours see them.

use std::net::TcpListener;

use crate::support::postgres::{Cluster, can_start_servers};
use crate::support::relay::Relay;
use crate::support::{Backend, TestDatabase};

/// Ours on one of the machines.
pub fn database_of(machine: &Cluster) -> TestDatabase {
    TestDatabase::at(Backend::Postgres, machine.url("bitting"))
}

pub struct Machines {
    pub primary: Cluster,
    /// Takes over.
    pub standby: Cluster,
    /// Follows asynchronously, whatever happens.
    _other: Cluster,
    /// The way of the servers to the primary, where it can be cut. A relay takes connections for a
    /// machine that refuses them, too, so that libpq would not try the next one.
    way: Option<Relay>,
    /// The way of the one that takes over to the primary.
    replication: Relay,
    /// Takes connections and never answers.
    hole: TcpListener,
}

impl Machines {
    /// `synchronous`: whether commits wait for the standby that will take over. None where PostgreSQL's
    /// programs are missing.
    pub fn new(synchronous: bool) -> Option<Self> {
        if !can_start_servers() {
            return None;
        }
        let primary = Cluster::new();
        primary.execute("postgres", "CREATE DATABASE bitting");
        let replication = Relay::to(primary.port);
        let standby = primary.standby_by(replication.port, "standby");
        let other = primary.standby_by(primary.port, "other");
        if synchronous {
            primary.execute("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
            primary.execute("postgres", "SELECT pg_reload_conf()");
        }
        let hole = TcpListener::bind("127.0.0.1:0").unwrap();
        Some(Self { primary, standby, _other: other, way: None, replication, hole })
    }

    /// The URL that names both machines that may be the primary.
    pub fn url(&self) -> String {
        let first = self.way.as_ref().map_or(self.primary.port, |way| way.port);
        let second = self.standby.port;
        format!("postgres://bitting@127.0.0.1:{first},127.0.0.1:{second}/bitting")
    }

    /// The servers reach the primary by a relay.
    pub fn with_a_way_to_cut(self) -> Self {
        Self { way: Some(Relay::to(self.primary.port)), ..self }
    }

    /// Nothing passes between the primary and everybody else, who are told nothing of that.
    pub fn cut_off_the_primary(&self) {
        if let Some(way) = &self.way {
            way.swallow(&self.hole);
        }
        self.replication.swallow(&self.hole);
    }

    /// The standby receives nothing more.
    pub fn hold_back_the_standby(&self) {
        self.replication.swallow(&self.hole);
    }
}
