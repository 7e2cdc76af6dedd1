//! One request to Organizations: paced, tried again where that helps, its error named.

use super::Limits;
use super::pace::Pace;
use crate::SourceError;
use aws_sdk_organizations::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_organizations::operation::RequestId;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What came of a request.
#[derive(Debug)]
pub(super) enum Answer<T> {
    Page(T),
    /// The parent is not there any more.
    Gone,
    /// Something in the request is not taken: the token of a page that has expired, if one was sent. With what the service says.
    BadInput(String),
    /// The time budget would not see the next attempt.
    Interrupted,
}

impl<T> Answer<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Answer::Page(page) => Answer::Page(change(page)),
            Answer::Gone => Answer::Gone,
            Answer::BadInput(detail) => Answer::BadInput(detail),
            Answer::Interrupted => Answer::Interrupted,
        }
    }
}

/// Requests sent, attempts after the first, and answers that said "too many".
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub requests: AtomicU64,
    pub retries: AtomicU64,
    pub throttled: AtomicU64,
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Throttled,
    Transient,
    Denied,
    Expired,
    Gone,
    BadInput,
    Refused,
}

/// A kind of request and what its attempts share.
pub(super) struct Request<'a> {
    pub operation: &'static str,
    pub pace: &'a Pace,
    pub limits: &'a Limits,
    pub tally: &'a Tally,
    /// Nothing is tried again after it.
    pub deadline: Instant,
}

impl Request<'_> {
    /// Sends until there is an answer, attempts are used up, or the deadline is near.
    pub async fn send<T, E, Sent>(&self, send: impl Fn() -> Sent) -> Result<Answer<T>, SourceError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        Sent: Future<Output = Result<T, SdkError<E>>>,
    {
        let mut attempts = 0;
        loop {
            self.pace.turn().await;
            self.tally.requests.fetch_add(1, Ordering::Relaxed);
            attempts += 1;
            let error = match send().await {
                Ok(page) => return Ok(Answer::Page(page)),
                Err(error) => error,
            };
            let class = classify(&error);
            let (operation, detail) = (self.operation, detail(&error));
            tracing::warn!(operation, ?class, attempts, detail, "Organizations gave an error");
            if class == Class::Throttled {
                self.tally.throttled.fetch_add(1, Ordering::Relaxed);
                self.pace.drain();
            }
            match class {
                Class::Gone => return Ok(Answer::Gone),
                Class::BadInput => return Ok(Answer::BadInput(detail)),
                Class::Denied => return Err(SourceError::Denied { operation, detail }),
                Class::Expired => return Err(SourceError::ExpiredCredentials { operation, detail }),
                Class::Refused => return Err(SourceError::Refused { operation, detail }),
                Class::Throttled if attempts >= self.limits.attempts => {
                    return Err(SourceError::Throttled { operation, attempts, detail });
                }
                Class::Transient if attempts >= self.limits.attempts => {
                    return Err(SourceError::Unavailable { operation, attempts, detail });
                }
                Class::Throttled | Class::Transient => {}
            }
            let wait = jittered(longest_wait(self.limits, attempts));
            if Instant::now() + wait >= self.deadline {
                return Ok(Answer::Interrupted);
            }
            sleep(wait).await;
            self.tally.retries.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Doubles with every attempt, up to a limit.
fn longest_wait(limits: &Limits, attempts: u32) -> Duration {
    limits.backoff.saturating_mul(1 << (attempts - 1).min(16)).min(limits.longest_backoff)
}

/// Anything up to `longest`, so that callers that were refused together do not come back together.
fn jittered(longest: Duration) -> Duration {
    // Without randomness the longest wait is still right.
    let Ok(random) = getrandom::u32() else { return longest };
    longest.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

fn classify<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &SdkError<E>) -> Class {
    let service = match error {
        SdkError::ServiceError(service) => service,
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => return Class::Transient,
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => return Class::Transient,
        // The SDK gives a provider that has no credentials, or expired ones, no kind of its own.
        SdkError::DispatchFailure(_) if DisplayErrorContext(error).to_string().to_lowercase().contains("credential") => {
            return Class::Expired;
        }
        SdkError::DispatchFailure(_) => return Class::Transient,
        _ => return Class::Refused,
    };
    let status = service.raw().status().as_u16();
    match service.err().code().unwrap_or_default() {
        "TooManyRequestsException" | "ThrottlingException" | "Throttling" | "RequestLimitExceeded" => Class::Throttled,
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" | "UnrecognizedClientException" | "InvalidClientTokenId" => {
            Class::Expired
        }
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => Class::Denied,
        "ParentNotFoundException" => Class::Gone,
        "InvalidInputException" => Class::BadInput,
        _ if status == 429 => Class::Throttled,
        _ if status >= 500 => Class::Transient,
        _ => Class::Refused,
    }
}

/// Code and message of the service, or the causes of a failure before it; one line of printable text.
fn detail<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &SdkError<E>) -> String {
    let text = match error.as_service_error() {
        Some(service) => {
            let request = error.request_id().map_or_else(String::new, |id| format!(", request {id}"));
            format!("{}: {}{request}", service.code().unwrap_or("no code"), service.message().unwrap_or("no message"))
        }
        None => DisplayErrorContext(error).to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit() {
        let limits =
            Limits { backoff: Duration::from_millis(500), longest_backoff: Duration::from_secs(20), ..Limits::default() };
        let waits: Vec<_> = (1..=8).map(|attempt| longest_wait(&limits, attempt).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
        assert!((0..100).all(|_| jittered(Duration::from_secs(1)) <= Duration::from_secs(1)));
    }
}
