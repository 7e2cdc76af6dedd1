//! What an error of S3 means: whether it may pass, what became of a write, and what a person should do.

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use std::error::Error;

const PRECONDITION_FAILED: u16 = 412;
const CONFLICT: u16 = 409;
/// Longest text of the service that is passed on, in characters.
const DETAIL_CHARACTERS: usize = 300;

/// One failed request.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// HTTP status, `None` if there was no answer.
    status: Option<u16>,
    /// The service's own name for it, `""` where it gives none: an answer to HEAD has no body.
    code: String,
    detail: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Answered,
    /// Nothing was sent, and nothing would be: no credentials, or a request that cannot be built.
    NotSent,
    NoCredentials,
    NoAnswer,
}

impl Failure {
    pub fn of<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E>) -> Failure {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let context = DisplayErrorContext(error).to_string();
        let kind = match error {
            SdkError::ServiceError(_) | SdkError::ResponseError(_) => Kind::Answered,
            SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => Kind::NoAnswer,
            // The SDK gives a provider that has no credentials, or expired ones, no kind of its own.
            _ if context.to_lowercase().contains("credential") => Kind::NoCredentials,
            SdkError::ConstructionFailure(_) => Kind::NotSent,
            _ => Kind::NoAnswer,
        };
        let code = error.code().unwrap_or_default().to_owned();
        let detail = match (error.message(), status) {
            (Some(message), _) if !message.is_empty() => format!("{code}: {message}"),
            (_, Some(status)) if kind == Kind::Answered => format!("{code} {status}").trim().to_owned(),
            _ => context,
        };
        Failure { status, code, detail, kind }
    }

    /// A failure of this side.
    pub fn local(detail: String) -> Failure {
        Failure { status: None, code: String::new(), detail, kind: Kind::NotSent }
    }

    /// Nothing lies under the key.
    pub fn is_absent(&self) -> bool {
        self.status == Some(404) && self.code != "NoSuchBucket"
    }

    /// The version asked for is not there, or no longer the current one. S3 says 400 to an id that is none of its own.
    pub fn is_other_version(&self) -> bool {
        matches!(self.status, Some(400 | 404 | 405 | PRECONDITION_FAILED))
            && !self.is_about_credentials()
            && self.code != "NoSuchBucket"
    }

    /// A write may have been done: there was no answer, an answer of the server's own trouble, or "it exists".
    pub fn is_outcome_unknown(&self) -> bool {
        match self.status {
            None => self.kind == Kind::NoAnswer,
            Some(status) => status >= 500 || matches!(status, 408 | PRECONDITION_FAILED | CONFLICT),
        }
    }

    /// Another write of the same key is under way.
    pub fn is_conflict(&self) -> bool {
        self.status == Some(CONFLICT)
    }

    fn is_about_credentials(&self) -> bool {
        self.kind == Kind::NoCredentials
            || matches!(
                self.code.as_str(),
                "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" | "InvalidToken"
            )
    }

    /// Whether the same request may succeed later.
    pub fn may_pass(&self) -> bool {
        if self.is_about_credentials() || self.kind == Kind::NotSent {
            return false;
        }
        match self.status {
            None => true,
            Some(status) => status >= 500 || matches!(status, 408 | CONFLICT | PRECONDITION_FAILED | 429),
        }
    }

    /// What the service said, then what to do.
    pub fn message(&self) -> String {
        let said: String = self.detail.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL_CHARACTERS).collect();
        match self.advice() {
            "" => said,
            advice => format!("{said}; {advice}"),
        }
    }

    fn advice(&self) -> &'static str {
        if self.is_about_credentials() {
            return "the credentials are missing or have expired: renew them and run again (a function gets new ones by itself: start the run again)";
        }
        match (self.code.as_str(), self.status) {
            ("AccessDenied", _) | ("", Some(403)) => "give the role this right on the bucket, or renew its credentials",
            ("InvalidAccessKeyId" | "SignatureDoesNotMatch", _) => "these are not credentials of this account: check them",
            ("RequestTimeTooSkewed", _) => "set the clock of this machine",
            ("NoSuchBucket", _) => "check the name of the bucket in the settings",
            ("PermanentRedirect" | "AuthorizationHeaderMalformed", _) | (_, Some(301)) => {
                "the bucket lies in another region: set AWS_REGION to it"
            }
            (_, Some(400)) => "if the credentials have expired, renew them",
            (_, Some(429 | 503)) => "S3 asks for fewer requests: it is tried again later",
            _ => "",
        }
    }
}
