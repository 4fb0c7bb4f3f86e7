//! The threads behind the server: one reads the change feed, one writes counts and cares for what
//! grows old, one tests the connections to vendors, and, where that is configured, one sends warnings
//! and one fetches GitHub's public keys.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::github_keys;
use super::github_keys::Listing;
use super::health::Health;
use super::notifier;
use super::notifier::Courier;
use super::refusals::RefusalSummary;
use crate::config::Settings;
use crate::domain::Bitting;
use crate::http::state::HttpSettings;
use crate::store;

/// How often the feed is read when nobody waits for it.
const FEED_INTERVAL: Duration = Duration::from_millis(200);
/// The least time from the end of one read to the start of the next.
const FEED_GAP: Duration = Duration::from_millis(5);
/// How long one piece of work in the background may wait for the database.
const LONGEST_WORK: Duration = Duration::from_secs(10);
/// How often old counts, answers and sessions are cleaned up, the highest time is saved, and others
/// are told that this server runs.
const CARE_INTERVAL: Duration = store::servers::NOTE_INTERVAL;
/// A pause between two small steps, so that others get the writer.
const STEP_PAUSE: Duration = Duration::from_millis(5);
/// How often it is checked whether the threads have ended, as they are told to.
const STOP_POLL: Duration = Duration::from_millis(10);
/// How often it is checked whether a thread has ended that nobody has told to.
const END_POLL: Duration = Duration::from_secs(1);
/// Reading what others have used takes at most one part of the time in so many.
const SHARE_PAUSE: u32 = 5;
/// How long one piece of work may wait once the server stops: less, since stopping has an end.
const LAST_WORK: Duration = Duration::from_secs(3);
/// How often more, and after which pause, the last writing is tried that fails.
const LAST_TRIES: u32 = 20;
const LAST_PAUSE: Duration = Duration::from_millis(100);

/// Tells the threads to end when it is dropped, also where nobody stops them.
struct Ending {
    bitting: Arc<Bitting>,
    stopping: Arc<AtomicBool>,
    /// Those that may sleep.
    threads: Vec<Thread>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        self.bitting.gate.freshness.close();
        self.threads.iter().for_each(Thread::unpark);
    }
}

/// The threads behind the server.
pub(super) struct Background {
    bitting: Arc<Bitting>,
    ending: Ending,
    feed: JoinHandle<()>,
    usage: JoinHandle<io::Result<()>>,
    notifier: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the operating system has no thread to give, or nothing to send warnings by.
    pub(super) fn start(
        bitting: Arc<Bitting>,
        shared: Arc<HttpSettings>,
        settings: &Settings,
    ) -> io::Result<Self> {
        let usage_flush = settings.usage_flush;
        bitting.database.keep_connections();
        let stopping = Arc::new(AtomicBool::new(false));
        // From here on a failure ends what was started.
        let mut ending =
            Ending { bitting: bitting.clone(), stopping: stopping.clone(), threads: Vec::new() };
        fetch_github_keys(&shared, settings, &stopping)?;
        let feed = thread::Builder::new().name("change-feed".to_owned()).spawn({
            let (bitting, stopping) = (bitting.clone(), stopping.clone());
            move || read_feed(&bitting, &stopping)
        })?;
        let usage = thread::Builder::new().name("usage".to_owned()).spawn({
            let (bitting, stopping) = (bitting.clone(), stopping.clone());
            let refusals = RefusalSummary::new(shared);
            move || write_usage(&bitting, &stopping, usage_flush, refusals)
        })?;
        ending.threads.push(usage.thread().clone());
        let tests = thread::Builder::new().name("vendor-tests".to_owned()).spawn({
            let (bitting, stopping) = (bitting.clone(), stopping.clone());
            move || test_connections(&bitting, &stopping)
        })?;
        ending.threads.push(tests.thread().clone());
        let notifier = start_notifier(&bitting, settings, &stopping)?;
        ending.threads.extend(notifier.as_ref().map(|notifier| notifier.thread().clone()));
        Ok(Self { bitting, ending, feed, usage, notifier })
    }

    /// Waits until one of the threads has ended that nobody has told to.
    pub(super) async fn ended(&self) {
        let one_has = || {
            let notifier = self.notifier.as_ref();
            self.feed.is_finished()
                || self.usage.is_finished()
                || notifier.is_some_and(JoinHandle::is_finished)
        };
        while !one_has() {
            tokio::time::sleep(END_POLL).await;
        }
    }

