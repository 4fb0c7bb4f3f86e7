//! Reading the change feed: what was changed since the last time, or everything, if the database is
//! no longer the one that was read.
//!
//! Every change of a key or token carries the id of its audit event as its revision, and revisions
//! rise in the order of the commits; so "all with a greater revision" is the whole feed, for other
//! processes, for the command line and for the first load alike. That holds for one database. After
//! a restore or a failover that lost something, revisions are given out again; so each read asks for
//! the events that were seen last, and when one of them is gone or is another, nothing that was read
//! before counts.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Bitting;
use super::change_feed::{Position, Reader};
use super::connections::offered::ReadConnections;
use super::set_back::SetBack;
use crate::gate::key_index::{CredentialRow, IndexedCredential, KeyIndex};
use crate::model::key::KeyChange;
use crate::model::secret::Digest;
use crate::store;
use crate::store::database::any_connection::AnyConnection;
use crate::store::database::connection::Session;
use crate::store::database::lifeline;
use crate::store::feed;
use crate::store::feed::{Bookmark, Look};
use crate::store::{connections, keys, tokens};

/// Rows read at once.
const ROWS_PER_READ: i64 = 1_000;
/// How long the database may take to say whether there is anything new.
const LONGEST_LOOK: Duration = Duration::from_secs(4);
/// How long it may take for one part of what is new, which PostgreSQL itself gives 4 s.
const LONGEST_PART: Duration = Duration::from_secs(6);
/// How long all parts may take.
const LONGEST_READ: Duration = Duration::from_secs(300);

/// Up to where a state of the database was read, and its bookmark.
struct Read {
    position: Position,
    bookmark: Bookmark,
}

impl Bitting {
    /// Reads the feed once, up to its end, and applies what has changed.
    ///
    /// # Errors
    /// When the database fails or cannot be believed; what was read before that is applied.
    pub fn read_feed(&self) -> store::Result<()> {
        let mut reader = self.feed.reader.lock();
        let number = self.gate.freshness.begin();
        let began = self.time.uptime();
        let result = self.read_to_the_end(&mut reader);
        if result.is_err() {
            reader.session = None;
        }
        let took = self.time.uptime() - began;
        self.gate.freshness.end(number, began, result.is_ok().then_some(took));
        result
    }

    fn read_to_the_end(&self, reader: &mut Reader) -> store::Result<()> {
        let file = self.database.check_file();
        self.feed.file_lost.store(file.is_err(), Ordering::Release);
        file?;
        let Reader { session, position } = reader;
        let session = match session {
            Some(session) => session,
            none => none.insert(self.database.dedicated()?),
        };
        let asked = self.feed.bookmarks();
        // Time is left to ask once more, over another connection.
        let longest = LONGEST_LOOK.min(self.gate.freshness.max_staleness() / 2);
        let look = lifeline::within(longest, || {
            session.ask(|connection| {
                feed::forget_pages(connection)?;
                look_for(connection, &asked)
            })
        })?;
        self.database.allow_writing(look.is_for_this_program());
        if !look.is_for_this_program() {
            return Err(store::Error::TooOld);
        }
        let still_there = look.holds(&asked);
        let nothing_new = look.keys <= position.keys
            && look.tokens <= position.tokens
            && look.connections <= position.connections;
        if still_there && nothing_new {
            self.feed.turn_to(None, &asked, self.time.uptime());
            return Ok(());
        }
        let catch_up = || self.catch_up(session, *position, &asked);
        let read = if still_there { lifeline::within(LONGEST_READ, catch_up)? } else { None };
        match read {
            Some(read) => {
                *position = read.position;
                self.feed.turn_to(Some(read.bookmark), &asked, self.time.uptime());
            }
            None => {
                let start_anew = || self.start_anew(session, &asked);
                *position = lifeline::within(LONGEST_READ, start_anew)?;
            }
        }
        Ok(())
    }

