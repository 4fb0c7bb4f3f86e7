//! Hashing passwords with Argon2id: few at a time, in memory that is used again.
//!
//! One hash fills 19 MiB. If every login had its own, a burst of them would take gigabytes, which
//! the allocator may never give back; so there are a few slots with their own memory, and whoever
//! finds them all taken waits, or is sent away when too many wait already.

use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use parking_lot::{Condvar, Mutex, MutexGuard};
use rand::TryRng;
use rand::rngs::SysRng;

use crate::domain::error::{Error, Result};
use crate::model::FieldErrors;
use crate::model::email::Email;
use crate::model::password::Password;
use crate::store;

/// OWASP's smallest recommended cost: 19 MiB, two passes, one lane.
const COST: Params = Params::DEFAULT;
/// How many hashes are computed at once.
const SLOTS: usize = 2;
/// How many callers may wait for a slot.
const MOST_WAITING: usize = 16;
/// How many of those in a slot or waiting for one may be hashing a new password: the other places
/// are for people who sign in.
const MOST_CHOOSING: usize = 8;
/// A stored hash that asks for more memory than this was not made by us.
const MOST_BLOCKS: usize = 256 * 1024;
/// What a password is compared with where there is none, so that it takes as long.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
                      Tm9ib2R5IHNpZ25zIGlu$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes passwords, a few at a time.
pub struct Hasher {
    queue: Mutex<Queue>,
    freed: Condvar,
    hashes: AtomicU64,
}

struct Queue {
    /// The memory of the slots that are free.
    free: Vec<Vec<Block>>,
    waiting: usize,
    choosing: usize,
}

/// One of the places for new passwords; dropping it frees the place.
struct Choice<'a>(&'a Hasher);

/// A slot in use; dropping it returns its memory.
struct Slot<'a> {
    hasher: &'a Hasher,
    memory: Vec<Block>,
}

impl Default for Hasher {
    fn default() -> Self {
        let free = std::iter::repeat_with(Vec::new).take(SLOTS).collect();
        let queue = Mutex::new(Queue { free, waiting: 0, choosing: 0 });
        Self { queue, freed: Condvar::new(), hashes: AtomicU64::new(0) }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.hasher.queue().free.push(std::mem::take(&mut self.memory));
        self.hasher.freed.notify_one();
    }
}

impl Drop for Choice<'_> {
    fn drop(&mut self) {
        self.0.queue().choosing -= 1;
    }
}

fn unreadable(why: impl std::fmt::Display) -> Error {
    Error::Store(store::Error::Unreadable(format!("the hash of a password: {why}")))
}

impl Hasher {
    /// How many hashes have been computed.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }

    /// Waits for a slot, unless too many wait already.
    fn slot(&self) -> Result<Slot<'_>> {
        let mut queue = self.queue();
        if queue.free.is_empty() && queue.waiting == MOST_WAITING {
            return Err(Error::Busy);
        }
        queue.waiting += 1;
        self.freed.wait_while(&mut queue, |queue| queue.free.is_empty());
        queue.waiting -= 1;
        let memory = queue.free.pop().unwrap_or_default();
        Ok(Slot { hasher: self, memory })
    }

    /// Takes one of the places for new passwords.
    fn choice(&self) -> Result<Choice<'_>> {
        let mut queue = self.queue();
        if queue.choosing == MOST_CHOOSING {
            return Err(Error::Busy);
        }
        queue.choosing += 1;
        Ok(Choice(self))
    }

    fn compute(&self, cost: Params, password: &Password, salt: &Salt) -> Result<Output> {
        let blocks = cost.block_count();
        let length = cost.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        if blocks > MOST_BLOCKS || length > Output::MAX_LENGTH {
            return Err(unreadable("it costs more than any of ours"));
        }
        let mut slot = self.slot()?;
        if slot.memory.len() < blocks {
            slot.memory.resize(blocks, Block::default());
        }
        self.hashes.fetch_add(1, Ordering::Relaxed);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost);
        let mut output = [0; Output::MAX_LENGTH];
        let output = &mut output[..length];
        let memory = &mut slot.memory[..blocks];
        argon2
            .hash_password_into_with_memory(password.expose(), salt, output, memory)
            .map_err(unreadable)?;
        Output::new(output).map_err(unreadable)
    }

    /// The hash of a password, as a PHC string with a salt of its own.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait, or when there is no randomness.
    pub fn hash(&self, password: &Password) -> Result<String> {
        let _choice = self.choice()?;
        let mut salt = [0; 16];
        let drawn = SysRng.try_fill_bytes(&mut salt);
        drawn.map_err(|why| Error::Randomness(why.to_string()))?;
        let salt = Salt::new(&salt).map_err(unreadable)?;
        let hash = self.compute(COST, password, &salt)?;
        let phc = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&COST).map_err(unreadable)?,
            salt: Some(salt),
            hash: Some(hash),
        };
        Ok(phc.to_string())
    }

    /// Whether a password is the right one. Where there is none to compare it with it is wrong,
    /// and takes as long.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait, or when the stored hash is unreadable.
    pub fn verify(&self, password: &Password, stored: Option<&str>) -> Result<bool> {
        let known = stored.is_some();
        let (cost, salt, expected) = parse(stored.unwrap_or(NOBODY))?;
        let output = self.compute(cost, password, &salt)?;
        // Compared in constant time by the type.
        Ok(output == expected && known)
    }
}

