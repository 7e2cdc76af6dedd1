//! AWS JSON 1.1 as Athena speaks it: requests, answers and error shapes. Names and limits are those of Athena's API reference.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What stands before the operation in `X-Amz-Target`.
pub const TARGET: &str = "AmazonAthena.";

/// A refusal, in Athena's own shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The request is wrong; `code` is `AthenaErrorCode`.
    Invalid { code: &'static str, message: String },
    /// More queries than may run at once.
    TooMany { limit: usize },
    /// An operation that Athena has and this front has not, or that nobody has.
    UnknownOperation(String),
    /// Ours to mend.
    Internal(String),
}

impl Refusal {
    pub fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::Invalid { code: "INVALID_INPUT", message: message.into() }
    }

    pub fn not_found(id: &str) -> Refusal {
        Refusal::invalid(format!("QueryExecution {id} was not found"))
    }

    /// HTTP status and body.
    pub fn answer(&self) -> (u16, Value) {
        match self {
            Refusal::Invalid { code, message } => {
                (400, json!({ "__type": "InvalidRequestException", "AthenaErrorCode": code, "Message": message }))
            }
            Refusal::TooMany { limit } => {
                let message = format!("You have exceeded the limit for the number of queries you can run concurrently: {limit}.");
                let reason = "CONCURRENT_QUERY_LIMIT_EXCEEDED";
                (400, json!({ "__type": "TooManyRequestsException", "Message": message, "Reason": reason }))
            }
            Refusal::UnknownOperation(name) => {
                let message = format!(
                    "`{name}` is not served here: StartQueryExecution, GetQueryExecution, GetQueryResults, \
                                       GetQueryRuntimeStatistics, StopQueryExecution and GetWorkGroup are"
                );
                (400, json!({ "__type": "UnknownOperationException", "Message": message }))
            }
            Refusal::Internal(message) => (500, json!({ "__type": "InternalServerException", "Message": message })),
        }
    }
}

/// Reads a request's members; those that this front does not know are ignored, as AWS does.
pub fn request<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body).map_err(|error| Refusal::invalid(format!("the request does not parse: {error}")))
}

/// StartQueryExecution. Two requests with one token must be equal in all of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Start {
    pub query_string: String,
    pub client_request_token: Option<String>,
    pub query_execution_context: Option<Context>,
    pub result_configuration: Option<ResultConfiguration>,
    pub work_group: Option<String>,
    #[serde(default)]
    pub execution_parameters: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Context {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalog: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResultConfiguration {
    pub output_location: Option<String>,
}

/// GetQueryExecution, GetQueryRuntimeStatistics, StopQueryExecution.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OfExecution {
    pub query_execution_id: String,
}

/// GetQueryResults.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetResults {
    pub query_execution_id: String,
    pub next_token: Option<String>,
    pub max_results: Option<usize>,
}

/// GetWorkGroup.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetWorkGroup {
    pub work_group: String,
}

/// Seconds since 1970, as timestamps are in this protocol.
pub fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| (since.as_secs_f64() * 1000.0).round() / 1000.0)
}

/// A column as GetQueryResults describes it, from its name and Trino's name of its type, such as `decimal(38,12)`.
pub fn column_info(name: &str, kind: &str) -> Value {
    let (base, arguments) = kind.split_once('(').unwrap_or((kind, ""));
    let mut numbers = arguments.trim_end_matches(')').split(',').map_while(|number| number.trim().parse::<i32>().ok());
    let (precision, scale) = match base {
        "decimal" => (numbers.next().unwrap_or(38), numbers.next().unwrap_or(0)),
        "varchar" => (numbers.next().unwrap_or(i32::MAX), 0),
        "bigint" => (19, 0),
        "integer" => (10, 0),
        "double" => (17, 0),
        "timestamp" => (3, 0),
        _ => (0, 0),
    };
    json!({
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": base,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": base == "varchar",
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_athenas_type_precision_and_scale() {
        for (kind, base, precision, scale) in [
            ("decimal(38,12)", "decimal", 38, 12),
            ("decimal(38, 12)", "decimal", 38, 12),
            ("varchar", "varchar", 2_147_483_647, 0),
            ("varchar(3)", "varchar", 3, 0),
            ("bigint", "bigint", 19, 0),
        ] {
            let info = column_info("a", kind);
            assert_eq!((&info["Type"], &info["Precision"], &info["Scale"]), (&json!(base), &json!(precision), &json!(scale)));
        }
    }

    #[test]
    fn a_request_without_a_query_is_refused_as_athena_does() {
        let refusal = request::<Start>(json!({ "WorkGroup": "primary" })).unwrap_err();
        let (status, body) = refusal.answer();
        assert_eq!((status, &body["__type"]), (400, &json!("InvalidRequestException")));
        assert!(body["Message"].as_str().is_some_and(|message| message.contains("QueryString")), "{body}");
    }
}
