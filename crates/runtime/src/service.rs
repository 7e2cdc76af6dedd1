//! What came of a call to AWS when it failed: one classification for every service.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Refused for too many requests: nothing was done, again later.
    Throttled,
    /// Not reached, timed out, or failed within: it may have been done. Again, if doing it twice does no harm.
    Unavailable,
    /// No right: nothing was done.
    Denied,
    /// Credentials expired, unknown or absent: nothing was done.
    Expired,
    /// Any other refusal: nothing was done.
    Refused,
}

/// A failed call. Holds what the service said, never what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation} {} ({detail}){}", self.what(), self.remedy())]
pub struct ServiceError {
    /// Service and operation as AWS names them, for example `dynamodb:PutItem`.
    pub operation: &'static str,
    pub class: Class,
    /// The service's code, `""` if it gave none.
    pub code: String,
    /// Code, message and request id, or why there was no answer; one line.
    pub detail: String,
}

impl ServiceError {
    pub fn of<E>(operation: &'static str, error: &SdkError<E>) -> ServiceError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let code = error.as_service_error().and_then(|service| service.code()).unwrap_or_default().to_owned();
        ServiceError { operation, class: classify(error, &code), code, detail: detail(error) }
    }

    /// The name that a state machine catches: the first two may pass when tried again.
    pub fn name(&self) -> &'static str {
        match self.class {
            Class::Throttled => "ServiceThrottled",
            Class::Unavailable => "ServiceUnavailable",
            Class::Denied => "ServiceDenied",
            Class::Expired => "ExpiredCredentials",
            Class::Refused => "ServiceRefused",
        }
    }

    fn what(&self) -> &'static str {
        match self.class {
            Class::Throttled => "was refused for too many requests",
            Class::Unavailable => "could not be reached or failed",
            Class::Denied => "was denied",
            Class::Expired => "was refused for its credentials",
            Class::Refused => "was refused",
        }
    }

    fn remedy(&self) -> &'static str {
        match self.class {
            Class::Throttled | Class::Unavailable => ": try again later",
            Class::Denied => ": allow it to the function's role",
            Class::Expired => ": renew them and start again",
            Class::Refused => "",
        }
    }
}

fn classify<E>(error: &SdkError<E>, code: &str) -> Class
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let status = match error {
        SdkError::ServiceError(service) => service.raw().status().as_u16(),
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => return Class::Unavailable,
        // The SDK gives a provider that has no credentials, or expired ones, no kind of its own.
        SdkError::DispatchFailure(failure) if !failure.is_io() && !failure.is_timeout() => {
            let is_about_credentials = DisplayErrorContext(error).to_string().to_lowercase().contains("credential");
            return if is_about_credentials { Class::Expired } else { Class::Unavailable };
        }
        SdkError::DispatchFailure(_) => return Class::Unavailable,
        _ => return Class::Refused,
    };
    match code {
        "TooManyRequestsException"
        | "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "ProvisionedThroughputExceededException"
        | "KmsThrottlingException"
        | "SlowDown" => Class::Throttled,
        "ExpiredTokenException"
        | "ExpiredToken"
        | "RequestExpired"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException" => Class::Expired,
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" => Class::Denied,
        _ if status == 429 => Class::Throttled,
        _ if status >= 500 => Class::Unavailable,
        _ => Class::Refused,
    }
}

fn detail<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let text = match error.as_service_error() {
        Some(service) => {
            let request = error.request_id().map_or_else(String::new, |id| format!(", request {id}"));
            format!("{}: {}{request}", service.code().unwrap_or("no code"), service.message().unwrap_or("no message"))
        }
        None => DisplayErrorContext(error).to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
