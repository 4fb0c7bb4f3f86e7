//! The threads of a process, as the system schedules them.

use std::collections::BTreeSet;

use procfs::process::Process;

/// `SCHED_OTHER` (sched(7)).
pub const OTHER: u32 = 0;
/// `SCHED_BATCH`.
pub const BATCH: u32 = 3;

/// The names of the threads of a process that are scheduled by this policy.
pub fn scheduled_by(policy: u32, id: u32) -> BTreeSet<String> {
    let process = Process::new(id.try_into().unwrap()).unwrap();
    let threads = process.tasks().unwrap().map(|task| task.unwrap().stat().unwrap());
    threads.filter(|stat| stat.policy == Some(policy)).map(|stat| stat.comm).collect()
}
