//! Whose fault an error of Trino is.

use apportion_engine::{FailureClass, binding};
use trino_rust_client::QueryError;
use trino_rust_client::error::Error;

/// Why a statement did not end well.
pub(crate) type Wrong = (FailureClass, String);

/// Somebody stopped it.
pub(crate) fn stopped() -> Wrong {
    (FailureClass::Stopped, "the statement was stopped".to_owned())
}

/// Trino's own word for a failed statement as a class.
pub(crate) fn classify(error: &QueryError) -> Wrong {
    if let Some(sentence) = binding::bill_error(&error.message) {
        return (FailureClass::Bill, sentence);
    }
    // A file's type is not the table's.
    if error.message.starts_with("Unsupported Trino column type") {
        let message = format!("{} — use the embedded engine, or export the bill again", error.message);
        return (FailureClass::Bill, message);
    }
    let class = match error.error_name.as_str() {
        "USER_CANCELED" | "ADMINISTRATIVELY_KILLED" => FailureClass::Stopped,
        // Files that are not what the table says, cut off or corrupt.
        "HIVE_BAD_DATA"
        | "HIVE_CURSOR_ERROR"
        | "HIVE_INVALID_METADATA"
        | "HIVE_FILE_MISSING_COLUMN_NAMES"
        | "HIVE_FILE_NOT_FOUND" => FailureClass::Bill,
        "QUERY_QUEUE_FULL" | "CLUSTER_OUT_OF_MEMORY" | "NO_NODES_AVAILABLE" | "SERVER_STARTING_UP" | "SERVER_SHUTTING_DOWN" => {
            FailureClass::Throttled
        }
        _ => match error.error_type.as_str() {
            // A limit of the cluster that the statement is beyond: it will be beyond it again.
            "USER_ERROR" | "INSUFFICIENT_RESOURCES" => FailureClass::Statement,
            _ => FailureClass::Internal,
        },
    };
    match class {
        FailureClass::Stopped => stopped(),
        _ => (class, format!("Trino: {} ({})", error.message, error.error_name)),
    }
}

/// What to tell of an error on the way to or from Trino.
pub(crate) fn classify_request(error: &Error, url: &str) -> Wrong {
    match error {
        Error::Query(error) => classify(error),
        Error::Forbidden { message } => (FailureClass::Statement, format!("Trino forbids it: {message}")),
        Error::HttpNotOk(code, _) if matches!(code.as_u16(), 401 | 403) => (
            FailureClass::Statement,
            format!(
                "Trino at {url} does not let this user in ({code}): see APPORTION_TRINO_USER, APPORTION_TRINO_PASSWORD and APPORTION_TRINO_TOKEN"
            ),
        ),
        Error::HttpNotOk(code, _) if matches!(code.as_u16(), 429 | 502..=504) => {
            (FailureClass::Throttled, format!("Trino at {url} is busy or not ready ({code})"))
        }
        Error::HttpNotOk(code, text) => {
            let short: String = text.chars().take(200).collect();
            (FailureClass::Internal, format!("Trino at {url} answers {code}: {short}"))
        }
        other => (FailureClass::Internal, format!("Trino at {url}: {}", with_causes(other))),
    }
}

/// An HTTP client's error says little itself; what it was caused by does.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

/// Whether asking again may help: the connection failed or broke, or the cluster is not ready. A page may be asked for twice, and a
/// statement that only reads may be started twice.
pub(crate) fn is_passing(error: &Error) -> bool {
    match error {
        Error::HttpError(_) => true,
        // Half an answer.
        Error::Decode(why) => why.contains("EOF while parsing"),
        Error::HttpNotOk(code, _) => matches!(code.as_u16(), 429 | 502..=504),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(name: &str, kind: &str, message: &str) -> QueryError {
        QueryError {
            message: message.to_owned(),
            sql_state: None,
            error_code: 1,
            error_name: name.to_owned(),
            error_type: kind.to_owned(),
            error_location: None,
            failure_info: None,
        }
    }

    #[test]
    fn names_and_kinds_of_trino_become_classes() {
        // Names and kinds: Trino's StandardErrorCode and HiveErrorCode.
        for (name, kind, class) in [
            ("COLUMN_NOT_FOUND", "USER_ERROR", FailureClass::Statement),
            ("NUMERIC_VALUE_OUT_OF_RANGE", "USER_ERROR", FailureClass::Statement),
            ("EXCEEDED_LOCAL_MEMORY_LIMIT", "INSUFFICIENT_RESOURCES", FailureClass::Statement),
            ("QUERY_QUEUE_FULL", "INSUFFICIENT_RESOURCES", FailureClass::Throttled),
            ("CLUSTER_OUT_OF_MEMORY", "INSUFFICIENT_RESOURCES", FailureClass::Throttled),
            ("GENERIC_INTERNAL_ERROR", "INTERNAL_ERROR", FailureClass::Internal),
            ("HIVE_METASTORE_ERROR", "EXTERNAL", FailureClass::Internal),
            ("HIVE_BAD_DATA", "EXTERNAL", FailureClass::Bill),
            ("USER_CANCELED", "USER_ERROR", FailureClass::Stopped),
        ] {
            assert_eq!(classify(&error(name, kind, "x")).0, class, "{name}");
        }
        let ours = error("INVALID_CAST_ARGUMENT", "USER_ERROR", "Cannot cast 'apportion-bill: a.csv: bad' to BIGINT");
        assert_eq!(classify(&ours), (FailureClass::Bill, "a.csv: bad".to_owned()));
    }

    #[test]
    fn half_an_answer_is_asked_for_again_and_a_wrong_one_is_not() {
        // What serde_json says of a text that ends too early, and of one that is something else.
        let half = serde_json::from_str::<Vec<u32>>("[1, 2").unwrap_err();
        let wrong = serde_json::from_str::<Vec<u32>>("{}").unwrap_err();
        assert!(is_passing(&Error::Decode(half.to_string())));
        assert!(!is_passing(&Error::Decode(wrong.to_string())));
    }
}