fn parse(stored: &str) -> Result<(Params, Salt, Output)> {
    let phc = PasswordHash::new(stored).map_err(unreadable)?;
    if phc.algorithm != Algorithm::Argon2id.ident() || phc.version != Some(Version::V0x13.into()) {
        return Err(unreadable("it is of another kind"));
    }
    let cost = Params::try_from(&phc).map_err(unreadable)?;
    let (salt, hash) = phc.salt.zip(phc.hash).ok_or_else(|| unreadable("it is cut off"))?;
    Ok((cost, salt, hash))
}

/// Whether a stored hash was made with other costs than one that is made now.
pub fn is_outdated(stored: &str) -> bool {
    let current = format!("$m={},t={},p={}$", COST.m_cost(), COST.t_cost(), COST.p_cost());
    !stored.contains(&current)
}

/// Checks a password that somebody chooses.
///
/// # Errors
/// [`Error::Invalid`].
pub fn choose_password(text: &str, email: &Email) -> Result<Password> {
    Ok(Password::choose(text, email).map_err(|message| FieldErrors::one("password", message))?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::domain::users::passwords::*;

    fn password(text: &str) -> Password {
        Password::presented(text)
    }

    #[test]
    fn a_hash_tells_the_right_password_and_no_other() {
        let hasher = Hasher::default();
        let stored = hasher.hash(&password("correct horse battery staple")).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(!is_outdated(&stored));
        let verify = |text: &str| hasher.verify(&password(text), Some(&stored)).unwrap();
        assert!(verify("correct horse battery staple"));
        assert!(!verify("correct horse battery stapl"));
        assert!(!verify(""));
        assert_ne!(stored, hasher.hash(&password("correct horse battery staple")).unwrap());
    }

    #[test]
    fn a_known_hash_is_understood_and_known_to_be_outdated() {
        // Made by the reference implementation: argon2 somesalt -id -t 2 -k 64 -p 1.
        let cheap =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let hasher = Hasher::default();
        assert!(hasher.verify(&password("password"), Some(cheap)).unwrap());
        assert!(is_outdated(cheap));
    }

    #[test]
    fn nobody_has_a_password_and_it_takes_a_hash_to_say_so() {
        let hasher = Hasher::default();
        assert!(!hasher.verify(&password("anything"), None).unwrap());
        assert_eq!(hasher.hashes(), 1);
    }

    #[test]
    fn a_hash_that_is_not_ours_is_no_wrong_password() {
        for stored in [
            "",
            "secret",
            "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=1",
        ] {
            let verified = Hasher::default().verify(&password("a"), Some(stored));
            assert!(matches!(verified, Err(Error::Store(_))), "{stored}");
        }
    }

    #[test]
    fn only_so_many_hash_at_once_and_only_so_many_wait() {
        let hasher = Hasher::default();
        let taken: Vec<Slot<'_>> = (0..SLOTS).map(|_| hasher.slot().unwrap()).collect();
        std::thread::scope(|scope| {
            for _ in 0..MOST_WAITING {
                scope.spawn(|| hasher.slot().map(drop).unwrap());
            }
            while hasher.queue().waiting < MOST_WAITING {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(matches!(hasher.slot(), Err(Error::Busy)));
            drop(taken);
        });
        assert_eq!(hasher.queue().free.len(), SLOTS);
        assert_eq!(hasher.queue().waiting, 0);
    }

    #[test]
    fn new_passwords_leave_room_for_those_who_sign_in() {
        let hasher = Hasher::default();
        let choices: Vec<Choice<'_>> =
            (0..MOST_CHOOSING).map(|_| hasher.choice().unwrap()).collect();
        assert!(matches!(hasher.hash(&password("a long enough password")), Err(Error::Busy)));
        assert!(!hasher.verify(&password("a guess"), None).unwrap());
        drop(choices);
        hasher.hash(&password("a long enough password")).unwrap();
    }
}
