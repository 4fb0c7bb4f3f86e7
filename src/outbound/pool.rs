//! Connections that are kept open between requests.

use std::time::Duration;

use http_body::Body;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// How long a connection is kept without a request. Node.js, uvicorn and actix-web close theirs
/// after five seconds; to use one at that very moment loses the request.
const IDLE: Duration = Duration::from_secs(4);
/// The most that the head of an answer may take, and a piece of its body.
const BUFFER: usize = 64 * 1024;

/// A pool of the connections that a connector makes, none yet. What was never sent on one is sent on
/// another.
pub fn pool<C, B>(connector: C) -> Client<C, B>
where
    C: Connect + Clone,
    B: Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .http1_max_buf_size(BUFFER)
        .set_host(false)
        .build(connector)
}
