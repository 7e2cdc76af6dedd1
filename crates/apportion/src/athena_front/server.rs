//! HTTP on loopback: one operation a request, named by `X-Amz-Target`. Signatures are not checked.

use super::executions::Front;
use super::protocol::{GetWorkGroup, OfExecution, Refusal, TARGET, request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Longest request: the longest query, every character of it escaped.
const LONGEST_REQUEST: usize = 2 * 1024 * 1024;

/// Serves until the listener fails.
pub async fn serve(listener: TcpListener, front: Arc<Front>) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let front = Arc::clone(&front);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&front), request));
            let mut server = hyper::server::conn::http1::Builder::new();
            // A client that breaks off is its own affair.
            let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(front: Arc<Front>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match operate(&front, request).await {
        Ok(body) => (200, body),
        Err(refusal) => refusal.answer(),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/x-amz-json-1.1"));
    Ok(response)
}

async fn operate(front: &Arc<Front>, http: Request<Incoming>) -> Result<Value, Refusal> {
    let target = http.headers().get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix(TARGET).unwrap_or(target).to_owned();
    let body = Limited::new(http.into_body(), LONGEST_REQUEST).collect().await;
    let body = body.map_err(|error| Refusal::invalid(format!("the request cannot be read: {error}")))?.to_bytes();
    let body: Value =
        serde_json::from_slice(&body).map_err(|error| Refusal::invalid(format!("the request is no JSON: {error}")))?;
    match operation.as_str() {
        "StartQueryExecution" => front.start(request(body)?),
        "GetQueryExecution" => front.describe(&request::<OfExecution>(body)?.query_execution_id),
        "GetQueryResults" => front.results(&request(body)?),
        "GetQueryRuntimeStatistics" => front.runtime_statistics(&request::<OfExecution>(body)?.query_execution_id),
        "StopQueryExecution" => front.stop(&request::<OfExecution>(body)?.query_execution_id),
        "GetWorkGroup" => front.workgroup(&request::<GetWorkGroup>(body)?.work_group),
        other => Err(Refusal::UnknownOperation(other.to_owned())),
    }
}
