//! One small request and its whole answer, for whoever waits on a thread of their own.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::io::Read as _;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use http::header::{ACCEPT_ENCODING, HOST, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::connector::Connector;
use super::encoding::is_zipped;
use super::pool::pool;
use super::unreachable::Unreachable;

/// The most of a body that is read.
const LONGEST_BODY: usize = 1024 * 1024;

/// An answer with its body.
pub type Answer = Response<Bytes>;

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There was no connection; nothing was sent.
    #[error("{0}")]
    Unreachable(String),
    /// There was no answer in time.
    #[error("there was no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// What came is no answer in HTTP, or it broke off.
    #[error("there was no valid answer: {0}")]
    Invalid(String),
    /// The body goes on for too long.
    #[error("the answer is longer than {LONGEST_BODY} bytes")]
    TooLong,
}

/// Sends a request and waits for all of its answer, on this thread, which must not be one that serves
/// requests. Redirects are not followed.
///
/// # Errors
/// Why there is no whole answer within `limit`. It names no header and nothing of a body.
pub fn ask(
    connector: &Connector,
    request: Request<String>,
    limit: Duration,
) -> Result<Answer, Fault> {
    within(limit, async {
        let (head, body) = send(connector, request).await?.into_parts();
        Ok(Response::from_parts(head, whole(body).await?))
    })
}

/// Sends a request of which the status alone is needed: nothing of a body is waited for.
///
/// # Errors
/// Why there is no answer within `limit`.
pub fn ask_for_status(
    connector: &Connector,
    request: Request<String>,
    limit: Duration,
) -> Result<StatusCode, Fault> {
    within(limit, async { Ok(send(connector, request).await?.status()) })
}

fn within<T>(limit: Duration, asking: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let failed = |why: io::Error| Fault::Invalid(why.to_string());
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let asked = runtime.block_on(async { timeout(limit, asking).await });
    // A resolver that hangs must not be waited for.
    runtime.shutdown_background();
    asked.unwrap_or(Err(Fault::Late(limit)))
}

async fn send(
    connector: &Connector,
    mut request: Request<String>,
) -> Result<Response<Incoming>, Fault> {
    let host = request.uri().authority().map(|authority| authority.as_str());
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host).ok()) {
        request.headers_mut().insert(HOST, host);
    }
    request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    pool(connector.clone()).request(request).await.map_err(|why| fault(&why))
}

fn fault(why: &(dyn Error + 'static)) -> Fault {
    match Unreachable::within(why) {
        Some(why) => Fault::Unreachable(why.to_string()),
        None => Fault::Invalid(chain(why)),
    }
}

/// All of a body.
async fn whole(mut body: Incoming) -> Result<Bytes, Fault> {
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(data) = frame.map_err(|why| fault(&why))?.into_data() else { continue };
        if read.len() + data.len() > LONGEST_BODY {
            return Err(Fault::TooLong);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.into())
}

/// The body of an answer, also where it came as gzip although that was not asked for.
///
/// # Errors
/// When it is encoded in another way, or cannot be read, or is too long.
pub fn plain_body(answer: &Answer) -> Result<Bytes, Fault> {
    let zipped = is_zipped(answer.headers()).map_err(|why| Fault::Invalid(why.to_string()))?;
    if !zipped || answer.body().is_empty() {
        return Ok(answer.body().clone());
    }
    let mut plain = Vec::new();
    let most = LONGEST_BODY as u64 + 1;
    let read = MultiGzDecoder::new(&answer.body()[..]).take(most).read_to_end(&mut plain);
    read.map_err(|_| Fault::Invalid("its gzip is broken, or cut off".to_owned()))?;
    if plain.len() > LONGEST_BODY { Err(Fault::TooLong) } else { Ok(plain.into()) }
}

/// An error and all that caused it.
pub fn chain(error: &dyn Error) -> String {
    let cause = error.source().map(|cause| format!(": {}", chain(cause)));
    format!("{error}{}", cause.unwrap_or_default())
}
