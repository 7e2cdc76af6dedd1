//! Figures for CloudWatch: one JSON line each in the embedded metric format, with the function and stage that they are of.
//!
//! On one machine nothing begins a stage, so nothing is written. Amounts keep their decimal text: no figure passes through a float.

use std::fmt::{Display, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the figures of this product are found.
pub const NAMESPACE: &str = "Apportion";

/// What figures are of. One invocation at a time runs in a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    pub function: &'static str,
    /// The step: an event's `action`, else the function.
    pub stage: String,
    /// Name of the execution that asked.
    pub execution: String,
}

static CURRENT: Mutex<Option<Labels>> = Mutex::new(None);

/// CloudWatch's word for a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Count,
    Milliseconds,
    Percent,
    /// Of a currency, or of days.
    None,
}

impl Unit {
    fn word(self) -> &'static str {
        match self {
            Unit::Count => "Count",
            Unit::Milliseconds => "Milliseconds",
            Unit::Percent => "Percent",
            Unit::None => "None",
        }
    }
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    name: &'static str,
    unit: Unit,
    /// A JSON number.
    value: String,
}

impl Figure {
    /// `value` prints as a decimal number.
    pub fn new(name: &'static str, unit: Unit, value: impl Display) -> Figure {
        Figure { name, unit, value: value.to_string() }
    }

    /// `part` of `whole` in percent to two places, cut; `None` of nothing.
    pub fn percent(name: &'static str, part: i128, whole: i128) -> Option<Figure> {
        let hundredths = part.checked_mul(10_000)?.checked_div(whole)?;
        let sign = if hundredths < 0 { "-" } else { "" };
        let hundredths = hundredths.unsigned_abs();
        Some(Figure::new(name, Unit::Percent, format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100)))
    }
}

/// Figures from here on are of this stage.
pub fn begin(labels: Labels) {
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(labels);
}

/// The stage is over: its duration and how it went.
pub fn end(milliseconds: u64, succeeded: bool) {
    emit([
        Figure::new("Duration", Unit::Milliseconds, milliseconds),
        Figure::new("Success", Unit::Count, u8::from(succeeded)),
        Figure::new("Failure", Unit::Count, u8::from(!succeeded)),
    ]);
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Writes figures of the stage that runs; does nothing where none does.
pub fn emit(figures: impl IntoIterator<Item = Figure>) {
    let Some(labels) = CURRENT.lock().unwrap_or_else(PoisonError::into_inner).clone() else { return };
    let figures: Vec<Figure> = figures.into_iter().collect();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    if !figures.is_empty() {
        println!("{}", line(&labels, &figures, since.as_millis()));
    }
}

/// One line of CloudWatch's embedded metric format.
fn line(labels: &Labels, figures: &[Figure], milliseconds: u128) -> String {
    let metrics: Vec<serde_json::Value> =
        figures.iter().map(|figure| serde_json::json!({ "Name": figure.name, "Unit": figure.unit.word() })).collect();
    let directive = serde_json::json!([{ "Namespace": NAMESPACE, "Dimensions": [["function", "stage"]], "Metrics": metrics }]);
    let text = |value: &str| serde_json::Value::from(value).to_string();
    let mut line = format!("{{\"_aws\":{{\"Timestamp\":{milliseconds},\"CloudWatchMetrics\":{directive}}}");
    for (name, value) in [("function", labels.function), ("stage", &labels.stage), ("execution", &labels.execution)] {
        let _ = write!(line, ",\"{name}\":{}", text(value));
    }
    for figure in figures {
        let _ = write!(line, ",\"{}\":{}", figure.name, figure.value);
    }
    line.push('}');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_cloudwatch_reads() {
        let labels = Labels { function: "reconciliation-gate", stage: "reconcile".to_owned(), execution: "a\"b".to_owned() };
        let figures = [Figure::new("ReconciliationDelta", Unit::None, "-0.000000000001"), Figure::new("Success", Unit::Count, 1)];
        let text = line(&labels, &figures, 1_788_220_800_000);
        let directive = serde_json::json!({ "Timestamp": 1_788_220_800_000_u64, "CloudWatchMetrics": [{
            "Namespace": "Apportion",
            "Dimensions": [["function", "stage"]],
            "Metrics": [{ "Name": "ReconciliationDelta", "Unit": "None" }, { "Name": "Success", "Unit": "Count" }],
        }] });
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["_aws"], directive);
        assert_eq!((&read["stage"], &read["execution"]), (&"reconcile".into(), &"a\"b".into()));
        assert_eq!(read["Success"], 1);
        assert!(text.contains("\"ReconciliationDelta\":-0.000000000001,"), "an amount is written as its text: {text}");
    }

    #[test]
    fn shares_are_percent_cut_to_two_places() {
        let value = |part, whole| Figure::percent("x", part, whole).map(|figure| figure.value);
        assert_eq!(value(1, 3).as_deref(), Some("33.33"));
        assert_eq!(value(-1, 8).as_deref(), Some("-12.50"));
        assert_eq!(value(5, 1000).as_deref(), Some("0.50"));
        assert_eq!(value(1, 0), None);
        assert_eq!(value(i128::MAX, 2), None);
    }
}
