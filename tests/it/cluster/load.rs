//! What is asked of two servers while something fails, and what came of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Binary, SetAtEnd, TestDatabase};

/// Between two requests of one client: the clients must not take the processor from the servers.
const PAUSE: Duration = Duration::from_millis(3);

/// What was answered. A change is in it when it was confirmed.
#[derive(Default)]
pub struct Load {
    over: AtomicBool,
    /// 200, 503 and everything else to a key that is good all the time.
    answers: [AtomicU64; 3],
    made: Mutex<Vec<String>>,
    revoked: Mutex<Vec<String>>,
    unknown: AtomicU64,
    /// When the last change was confirmed, and the longest time without one.
    confirmed: Mutex<Option<(Instant, Duration)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl Load {
    /// Has clients of two kinds ask both servers while `f` runs.
    pub fn during(&self, servers: &[Binary; 2], admin: &str, key: &str, f: impl FnOnce(&Self)) {
        std::thread::scope(|scope| {
            for server in servers {
                scope.spawn(|| self.repeat(|| self.ask(server, key)));
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
        let place = match server.client.with_key(key, "GET", "/v1/ping", None).status {
            200 => 0,
            503 => 1,
            _ => 2,
        };
        self.answers[place].fetch_add(1, Ordering::Relaxed);
    }

    /// Makes a key, and revokes every second one.
    fn change(&self, server: &Binary, admin: &str) {
        let body = json!({"name": "k", "scopes": ["calls:read"]});
        let made = server.client.with_key(admin, "POST", "/v1/keys", Some(&body));
        self.note(&made.code());
        if made.status != 201 {
            return;
        }
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let count = {
            let mut made = lock(&self.made);
            made.push(id.clone());
            made.len()
        };
        self.confirm();
        if count % 2 == 0 {
            let path = format!("/v1/keys/{id}/revoke");
            let revoked = server.client.with_key(admin, "POST", &path, None);
            self.note(&revoked.code());
            if revoked.status == 200 {
                lock(&self.revoked).push(id);
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

    /// How many confirmed changes the database does not have.
    pub fn lost(&self, database: &TestDatabase) -> usize {
        let has =
            |condition: &str| database.db_texts(&format!("SELECT id FROM api_keys {condition}"));
        let (there, revoked) = (has(""), has("WHERE revoked_at IS NOT NULL"));
        let missing = |ids: &Mutex<Vec<String>>, found: &[String]| {
            lock(ids).iter().filter(|id| !found.contains(id)).count()
        };
        missing(&self.made, &there) + missing(&self.revoked, &revoked)
    }

    /// Answers to the good key that were neither 200 nor 503.
    pub fn wrong_answers(&self) -> u64 {
        self.answers[2].load(Ordering::Relaxed)
    }

    /// A line of the table.
    pub fn tell(&self, what: &str, lost: usize) {
        let [ok, unavailable, _] = self.answers.each_ref().map(|n| n.load(Ordering::Relaxed));
        let longest = lock(&self.confirmed).map_or(Duration::ZERO, |(_, longest)| longest);
        let (changes, unknown) = (self.changes(), self.unknown.load(Ordering::Relaxed));
        eprintln!(
            "| {what} | {:.1} s | {ok} / {unavailable} | {changes} | {unknown} | {lost} |",
            longest.as_secs_f64()
        );
    }
}
