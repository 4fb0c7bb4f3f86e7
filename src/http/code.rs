//! The table of codes: what can go wrong, as a word, with its status and title.

use actix_web::http::StatusCode;

use crate::model::words::{Word, words};

words! {
    /// What went wrong, as a word that programs can rely on.
    Code {
        /// The body is no JSON.
        MalformedJson = "malformed_json",
        /// The `Idempotency-Key` is none.
        InvalidIdempotencyKey = "invalid_idempotency_key",
        /// Two credentials.
        MultipleCredentials = "multiple_credentials",
        /// The request is not HTTP as it should be.
        BadRequest = "bad_request",
        /// No credential.
        MissingKey = "missing_key",
        /// Malformed, wrong checksum, or unknown.
        InvalidKey = "invalid_key",
        /// Somebody ended the key.
        KeyRevoked = "key_revoked",
        /// The key's time has passed.
        KeyExpired = "key_expired",
        /// The key lacks a scope.
        InsufficientScope = "insufficient_scope",
        /// An API key where an admin token is needed, or the other way round.
        WrongCredential = "wrong_credential",
        /// Who is signed in may not do this, or it does not come from a page of ours.
        Forbidden = "forbidden",
        /// The e-mail address or the password is wrong.
        WrongPassword = "wrong_password",
        /// Too many logins failed before.
        TooManyAttempts = "too_many_attempts",
        /// It would leave nobody who administers.
        LastAdministrator = "last_administrator",
        /// No such path, or no such thing.
        NotFound = "not_found",
        /// No such method there.
        MethodNotAllowed = "method_not_allowed",
        /// The body did not come in time.
        RequestTimeout = "request_timeout",
        /// Retired keys are never edited.
        KeyRetired = "key_retired",
        /// The first request with this `Idempotency-Key` is still running.
        IdempotencyInProgress = "idempotency_in_progress",
        /// The record is not the version that was asked for.
        PreconditionFailed = "precondition_failed",
        /// The body is too large.
        BodyTooLarge = "body_too_large",
        /// The body is of another type, or encoded.
        UnsupportedMediaType = "unsupported_media_type",
        /// Fields or parameters break rules.
        ValidationFailed = "validation_failed",
        /// The `Idempotency-Key` stands for another request.
        IdempotencyMismatch = "idempotency_mismatch",
        /// A fault of the server's own.
        Internal = "internal",
        /// The database is out of reach, or asked for too much at once.
        Unavailable = "unavailable",
    }
}

impl Code {
    /// Its status and title.
    pub(super) fn row(self) -> (StatusCode, &'static str) {
        match self {
            Self::MalformedJson => (StatusCode::BAD_REQUEST, "Malformed JSON"),
            Self::InvalidIdempotencyKey => (StatusCode::BAD_REQUEST, "Invalid idempotency key"),
            Self::MultipleCredentials => (StatusCode::BAD_REQUEST, "More than one credential"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, "Bad request"),
            Self::MissingKey => (StatusCode::UNAUTHORIZED, "No key"),
            Self::InvalidKey => (StatusCode::UNAUTHORIZED, "Invalid key"),
            Self::KeyRevoked => (StatusCode::UNAUTHORIZED, "Revoked key"),
            Self::KeyExpired => (StatusCode::UNAUTHORIZED, "Expired key"),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, "Missing scope"),
            Self::WrongCredential => (StatusCode::FORBIDDEN, "Wrong kind of credential"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "Forbidden"),
            Self::WrongPassword => (StatusCode::UNAUTHORIZED, "Wrong e-mail address or password"),
            Self::TooManyAttempts => (StatusCode::TOO_MANY_REQUESTS, "Too many attempts"),
            Self::LastAdministrator => (StatusCode::CONFLICT, "Last administrator"),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "Request timeout"),
            Self::KeyRetired => (StatusCode::CONFLICT, "Retired key"),
            Self::IdempotencyInProgress => (StatusCode::CONFLICT, "Still in progress"),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "Precondition failed"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Body too large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
            }
            Self::ValidationFailed => (StatusCode::UNPROCESSABLE_ENTITY, "Validation failed"),
            Self::IdempotencyMismatch => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Another request had this key")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Temporarily unavailable"),
        }
    }

    /// Whether a decision may end with it. (Some may come later too.)
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
                | Self::NotFound
                | Self::MethodNotAllowed
                | Self::InsufficientScope
        )
    }

    /// The code that stands for a status which some layer below answered with.
    pub fn of_status(status: StatusCode) -> Self {
        let same_status = Self::ALL.iter().find(|code| code.row().0 == status);
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