    /// Ends the threads; the last thing one of them does is to write what is left.
    ///
    /// # Errors
    /// When that is not done by the deadline: a database that hangs must not keep the process.
    pub(super) fn stop(self, deadline: Instant) -> io::Result<()> {
        drop(self.ending);
        self.bitting.database.hurry(LAST_WORK);
        self.bitting.gate.freshness.wake();
        // A vendor that keeps the tests waiting is not waited for.
        let written = is_in_time(deadline, || self.feed.is_finished() && self.usage.is_finished());
        // A message that is still on its way then is sent again by whoever takes it next.
        let sent = self.notifier.filter(|notifier| is_in_time(deadline, || notifier.is_finished()));
        if !written {
            return Err(io::Error::other(
                "the database did not answer in time; the last counts may be lost",
            ));
        }
        // What a thread that panicked has left is written in its place.
        self.usage.join().unwrap_or_else(|_panic| write_the_rest(&self.bitting))?;
        let panicked = |who: &str| Err(io::Error::other(format!("the thread that {who} panicked")));
        if sent.is_some_and(|notifier| notifier.join().is_err()) {
            return panicked("sends warnings");
        }
        self.feed.join().or_else(|_panic| panicked("reads changes to keys"))
    }
}

/// Waits until something is so, and says whether it was by the deadline.
fn is_in_time(deadline: Instant, condition: impl Fn() -> bool) -> bool {
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(STOP_POLL);
    }
    true
}

/// Starts the thread that sends warnings, where there is a channel to send them on.
fn start_notifier(
    bitting: &Arc<Bitting>,
    settings: &Settings,
    stopping: &Arc<AtomicBool>,
) -> io::Result<Option<JoinHandle<()>>> {
    if bitting.warnings.channels.is_empty() {
        return Ok(None);
    }
    let courier = Courier::new(settings)?;
    let (bitting, stopping) = (bitting.clone(), stopping.clone());
    let send = move || notifier::run(&bitting, &courier, &stopping);
    thread::Builder::new().name("notifier".to_owned()).spawn(send).map(Some)
}

/// Starts the thread that fetches GitHub's public keys, where an address is named. Nobody waits for
/// its end: it holds nothing that could be lost.
fn fetch_github_keys(
    shared: &HttpSettings,
    settings: &Settings,
    stopping: &Arc<AtomicBool>,
) -> io::Result<()> {
    let (Some(known), Some(listing)) = (&shared.github_keys, Listing::of(settings)?) else {
        return Ok(());
    };
    let (known, stopping) = (known.clone(), stopping.clone());
    let fetch = move || github_keys::run(&known, &listing, &stopping);
    thread::Builder::new().name("github-keys".to_owned()).spawn(fetch).map(drop)
}

fn read_feed(bitting: &Bitting, stopping: &AtomicBool) {
    let mut health = Health::of("reading changes to keys");
    let mut ended = Instant::now();
    while !stopping.load(Ordering::Acquire) {
        bitting.gate.freshness.wait(FEED_INTERVAL);
        // A flood of made-up keys must not become a flood of reads.
        thread::sleep(FEED_GAP.saturating_sub(ended.elapsed()));
        bitting.time.tick();
        if health.note(bitting.read_feed()).is_none() {
            thread::sleep(FEED_INTERVAL);
        }
        ended = Instant::now();
    }
}

fn test_connections(bitting: &Bitting, stopping: &AtomicBool) {
    let mut health = Health::of("testing connections to vendors");
    while !stopping.load(Ordering::Acquire) {
        thread::park_timeout(CARE_INTERVAL);
        while !stopping.load(Ordering::Acquire)
            && health.note(bitting.test_due_connection()).unwrap_or(false)
        {}
    }
}

fn write_usage(
    bitting: &Bitting,
    stopping: &AtomicBool,
    interval: Duration,
    mut refusals: RefusalSummary,
) -> io::Result<()> {
    let (mut flush, mut care) = (Health::of("writing counts"), Health::of("housekeeping"));
    let mut share = Health::of("reading how much of the keys' limits is used");
    let mut record = Health::of("recording that the database was set back");
    let mut keep = Health::of("opening the connection that counts are written by");
    let mut late = Health::of("recording writes at vendors");
    let mut share_at = Instant::now();
    let (mut cared_at, mut folded_at) = (Instant::now(), Instant::now());
    while !stopping.load(Ordering::Acquire) {
        thread::park_timeout(interval);
        keep.note(bitting.within(LONGEST_WORK, |bitting| bitting.background.reopen()));
        let is_due = bitting.is_journal_due(folded_at.elapsed());
        flush.note(bitting.within(LONGEST_WORK, |bitting| write_counts(bitting, is_due)));
        if Instant::now() >= share_at {
            let began = Instant::now();
            share.note(bitting.within(LONGEST_WORK, Bitting::share_limits));
            share_at = Instant::now() + began.elapsed() * SHARE_PAUSE;
        }
        record.note(bitting.within(LONGEST_WORK, Bitting::record_set_backs));
        late.note(repeat(Bitting::record_late_via_writes, bitting, stopping, interval));
        if is_due {
            folded_at = Instant::now();
        }
        refusals.look();
        if cared_at.elapsed() >= CARE_INTERVAL {
            cared_at = Instant::now();
            care.note(housekeeping(bitting, stopping, interval));
        }
    }
    refusals.tell();
    write_the_rest(bitting)
}