    /// Applies what has changed since a position. `None` if the database was set back in the
    /// meantime.
    fn catch_up(
        &self,
        session: &mut Session,
        from: Position,
        asked: &[Bookmark],
    ) -> store::Result<Option<Read>> {
        session.snapshot(|connection| {
            if !look_for(connection, asked)?.holds(asked) {
                return Ok(None);
            }
            if from.keys == 0 {
                self.gate.index.reserve(keys::count(connection)?);
            }
            let take_in = |changes: Vec<(Digest, IndexedCredential)>| {
                changes
                    .into_iter()
                    .for_each(|(digest, entry)| self.gate.index.apply(digest, entry));
            };
            let mut from = from;
            let changed = connections::changed_since(connection, from.connections)?;
            if let Some(last) = changed.last() {
                from.connections = last.revision;
                self.take_in_connections(ReadConnections::of(connection, changed)?);
            }
            read_since(connection, from, &self.gate.index, take_in).map(Some)
        })
    }

    /// Reads everything, and replaces what is in memory with it. Nothing is replaced where reading
    /// fails.
    fn start_anew(&self, session: &mut Session, asked: &[Bookmark]) -> store::Result<Position> {
        self.database.renew();
        self.gate.index.begin_to_replace();
        let present = parking_lot::Mutex::new(Vec::new());
        let read = session.snapshot(|connection| {
            let take_in = |mut changes: Vec<_>| present.lock().append(&mut changes);
            let all = ReadConnections::all(connection)?;
            let last = all.changed.last().map_or(0, |last| last.revision);
            let from = Position { connections: last, ..Position::default() };
            store::Result::Ok((all, read_since(connection, from, &self.gate.index, take_in)?))
        });
        let (all, read) = read.inspect_err(|_| self.gate.index.give_up_replacing())?;
        self.replace_connections(all);
        let present = std::mem::take(&mut *present.lock());
        let now = self.time.now();
        let (replaced, requests) = self.meter.while_replacing(|| {
            let replaced = self.gate.index.replace(present, now);
            self.feed.turn_to(Some(read.bookmark), asked, self.time.uptime());
            replaced
        });
        self.gate.index.limiter.doubt();
        self.set_backs.note(SetBack::of(&replaced, requests, now));
        Ok(read.position)
    }

    /// Applies a change that this process has committed.
    pub(super) fn took_effect<'a>(&self, digest: Digest, credential: impl Into<CredentialRow<'a>>) {
        let entry = self.gate.index.entry(credential);
        self.feed.committed(entry.revision());
        self.gate.index.apply(digest, entry);
    }
}

/// Asks the database for some bookmarks, and for the newest revisions.
pub(super) fn look_for(
    connection: &mut AnyConnection,
    bookmarks: &[Bookmark],
) -> store::Result<Look> {
    let ids: Vec<i64> = bookmarks.iter().map(|bookmark| bookmark.id).collect();
    feed::look(connection, &ids)
}

/// Reads all tokens and keys of one state of the database that have changed since.
fn read_since(
    connection: &mut AnyConnection,
    from: Position,
    index: &KeyIndex,
    take_in: impl Fn(Vec<(Digest, IndexedCredential)>) + Sync,
) -> store::Result<Read> {
    let mut position = from;
    let changes = tokens::changed_since(connection, from.tokens)?;
    position.tokens = changes.last().map_or(from.tokens, |last| last.revision);
    take_in(changes.iter().map(|token| (token.digest, index.entry(token))).collect());
    std::thread::scope(|scope| {
        loop {
            let changes = lifeline::within(LONGEST_PART, || {
                keys::changes::changed_since(connection, position.keys, ROWS_PER_READ)
            })?;
            position.keys = changes.last().map_or(position.keys, |last| last.revision);
            let entries = |changes: Vec<KeyChange>| {
                changes.iter().map(|key| (key.digest, index.entry(key))).collect()
            };
            if (changes.len() as i64) < ROWS_PER_READ {
                take_in(entries(changes));
                return store::Result::Ok(());
            }
            // There are more, which are read meanwhile.
            let take_in = &take_in;
            scope.spawn(move || take_in(entries(changes)));
        }
    })?;
    let event = position.event();
    Ok(Read { position, bookmark: feed::look(connection, &[event])?.bookmark(event) })
}
