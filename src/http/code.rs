//! The table of codes: what can go wrong, as a word, with its status and title.

use actix_web::http::StatusCode;

use crate::model::words::{Word, words};

words! {
    /// What went wrong, as a word that programs can rely on.
    Code {
        /// The body is not valid JSON.
        MalformedJson = "malformed_json",
        /// The `Idempotency-Key` header is malformed or was sent more than once.
        InvalidIdempotencyKey = "invalid_idempotency_key",
        /// The request presents more than one credential.
        MultipleCredentials = "multiple_credentials",
        /// The request is not valid HTTP.
        BadRequest = "bad_request",
        /// The request presents no credential.
        MissingKey = "missing_key",
        /// The credential is malformed, has a wrong checksum, or is unknown.
        InvalidKey = "invalid_key",
        /// The key has been revoked.
        KeyRevoked = "key_revoked",
        /// The key has expired.
        KeyExpired = "key_expired",
        /// The credential lacks the scope that this request needs.
        InsufficientScope = "insufficient_scope",
        /// The key may not be used from the client's address.
        AddressNotAllowed = "address_not_allowed",
        /// An API key was sent where an admin token is needed, or the other way round.
        WrongCredential = "wrong_credential",
        /// The caller may not do this, or the form was not sent from one of this server's pages.
        Forbidden = "forbidden",
        /// The request belongs to no resource.
        UnknownResource = "unknown_resource",
        /// The method or path of the request that is asked about is missing, was sent twice, or is not
        /// in its normal spelling.
        AmbiguousRequest = "ambiguous_request",
        /// The connection does not offer such requests.
        NotOffered = "not_offered",
        /// The e-mail address or the password is wrong.
        WrongPassword = "wrong_password",
        /// Too many attempts to sign in have failed, or too many reports of leaks came from one address.
        TooManyAttempts = "too_many_attempts",
        /// The key's rate limit is used up for now.
        RateLimited = "rate_limited",
        /// The key's quota for this day or month is used up.
        QuotaExceeded = "quota_exceeded",
        /// It cannot be done as things stand; the detail says why, and what to do.
        Conflict = "conflict",
        /// The change would leave no administrator who can sign in.
        LastAdministrator = "last_administrator",
        /// Nothing exists at this path or with this id.
        NotFound = "not_found",
        /// The path does not offer this method.
        MethodNotAllowed = "method_not_allowed",
        /// The body did not arrive in time.
        RequestTimeout = "request_timeout",
        /// The key has been revoked or has expired, and can no longer be edited.
        KeyRetired = "key_retired",
        /// The key was rotated before; `replaced_by` names the key that took its place.
        AlreadyRotated = "already_rotated",
        /// The filter finds another number of keys than the request confirms.
        NotConfirmed = "not_confirmed",
        /// The first request with this `Idempotency-Key` is still running.
        IdempotencyInProgress = "idempotency_in_progress",
        /// The record is not the version that the request asks for.
        PreconditionFailed = "precondition_failed",
        /// The body is too large.
        BodyTooLarge = "body_too_large",
        /// The body has a media type or an encoding that is not supported.
        UnsupportedMediaType = "unsupported_media_type",
        /// One or more fields or parameters are invalid.
        ValidationFailed = "validation_failed",
        /// The `Idempotency-Key` was already used for a different request.
        IdempotencyMismatch = "idempotency_mismatch",
        /// The server failed.
        Internal = "internal",
        /// The gateway does not forward such requests.
        NotImplemented = "not_implemented",
        /// The API behind the gateway cannot be reached.
        UpstreamUnreachable = "upstream_unreachable",
        /// The API behind the gateway gave no valid answer.
        UpstreamInvalid = "upstream_invalid",
        /// The API behind the gateway did not answer in time.
        UpstreamTimeout = "upstream_timeout",
        /// The credential of the connection does not open, as without its master key, or its host is no longer allowed.
        ConnectionLocked = "connection_locked",
        /// The vendor does not accept the credential of the connection.
        ConnectionRejected = "connection_rejected",
        /// The vendor behind the connection cannot be reached.
        VendorUnreachable = "vendor_unreachable",
        /// The vendor behind the connection gave no valid answer.
        VendorAnswer = "vendor_answer",
        /// The vendor behind the connection did not answer in time.
        VendorTimeout = "vendor_timeout",
        /// The connection is switched off.
        ConnectionDisabled = "connection_disabled",
        /// Too many requests are at the connection at once.
        ConnectionBusy = "connection_busy",
        /// The database has not confirmed a change, which may have been made or not.
        OutcomeUnknown = "outcome_unknown",
        /// The database cannot be reached, or too much is asked of it at once.
        Unavailable = "unavailable",
    }
}

