//! The functions of the state machines where somebody else runs them: `cargo lambda watch`, or any endpoint that speaks Lambda's Invoke.
//!
//! Plain HTTP, unsigned: for stand-ins on this machine, not for AWS itself, where Step Functions calls the functions.

use crate::failure::Failure;
use crate::walker::{Invoker, NamedError};
use async_trait::async_trait;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::time::Duration;

/// The one version of the API that there is.
const API: &str = "2015-03-31/functions";
const CONNECT: Duration = Duration::from_secs(3);
/// After so long without an answer it is said what is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Functions behind a URL.
pub struct Served<'a> {
    client: Client<HttpConnector, Full<Bytes>>,
    /// Without a slash at its end.
    url: String,
    /// What the deployed names begin with; `None` for `cargo lambda watch`, which serves programs by their own names.
    prefix: Option<String>,
    progress: &'a (dyn Fn(&str) + Sync),
}

impl<'a> Served<'a> {
    /// Looks whether something listens there.
    pub async fn open(url: &str, prefix: Option<&str>, progress: &'a (dyn Fn(&str) + Sync)) -> Result<Served<'a>, Failure> {
        let wrong = |what: &str| Failure::bad_input(format!("--invoke {url}: {what}, such as http://127.0.0.1:9000"));
        let parsed: Uri = url.parse().map_err(|_| wrong("write an address"))?;
        let Some(authority) = parsed.authority().filter(|_| parsed.scheme_str() == Some("http")) else {
            return Err(wrong("write an http:// address; functions on AWS are called by Step Functions"));
        };
        let port = authority.port_u16().unwrap_or(80);
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let connected = tokio::time::timeout(CONNECT, tokio::net::TcpStream::connect((host, port))).await;
        let why = match connected {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} seconds", CONNECT.as_secs())),
        };
        if let Some(why) = why {
            return Err(Failure::other(format!(
                "--invoke {url}: nothing listens there ({why}): `make watch` serves the functions"
            )));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        Ok(Served {
            client: Client::builder(TokioExecutor::new()).build(connector),
            url: url.trim_end_matches('/').to_owned(),
            prefix: prefix.map(str::to_owned),
            progress,
        })
    }

    /// A name of a state machine as the functions are called there.
    fn name(&self, function: &str) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}{}", function.replace('_', "-")),
            // One program is both; what it publishes by stands in its environment.
            None if function == "statement_publisher" => "statement-renderer".to_owned(),
            None => function.replace('_', "-"),
        }
    }

    /// Says every now and then that an answer is waited for.
    async fn patiently<T>(&self, name: &str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut waited = Duration::ZERO;
        loop {
            match tokio::time::timeout(PATIENCE, &mut work).await {
                Ok(done) => return done,
                Err(_) => {
                    waited += PATIENCE;
                    let seconds = waited.as_secs();
                    (self.progress)(&format!(
                        "{name}: no answer for {seconds} s; where it is served is shown whether it still compiles"
                    ));
                }
            }
        }
    }
}

