//! A request to the upstream, and its answer.

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http as received;
use actix_web::{HttpRequest, HttpResponse};
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri};

use super::client::{UpstreamClient, client};
use super::headers::{Outgoing, give_back};
use crate::config::GatewaySettings;
use crate::gate::identities::IdentityHeaders;
use crate::http::error::{Code, Problem};
use crate::http::extract::body::broken_off;
use crate::http::forwarding::fault::{Asked, Fault};
use crate::http::forwarding::sending::{
    Answered, Failed, Question, begin_answer, send, size_of, sole_length,
};
use crate::http::request_id::RequestId;
use crate::http::state::SharedState;
use crate::outbound::Connector;

/// What one worker forwards with.
pub(super) struct Forwarder {
    state: SharedState,
    settings: GatewaySettings,
    client: UpstreamClient,
}

impl Forwarder {
    pub(super) fn new(state: SharedState, settings: GatewaySettings, connector: Connector) -> Self {
        let client = client(connector);
        Self { state, settings, client }
    }

    /// Forwards a request with its body, and returns the upstream's answer as soon as its head is
    /// there.
    ///
    /// # Errors
    /// Why there is no answer, as it is told to the client.
    pub(super) async fn forward(
        &self,
        request: &HttpRequest,
        payload: Payload,
        holder: &IdentityHeaders,
    ) -> Result<HttpResponse, Problem> {
        let (method, uri) = self.target(request)?;
        let headers = Outgoing {
            request: request.head(),
            id: RequestId::of(request, &self.state),
            holder,
            host: self.settings.upstream.authority(),
            pass_credential: self.settings.pass_credential,
            settings: &self.state.settings,
        };
        let question = Question { method, uri, headers: headers.headers() };
        let patience = self.settings.timeout;
        match send(&self.client, patience, question, request, payload).await {
            Ok(answered) => Ok(self.give(request, answered)),
            Err(Failed::Body(why)) => Err(broken_off(&why, self.state.settings.patience.body)),
            Err(Failed::Answer(fault)) => {
                fault.tell(&self.asked(request), &self.state);
                Err(problem(&fault))
            }
        }
    }

    /// What is asked of the upstream, and where: the path and query are as they came.
    fn target(&self, request: &HttpRequest) -> Result<(Method, Uri), Problem> {
        let refused = || Problem::new(Code::BadRequest, "The method or the URL is not valid.");
        let path = request.uri().path_and_query().ok_or_else(refused)?;
        let path = PathAndQuery::try_from(path.as_str()).map_err(|_| refused())?;
        let method = Method::from_bytes(request.method().as_str().as_bytes());
        let upstream = &self.settings.upstream;
        let uri = Uri::builder().scheme(upstream.scheme().clone()).authority(upstream.authority());
        let uri = uri.path_and_query(path);
        Ok((method.map_err(|_| refused())?, uri.build().map_err(|_| refused())?))
    }

    fn asked(&self, request: &HttpRequest) -> Asked {
        Asked { id: RequestId::of(request, &self.state), at: None }
    }

    /// The upstream's answer as one of ours.
    fn give(&self, request: &HttpRequest, answered: Answered) -> HttpResponse {
        let Answered { answer, silence } = answered;
        let (head, body) = answer.into_parts();
        let size = size_of(request, head.status, &head.headers, &body);
        let (mut response, body) = begin_answer(
            request,
            head.status,
            size,
            (body, silence),
            &self.state,
            self.asked(request),
        );
        give_back(&head.headers, &mut response);
        if head.status == StatusCode::NOT_MODIFIED
            && let Some(length) = sole_length(&head.headers)
        {
            response.headers_mut().insert(received::header::CONTENT_LENGTH, length.into());
        }
        response.set_body(BoxBody::new(body))
    }
}

/// What went wrong as it is told to the client, while it has no answer yet.
fn problem(fault: &Fault) -> Problem {
    let (code, detail) = match fault {
        Fault::Unreachable(_) => (
            Code::UpstreamUnreachable,
            "The API behind this gateway cannot be reached, and the request was not sent to \
             it. Try again shortly.",
        ),
        Fault::NoAnswer(_) | Fault::Invalid(_) | Fault::BrokeOff(_) => (
            Code::UpstreamInvalid,
            "The API behind this gateway did not give a valid answer. What the request asks \
             for may have been done all the same.",
        ),
        Fault::Silent | Fault::StoppedSending => (
            Code::UpstreamTimeout,
            "The API behind this gateway did not answer in time. What the request asks for \
             may have been done all the same.",
        ),
    };
    Problem::new(code, detail)
}
