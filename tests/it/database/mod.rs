//! The database below: its schema and plans, and what happens when it is slow, away, damaged, copied
//! or set back.

mod backup;
mod busy_database;
mod checking;
mod faults_disk;
mod few_connections;
mod frozen;
mod key_table_cost;
mod list_plans;
mod migrations;
mod moved;
mod outdated;
mod pooler;
mod preconditions;
mod refused_databases;
mod restoring;
mod schemas;
mod set_back;
mod standby;
mod synchronous;
mod tls;
mod waiting;
