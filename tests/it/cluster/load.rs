//! What is asked of our servers while something fails, and what came of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Binary, SetAtEnd, TestDatabase, eventually_within};

/// Between two requests of one client: the clients must not take the processor from the servers.
const PAUSE: Duration = Duration::from_millis(3);
/// What the clients themselves may take, beside what is promised.
const GRACE: Duration = Duration::from_secs(1);

struct Revoked {
    id: String,
    secret: String,
    confirmed: Instant,
}

/// What was answered. A change is in it when it was confirmed.
#[derive(Default)]
pub struct Load {
    /// How long a revoked key may still be accepted.
    bound: Duration,
    over: AtomicBool,
    /// 200, 503 and everything else to a key that is good all the time.
    answers: [AtomicU64; 3],
    made: Mutex<Vec<String>>,
    revoked: Mutex<Vec<Revoked>>,
    /// Which of the revoked keys is tried next.
    next: AtomicUsize,
    /// Those that were accepted although the bound was over.
    late: Mutex<BTreeSet<String>>,
    unknown: AtomicU64,
    /// When the last change was confirmed, and the longest time without one.
    confirmed: Mutex<Option<(Instant, Duration)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

fn ping(server: &Binary, key: &str) -> u16 {
    server.client.with_key(key, "GET", "/v1/ping", None).status
}

impl Load {
    /// `max_staleness`: after which a server that cannot read the changes accepts nothing.
    pub fn new(max_staleness: Duration) -> Self {
        Self { bound: max_staleness + GRACE, ..Self::default() }
    }

    /// Has clients of three kinds ask every server while `f` runs.
    pub fn during(&self, servers: &[Binary], admin: &str, key: &str, f: impl FnOnce(&Self)) {
        std::thread::scope(|scope| {
            for server in servers {
                scope.spawn(|| self.repeat(|| self.ask(server, key)));
                scope.spawn(|| self.repeat(|| self.try_revoked(server)));
                scope.spawn(|| self.repeat(|| self.change(server, admin)));
            }
            let _end = SetAtEnd(&self.over);
            f(self);
        });
    }

    fn repeat(&self, step: impl Fn()) {
        while !self.over.load(Ordering::Relaxed) {
            step();
            std::thread::sleep(PAUSE);
        }
    }

    fn ask(&self, server: &Binary, key: &str) {
        let place = match ping(server, key) {
            200 => 0,
            503 => 1,
            _ => 2,
        };
        self.answers[place].fetch_add(1, Ordering::Relaxed);
    }

    fn try_revoked(&self, server: &Binary) {
        let (id, secret) = {
            let revoked = lock(&self.revoked);
            let due = revoked.iter().take_while(|key| key.confirmed.elapsed() > self.bound).count();
            if due == 0 {
                return;
            }
            let key = &revoked[self.next.fetch_add(1, Ordering::Relaxed) % due];
            (key.id.clone(), key.secret.clone())
        };
        if ping(server, &secret) == 200 {
            lock(&self.late).insert(id);
        }
    }

    /// Makes a key, and revokes every second one.
    fn change(&self, server: &Binary, admin: &str) {
        let body = json!({"name": "k", "scopes": ["calls:read"]});
        let answer = server.client.with_key(admin, "POST", "/v1/keys", Some(&body));
        self.note(&answer.code());
        if answer.status != 201 {
            return;
        }
        let key = answer.json();
        let text = |field: &str| key[field].as_str().unwrap().to_owned();
        let count = {
            let mut made = lock(&self.made);
            made.push(text("id"));
            made.len()
        };
        self.confirm();
        if count % 2 == 0 {
            let path = format!("/v1/keys/{}/revoke", text("id"));
            let revoked = server.client.with_key(admin, "POST", &path, None);
            self.note(&revoked.code());
            if revoked.status == 200 {
                let (id, secret, confirmed) = (text("id"), text("key"), Instant::now());
                lock(&self.revoked).push(Revoked { id, secret, confirmed });
                self.confirm();
            }
        }
    }

    fn note(&self, code: &str) {
        if code == "outcome_unknown" {
            self.unknown.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn confirm(&self) {
        let mut confirmed = lock(&self.confirmed);
        let now = Instant::now();
        let (last, longest) = confirmed.unwrap_or((now, Duration::ZERO));
        *confirmed = Some((now, longest.max(now - last)));
    }

    /// How many changes were confirmed.
    pub fn changes(&self) -> usize {
        lock(&self.made).len() + lock(&self.revoked).len()
    }

    /// Until keys that were revoked before this moment have been tried.
    pub fn wait_for_the_bound(&self) {
        let (tried, keys) = (self.next.load(Ordering::Relaxed), lock(&self.revoked).len());
        let asked = |load: &Self| load.next.load(Ordering::Relaxed) > tried + keys;
        eventually_within(4 * self.bound, "revoked keys are tried", || asked(self));
    }

    /// The keys of confirmed changes that the database does not have.
    pub fn lost(&self, database: &TestDatabase) -> Vec<String> {
        let has =
            |condition: &str| database.db_texts(&format!("SELECT id FROM api_keys {condition}"));
        let (there, gone) = (has(""), has("WHERE revoked_at IS NOT NULL"));
        let (made, revoked) = (lock(&self.made), lock(&self.revoked));
        let unknown = made.iter().filter(|id| !there.contains(id));
        let open = revoked.iter().map(|key| &key.id).filter(|id| !gone.contains(id));
        unknown.chain(open).cloned().collect()
    }

    /// Revoked keys that were accepted beyond the bound.
    pub fn accepted_late(&self) -> BTreeSet<String> {
        lock(&self.late).clone()
    }

    /// How often the good key was accepted.
    pub fn accepted(&self) -> u64 {
        self.answers[0].load(Ordering::Relaxed)
    }

    /// How often it was answered 503.
    pub fn unavailable(&self) -> u64 {
        self.answers[1].load(Ordering::Relaxed)
    }

    /// Answers to the good key that were neither 200 nor 503.
    pub fn wrong_answers(&self) -> u64 {
        self.answers[2].load(Ordering::Relaxed)
    }

    /// A line of the table: how long it `took` until there was a database to write to, how many
    /// confirmed changes were `lost`, and how many of the good key's requests were `counted`.
    pub fn tell(&self, what: &str, took: Duration, lost: usize, counted: u64) {
        let (ok, unavailable) = (self.accepted(), self.unavailable());
        let longest = lock(&self.confirmed).map_or(Duration::ZERO, |(_, longest)| longest);
        let (changes, unknown) = (self.changes(), self.unknown.load(Ordering::Relaxed));
        let late = self.accepted_late().len();
        eprintln!(
            "| {what} | {:.1} s | {:.1} s | {ok} / {unavailable} | {changes} | {unknown} | {lost} | \
             {counted} | {late} |",
            took.as_secs_f64(),
            longest.as_secs_f64()
        );
    }
}
