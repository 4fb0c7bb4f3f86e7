//! The fast path: `GET /v1/ping` and what proxies ask, with a key that memory accepts, answered before
//! actix makes a map of its header fields, a route and a boxed future of it. It never refuses: whatever
//! it does not answer goes on to the application, which decides for itself.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web;

use super::api::this_key::PONG;
use super::authz::family::Family;
use super::authz::forward::Judgement;
use super::client_address::address_behind;
use super::fields::AnswerFields;
use super::limit_headers::announce;
use super::middleware::count::user_agent_of;
use super::middleware::measure::Measure;
use super::middleware::observe::{are_logged, frame_data};
use super::raw_answer::{Dates, RawAnswer};
use super::raw_head::{RawHead, room};
use super::request_id::RequestId;
use super::routes::PING;
use super::state::State;
use crate::gate::admission::Admission;
use crate::gate::caller::Caller;
use crate::gate::route::{Need, Route};
use crate::model::scope::Access;

/// The route of a ping, as the URL table has it.
const PING_ROUTE: Route = Route::Known { need: Need::AnyKey, access: Access::Read, offered: true };

/// The fast path of one worker.
pub struct FastPath {
    state: web::Data<State>,
    measures: Measures,
    dates: Dates,
}

/// What measures each route that is answered here, where there are metrics.
struct Measures {
    ping: Option<Measure>,
    doors: [Option<Measure>; Family::ALL.len()],
}

/// A request that can be answered from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quick {
    /// `GET /v1/ping`.
    Ping,
    /// What a proxy of this family asks.
    Door(Family),
}

impl FastPath {
    /// The fast path before the application of the same state.
    pub fn new(state: web::Data<State>) -> Self {
        let ping = Measure::of(&state, PING);
        let doors = Family::ALL.map(|family| Measure::of(&state, family.pattern()));
        Self { measures: Measures { ping, doors }, dates: Dates::default(), state }
    }

    /// Whether the server is stopping, so that nothing is answered here.
    pub fn is_stopping(&self) -> bool {
        self.state.stopping.load(Ordering::Relaxed)
    }

    /// Writes the answer to the request that these bytes begin with, which have come from this address,
    /// and counts the request; says how many of the bytes it is. Or does neither.
    pub fn answer(
        &self,
        bytes: &[u8],
        peer: Option<IpAddr>,
        answer: &mut Vec<u8>,
    ) -> Option<usize> {
        if !may_be_quick(bytes) {
            return None;
        }
        let state = self.state.get_ref();
        // What is to be logged is known further on, and so is how a connection is ended.
        if self.is_stopping() || are_logged() {
            return None;
        }
        let mut room = room();
        let (head, length) = RawHead::read(bytes, &mut room)?;
        let quick = Quick::of(&head)?;
        let measure = self.measures.of(quick);
        let began = measure.map(|_| Instant::now());
        let route = quick.route(&head, state)?;
        let presented = state.bitting.gate.read(head.by_name());
        let address = || address_behind(peer, &head, &state.settings);
        let Admission { verdict, count, .. } = state.door.admit(&presented, route, address)?;
        let body = quick.body();
        let mut answer = RawAnswer::begin(answer, body.len(), &self.dates);
        let told = verdict.ok().and_then(|caller| quick.tell(caller, state, &mut answer));
        if told.is_none() {
            count.discard();
            answer.discard();
            return None;
        }
        state.note_accepted();
        let status = StatusCode::OK;
        let standing = count.finish(status.as_u16(), address(), || user_agent_of(&head, state));
        announce(&mut answer, standing, state);
        frame_data(&mut answer, &RequestId::choose(&head, state), false);
        answer.end(body);
        if let (Some(measure), Some(began)) = (measure, began) {
            measure.answered(quick.access(&head), status, began);
        }
        Some(length)
    }
}

/// Whether a head is worth a closer look: most are not, and are not read twice for it.
fn may_be_quick(head: &[u8]) -> bool {
    let target = head.iter().position(|byte| *byte == b' ').map(|space| &head[space + 1..]);
    target.is_some_and(|target| target.starts_with(b"/authz/") || target.starts_with(b"/v1/ping "))
}

impl Measures {
    fn of(&self, quick: Quick) -> Option<&Measure> {
        match quick {
            Quick::Ping => self.ping.as_ref(),
            Quick::Door(family) => self.doors[family as usize].as_ref(),
        }
    }
}

impl Quick {
    /// What the request is, in the one spelling that is answered here; the router knows the others.
    fn of(head: &RawHead<'_>) -> Option<Self> {
        if head.target == PING {
            return (head.method == "GET").then_some(Self::Ping);
        }
        // What actix, too, reads as it was sent.
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%?=&+,:@".contains(&byte);
        let family = Family::of_path(head.target)?;
        head.target.bytes().all(is_usual).then_some(Self::Door(family))
    }

    /// What it asks of its caller; none where the answer depends on no caller.
    fn route(self, head: &RawHead<'_>, state: &State) -> Option<Route> {
        let Self::Door(family) = self else { return Some(PING_ROUTE) };
        let asked = family.asked(head.method, head.target, head);
        match Judgement::of(asked, &state.bitting) {
            Judgement::Key(route) => Some(route),
            Judgement::Preflight => None,
        }
    }

    /// Says what an accepted caller is told, if it is in memory.
    fn tell(self, caller: Caller, state: &State, answer: &mut RawAnswer<'_>) -> Option<()> {
        let Self::Door(_) = self else {
            answer.put(&CONTENT_TYPE, b"application/json");
            return Some(());
        };
        let Caller::Key(key) = caller else { return None };
        let identities = &state.bitting.gate.index.identities;
        identities.with_headers(key.id(), |identity| answer.put_lines(identity.lines()))
    }

    fn body(self) -> &'static [u8] {
        match self {
            Self::Ping => PONG.as_bytes(),
            Self::Door(_) => b"",
        }
    }

    /// What the request itself does, as its route is measured.
    fn access(self, head: &RawHead<'_>) -> Access {
        match self {
            Self::Ping => Access::Read,
            Self::Door(_) => Access::of_method(head.method),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;

    use super::*;
    use crate::http::routes::endpoints;

    #[test]
    fn it_asks_what_the_url_table_asks() {
        let ping = endpoints().into_iter().find(|endpoint| endpoint.path() == PING).unwrap();
        assert!(ping.methods().contains(&Method::GET));
        let need = ping.need().unwrap();
        assert_eq!(PING_ROUTE, Route::Known { need, access: Access::Read, offered: true });
    }
}