impl Code {
    /// The code's HTTP status and title.
    pub(super) fn row(self) -> (StatusCode, &'static str) {
        match self {
            Self::MalformedJson => (StatusCode::BAD_REQUEST, "Malformed JSON"),
            Self::InvalidIdempotencyKey => (StatusCode::BAD_REQUEST, "Invalid idempotency key"),
            Self::MultipleCredentials => (StatusCode::BAD_REQUEST, "More than one credential"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, "Bad request"),
            Self::MissingKey => (StatusCode::UNAUTHORIZED, "Missing key"),
            Self::InvalidKey => (StatusCode::UNAUTHORIZED, "Invalid key"),
            Self::KeyRevoked => (StatusCode::UNAUTHORIZED, "Revoked key"),
            Self::KeyExpired => (StatusCode::UNAUTHORIZED, "Expired key"),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, "Missing scope"),
            Self::AddressNotAllowed => (StatusCode::FORBIDDEN, "Address not allowed"),
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded"),
            Self::QuotaExceeded => (StatusCode::TOO_MANY_REQUESTS, "Quota exceeded"),
            Self::WrongCredential => (StatusCode::FORBIDDEN, "Wrong kind of credential"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::UnknownResource => (StatusCode::FORBIDDEN, "Unknown resource"),
            Self::AmbiguousRequest => (StatusCode::FORBIDDEN, "Ambiguous request"),
            Self::NotOffered => (StatusCode::FORBIDDEN, "Not offered"),
            Self::WrongPassword => (StatusCode::UNAUTHORIZED, "Wrong e-mail address or password"),
            Self::TooManyAttempts => (StatusCode::TOO_MANY_REQUESTS, "Too many attempts"),
            Self::Conflict => (StatusCode::CONFLICT, "Not possible as things stand"),
            Self::LastAdministrator => (StatusCode::CONFLICT, "Last administrator"),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "Request timeout"),
            Self::KeyRetired => (StatusCode::CONFLICT, "Retired key"),
            Self::AlreadyRotated => (StatusCode::CONFLICT, "Already rotated"),
            Self::NotConfirmed => (StatusCode::CONFLICT, "Not confirmed"),
            Self::IdempotencyInProgress => (StatusCode::CONFLICT, "Still in progress"),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "Precondition failed"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Body too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
            }
            Self::ValidationFailed => (StatusCode::UNPROCESSABLE_ENTITY, "Validation failed"),
            Self::IdempotencyMismatch => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Idempotency key reused")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
            Self::NotImplemented => (StatusCode::NOT_IMPLEMENTED, "Not implemented"),
            Self::UpstreamUnreachable => (StatusCode::BAD_GATEWAY, "Upstream unreachable"),
            Self::UpstreamInvalid => (StatusCode::BAD_GATEWAY, "Invalid answer from upstream"),
            Self::UpstreamTimeout => (StatusCode::GATEWAY_TIMEOUT, "Upstream timeout"),
            Self::ConnectionLocked => (StatusCode::SERVICE_UNAVAILABLE, "Locked connection"),
            Self::ConnectionRejected => (StatusCode::BAD_GATEWAY, "Rejected connection"),
            Self::VendorUnreachable => (StatusCode::BAD_GATEWAY, "Vendor unreachable"),
            Self::VendorAnswer => (StatusCode::BAD_GATEWAY, "Invalid answer from vendor"),
            Self::VendorTimeout => (StatusCode::GATEWAY_TIMEOUT, "Vendor timeout"),
            Self::ConnectionDisabled => (StatusCode::SERVICE_UNAVAILABLE, "Disabled connection"),
            Self::ConnectionBusy => (StatusCode::SERVICE_UNAVAILABLE, "Busy connection"),
            Self::OutcomeUnknown => (StatusCode::SERVICE_UNAVAILABLE, "Outcome unknown"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Temporarily unavailable"),
        }
    }

    /// The code's HTTP status.
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// Whether a decision may end with this code. (Some may come later too.)
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::MultipleCredentials
                | Self::MissingKey
                | Self::InvalidKey
                | Self::KeyRevoked
                | Self::KeyExpired
                | Self::Unavailable
                | Self::WrongCredential
                | Self::UnknownResource
                | Self::AmbiguousRequest
                | Self::NotOffered
                | Self::NotFound
                | Self::MethodNotAllowed
                | Self::InsufficientScope
                | Self::AddressNotAllowed
                | Self::RateLimited
                | Self::QuotaExceeded
        )
    }

    /// The code that stands for a status which some layer below answered with.
    pub fn of_status(status: StatusCode) -> Self {
        let same_status = Self::ALL.iter().find(|code| code.status() == status);
        match (same_status, status.is_server_error()) {
            (_, true) => Self::Internal,
            (_, false) if status == StatusCode::BAD_REQUEST => Self::BadRequest,
            (Some(code), false) => *code,
            (None, false) => Self::BadRequest,
        }
    }

    /// The challenge's parameters beside the realm (RFC 6750 §3), for those codes that have one.
    pub(super) fn challenge(self) -> Option<&'static str> {
        match self {
            Self::MissingKey => Some(""),
            Self::MultipleCredentials => Some(", error=\"invalid_request\""),
            Self::InvalidKey | Self::KeyRevoked | Self::KeyExpired => {
                Some(", error=\"invalid_token\"")
            }
            Self::InsufficientScope => Some(", error=\"insufficient_scope\""),
            _ => None,
        }
    }
}
