//! `/notifications`: where warnings go, whether the last ones arrived, and a button to try it.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use super::parts::frame::{Frame, Section, Viewer};
use super::parts::text::{NAME, REASON, When, listed, number, shortened};
use super::{page, see_other};
use crate::http::error::Problem;
use crate::http::state::State;
use crate::model::time::Moment;
use crate::model::warnings::{Channels, Delivery, DeliveryState};
use crate::model::words::Word;

#[derive(Template)]
#[template(path = "notifications.html")]
struct NotificationsPage {
    frame: Frame,
    webhook: Option<String>,
    mail: Option<String>,
    /// Who is told of keys that nobody is responsible for.
    notify: String,
    lines: Vec<Line>,
}

/// One message.
struct Line {
    title: String,
    kind: &'static str,
    /// The page of the key in question.
    key: Option<String>,
    channel: &'static str,
    recipients: String,
    created: When,
    state: DeliveryState,
    /// When it arrived, or is tried next.
    then: Option<When>,
    attempts: String,
    error: Option<String>,
}

impl Line {
    fn new(delivery: Delivery, now: Moment) -> Self {
        let state = delivery.state();
        let then = match state {
            DeliveryState::Delivered => delivery.delivered_at,
            DeliveryState::Waiting => delivery.due_at,
            DeliveryState::GivenUp => None,
        };
        Self {
            title: shortened(delivery.title, NAME),
            kind: delivery.kind.as_str(),
            key: delivery.key.map(|key| format!("/keys/{key}")),
            channel: delivery.channel.as_str(),
            recipients: shortened(listed(&delivery.recipients), NAME),
            created: When::ago(delivery.created_at, now),
            state,
            then: then.map(|at| When::relative(at, now)),
            attempts: number(delivery.attempts),
            error: delivery.error.map(|error| shortened(error, REASON)),
        }
    }
}

/// `GET /notifications`
pub async fn list(viewer: Viewer, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    let read = state.run(move |bitting| {
        let channels = bitting.warnings.channels.clone();
        Ok((bitting.last_messages(&principal)?, channels, bitting.time.now()))
    });
    let (messages, channels, now) = read.await?;
    let Channels { webhook, mail, notify } = channels;
    let template = NotificationsPage {
        frame: viewer.frame(Section::Notifications),
        webhook,
        mail,
        notify: listed(&notify),
        lines: messages.into_iter().map(|delivery| Line::new(delivery, now)).collect(),
    };
    page(StatusCode::OK, &template)
}

/// `POST /notifications`: a test message on every channel.
pub async fn test(viewer: Viewer, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let principal = viewer.principal.clone();
    state.run(move |bitting| bitting.store_test(&principal)).await?;
    Ok(see_other("/notifications"))
}
