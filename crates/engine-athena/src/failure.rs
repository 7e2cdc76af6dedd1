//! Whose fault it is when Athena, or S3, refuses or fails.

use apportion_engine::{EngineError, FailureClass};
use aws_sdk_athena::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_athena::operation::RequestId;
use aws_sdk_athena::types::QueryExecutionStatus;
use aws_sdk_s3::operation::get_object::GetObjectError;

/// Codes by which AWS says that the caller asks too often or too much at once.
const THROTTLED: [&str; 7] = [
    "TooManyRequestsException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "LimitExceededException",
];
/// Codes of a service that failed, also with a status that does not say so.
const INTERNAL: [&str; 6] =
    ["InternalServerException", "InternalError", "InternalFailure", "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException"];

/// What Athena gives as the reason when the workgroup's limit of bytes scanned ends a query.
pub const BYTES_LIMIT: &str = "Bytes scanned limit was exceeded";
/// Trino's error code for a file whose content is not what its table says.
pub const BAD_DATA: &str = "HIVE_BAD_DATA";

/// What a call that did not succeed means. `doing` begins the message: `start the statement`.
pub(crate) fn of_call<E>(doing: &str, error: &SdkError<E>) -> EngineError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(service) = error else {
        // Nothing was answered, or something that is no answer: the network, a time limit, or half a body.
        let message = format!("{doing}: {}", DisplayErrorContext(error));
        return EngineError::Failed { class: FailureClass::Internal, message };
    };
    let code = service.err().code().unwrap_or("no code");
    let status = service.raw().status().as_u16();
    let class = if THROTTLED.contains(&code) || status == 429 {
        FailureClass::Throttled
    } else if INTERNAL.contains(&code) || status >= 500 {
        FailureClass::Internal
    } else {
        FailureClass::Statement
    };
    let request = service.err().meta().request_id().map(|id| format!(" (request {id})")).unwrap_or_default();
    let message = service.err().message().unwrap_or("no message");
    EngineError::Failed { class, message: format!("{doing}: {code}: {message}{request}") }
}

/// What it means that a result object cannot be read. One that is gone or another now is the engine's affair: a new attempt makes it anew.
pub(crate) fn of_object(location: &str, error: &aws_sdk_s3::error::SdkError<GetObjectError>) -> EngineError {
    let changed = error.raw_response().is_some_and(|response| response.status().as_u16() == 412);
    match of_call(&format!("read the result {location}"), error) {
        EngineError::Failed { message, .. } if changed => {
            let message = format!("{message}: the object was replaced while it was read");
            EngineError::Failed { class: FailureClass::Internal, message }
        }
        EngineError::Failed { message, .. } if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
            EngineError::Failed { class: FailureClass::Internal, message }
        }
        other => other,
    }
}

/// What the end of an execution means that did not succeed, and the sentence for it.
pub(crate) fn of_execution(cancelled: bool, status: Option<&QueryExecutionStatus>) -> (FailureClass, String) {
    let error = status.and_then(QueryExecutionStatus::athena_error);
    let reason = status.and_then(QueryExecutionStatus::state_change_reason);
    let reason = reason.or_else(|| error.and_then(|error| error.error_message())).unwrap_or("Athena gives no reason").to_owned();
    // 1 is the system, 2 the user, 3 something else (`AthenaError` of the API reference).
    let system = error.is_some_and(|error| error.error_category() == Some(1) || error.retryable());
    let class = if reason.contains(BYTES_LIMIT) {
        FailureClass::CutOff
    } else if cancelled {
        FailureClass::Stopped
    } else if reason.contains(BAD_DATA) {
        FailureClass::Bill
    } else if ["Rate exceeded", "SlowDown", "reduce your request rate"].iter().any(|text| reason.contains(text)) {
        FailureClass::Throttled
    } else if system {
        FailureClass::Internal
    } else {
        FailureClass::Statement
    };
    let advice = match class {
        FailureClass::CutOff => " — raise the workgroup's limit of bytes scanned per query, or read fewer columns or files",
        _ => "",
    };
    (class, format!("{reason}{advice}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_athena::types::AthenaError;

    fn class(cancelled: bool, category: i32, retryable: bool, reason: &str) -> FailureClass {
        let error = AthenaError::builder().error_category(category).retryable(retryable).build();
        let status = QueryExecutionStatus::builder().state_change_reason(reason).athena_error(error).build();
        of_execution(cancelled, Some(&status)).0
    }

    #[test]
    fn the_end_of_an_execution_tells_whose_fault_it_is() {
        assert_eq!(class(true, 3, false, "Bytes scanned limit was exceeded"), FailureClass::CutOff);
        assert_eq!(class(false, 2, false, "Query cancelled! : Bytes scanned limit was exceeded"), FailureClass::CutOff);
        assert_eq!(class(true, 2, false, "Query cancelled by user"), FailureClass::Stopped);
        assert_eq!(class(false, 2, false, "COLUMN_NOT_FOUND: line 1:8: Column 'a' cannot be resolved"), FailureClass::Statement);
        assert_eq!(class(false, 2, false, "HIVE_BAD_DATA: Malformed Parquet file"), FailureClass::Bill);
        assert_eq!(class(false, 1, true, "Query exhausted resources at this scale factor"), FailureClass::Internal);
        assert_eq!(class(false, 3, true, "GENERIC_INTERNAL_ERROR: Please reduce your request rate"), FailureClass::Throttled);
        assert_eq!(of_execution(false, None), (FailureClass::Statement, "Athena gives no reason".to_owned()));
    }
}
