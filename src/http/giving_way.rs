//! How the threads are scheduled on which use cases run.

use rustix::process::getpriority_process;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use thread_priority::{ThreadPriority, ThreadPriorityValue};

thread_local! {
    static GIVES_WAY: () = give_way();
}

/// Has this thread not interrupt a worker from now on.
///
/// Linux lets a thread that is woken interrupt whoever it shares a processor with. Where a worker
/// hands a request over, it would wait for the database after all, and each request would cost two
/// switches of threads, where now a worker goes on as long as memory has the answers.
pub(super) fn give_way_to_workers() {
    GIVES_WAY.with(|()| ());
}

fn give_way() {
    // The crate sets the niceness too, so whoever has chosen another one keeps both as they are.
    if getpriority_process(None) != Ok(0) {
        return;
    }
    let Ok(middle) = ThreadPriorityValue::try_from(47) else { return };
    let batch = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    // Where the system does not allow it, all works as well.
    let _ = set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(middle),
        batch,
    );
}