#[async_trait]
impl Invoker for Served<'_> {
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, NamedError> {
        let name = self.name(function);
        let lost = |what: &dyn std::fmt::Display| {
            NamedError::new("Lambda.SdkClientException", format!("{name} at {}: {what}", self.url))
        };
        let request = Request::post(format!("{}/{API}/{name}/invocations", self.url))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(payload.to_string())))
            .map_err(|error| lost(&error))?;
        let call = async {
            let answer = self.client.request(request).await.map_err(|error| lost(&with_cause(&error)))?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(|error| lost(&with_cause(&error)))?.to_bytes();
            Ok((head.status, head.headers, body))
        };
        let (status, headers, body) = self.patiently(&name, call).await?;
        output(status, &headers, &body).map_err(|error| NamedError {
            // The name of a function's own error says whose it is; any other needs the place.
            message: if error.name.starts_with("Lambda.") {
                format!("{name} at {}: {}", self.url, error.message)
            } else {
                error.message
            },
            name: error.name,
        })
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// What an answer says: the function's output, or an error under the name that Step Functions would give it.
///
/// Lambda marks an error of the function by a header and answers 200; `cargo lambda watch` answers 500 without it. The body is the same.
fn output(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Value, NamedError> {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let field = |name: &str| parsed.as_ref().and_then(|value| value.get(name)).and_then(Value::as_str);
    let is_of_function = headers.contains_key("x-amz-function-error") || !status.is_success();
    if let (true, Some(name)) = (is_of_function, field("errorType")) {
        return Err(NamedError::new(name, field("errorMessage").unwrap_or("no message")));
    }
    let shown = || String::from_utf8_lossy(body).chars().take(400).collect::<String>();
    let error = |name: &str, what: &dyn std::fmt::Display| Err(NamedError::new(format!("Lambda.{name}"), what));
    if headers.contains_key("x-amz-function-error") {
        return error("Unknown", &shown());
    }
    if status.is_success() {
        return parsed.map_or_else(|| error("Unknown", &format!("the answer is no JSON: {}", shown())), Ok);
    }
    // `ResourceNotFoundException:http://…`, the code first.
    let code = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).and_then(|text| text.split(':').next());
    let said = field("Message").or(field("message")).or(field("detail")).map_or_else(shown, str::to_owned);
    match (code, status) {
        (Some(code), _) => error(code, &format!("{status}: {said}")),
        (None, StatusCode::NOT_FOUND) => error("ResourceNotFoundException", &format!("there is no such function: {said}")),
        (None, StatusCode::TOO_MANY_REQUESTS) => error("TooManyRequestsException", &said),
        (None, status) if status.is_server_error() => error("ServiceException", &format!("{status}: {said}")),
        (None, status) => error("InvalidRequestContentException", &format!("{status}: {said}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Result<Value, (String, String)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        output(StatusCode::from_u16(status).unwrap(), &map, body.as_bytes()).map_err(|error| (error.name, error.message))
    }

    /// As the proxy of cargo-lambda 1.9.2 was seen to answer.
    #[test]
    fn answers_of_cargo_lambda_are_read() {
        assert_eq!(answer(200, &[], r#"{"ready":true}"#), Ok(json!({ "ready": true })));
        assert_eq!(
            answer(200, &[], r#"{"errorType":"a field of an output"}"#),
            Ok(json!({ "errorType": "a field of an output" }))
        );
        let bad = answer(500, &[], r#"{"errorType":"BadBill","errorMessage":"line 3 is cut"}"#);
        assert_eq!(bad, Err(("BadBill".into(), "line 3 is cut".into())));
        let missing = r#"{"detail":"that function doesn't exist as a binary in your project. Available functions: {\"x\"}","title":"Missing function"}"#;
        let (name, message) = answer(404, &[], missing).unwrap_err();
        assert!(name == "Lambda.ResourceNotFoundException" && message.contains("Available functions"), "{message}");
    }

    /// As the Invoke API documents.
    #[test]
    fn answers_of_lambda_are_read() {
        let marked = [("x-amz-function-error", "Unhandled")];
        let bad = answer(200, &marked, r#"{"errorType":"Store","errorMessage":"reset","stackTrace":[]}"#);
        assert_eq!(bad, Err(("Store".into(), "reset".into())));
        let untyped = answer(200, &marked, r#"{"errorMessage":"2026 Task timed out after 3.00 seconds"}"#);
        assert_eq!(untyped.unwrap_err().0, "Lambda.Unknown");
        let typed = [("x-amzn-errortype", "ResourceNotFoundException:http://internal.amazon.com/")];
        let (name, message) = answer(404, &typed, r#"{"Message":"Function not found: x","Type":"User"}"#).unwrap_err();
        assert_eq!((name.as_str(), message.contains("Function not found")), ("Lambda.ResourceNotFoundException", true));
        let throttled = answer(429, &[("x-amzn-errortype", "TooManyRequestsException")], "{}");
        assert_eq!(throttled.unwrap_err().0, "Lambda.TooManyRequestsException");
        assert_eq!(answer(503, &[], "busy").unwrap_err().0, "Lambda.ServiceException");
        assert_eq!(answer(200, &[], "<html>").unwrap_err().0, "Lambda.Unknown");
    }

    #[tokio::test]
    async fn what_is_no_address_or_has_no_listener_is_said_at_once() {
        let quiet = |_: &str| {};
        for (url, word) in [
            ("127.0.0.1:9000", "http://"),
            ("https://lambda.eu-central-1.amazonaws.com", "Step Functions"),
            ("", "address"),
            ("http://127.0.0.1:1", "make watch"),
        ] {
            let failure = Served::open(url, None, &quiet).await.err().unwrap();
            assert!(failure.message.contains(word), "{url}: {failure}");
        }
    }
}