/// Writes what has been counted, and folds the journal if it is time. Where nothing has been counted
/// and the last write failed, another one tells whether the database can be written again.
fn write_counts(bitting: &Bitting, fold: bool) -> store::Result<()> {
    if !bitting.flush_usage()? && !bitting.flushes.are_taken() {
        bitting.save_high_water()?;
    }
    if fold {
        bitting.fold_journal()?;
    }
    bitting.check_writable()
}

/// Writes everything that is still in memory, before the process ends.
fn write_the_rest(bitting: &Bitting) -> io::Result<()> {
    let counts = insist(Bitting::flush_usage, bitting)
        .map_err(|why| lost("the last counts could not be written and are lost", &why));
    let writes = insist(Bitting::record_late_via_writes, bitting)
        .map_err(|why| lost("the last writes at vendors are missing from the audit log", &why));
    counts.and(writes)?;
    if let Err(why) = bitting.within(LAST_WORK, Bitting::fold_journal) {
        tracing::debug!(%why, "the journal is left for the next server to fold");
    }
    if let Err(why) = bitting.within(LAST_WORK, Bitting::leave) {
        tracing::debug!(%why, "others take this server for running a little longer");
    }
    let saved = bitting.within(LAST_WORK, Bitting::save_high_water);
    saved.map_err(|why| lost("the highest time seen could not be saved", &why))
}

/// Takes step after step while there is more to do; one that fails is tried again, as often as there is
/// time for.
fn insist(step: fn(&Bitting) -> store::Result<bool>, bitting: &Bitting) -> store::Result<()> {
    let mut tries = 0;
    loop {
        match bitting.within(LAST_WORK, step) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(why) if tries == LAST_TRIES => return Err(why),
            Err(_) => {
                tries += 1;
                thread::sleep(LAST_PAUSE);
            }
        }
    }
}

fn lost(what: &str, why: &store::Error) -> io::Error {
    io::Error::other(format!("{what}: {why}"))
}

/// Saves the highest time, rolls counts up, and drops old answers, messages, records of writes at vendors
/// and sessions. Returns the first failure; what does not depend on it is done all the same.
fn housekeeping(bitting: &Bitting, stopping: &AtomicBool, interval: Duration) -> store::Result<()> {
    let once = |step: fn(&Bitting) -> store::Result<()>| bitting.within(LONGEST_WORK, step);
    let all = |step: fn(&Bitting) -> store::Result<bool>| repeat(step, bitting, stopping, interval);
    let tasks: [&dyn Fn() -> store::Result<()>; 10] = [
        &|| once(Bitting::save_high_water),
        &|| once(Bitting::fold_journal),
        &|| all(Bitting::roll_up),
        &|| all(Bitting::summarize_keys),
        &|| once(Bitting::compare_resources),
        &|| all(Bitting::drop_answers),
        &|| all(Bitting::drop_messages),
        &|| all(Bitting::drop_via_writes),
        &|| once(Bitting::count_warnings),
        &|| all(Bitting::sweep_accounts),
    ];
    let mut done = Ok(());
    for task in tasks {
        match task() {
            // Every other one would wait for the database as long.
            Err(why) if why.may_pass() => return Err(why),
            result => done = done.and(result),
        }
    }
    done
}

/// Takes step after step while there is more to do, and writes counts in between.
fn repeat(
    step: fn(&Bitting) -> store::Result<bool>,
    bitting: &Bitting,
    stopping: &AtomicBool,
    interval: Duration,
) -> store::Result<()> {
    let mut flushed_at = Instant::now();
    while !stopping.load(Ordering::Acquire) && bitting.within(LONGEST_WORK, step)? {
        thread::sleep(STEP_PAUSE);
        if flushed_at.elapsed() >= interval {
            flushed_at = Instant::now();
            bitting.within(LONGEST_WORK, Bitting::flush_usage)?;
        }
    }
    Ok(())
}
