//! Where a run can be struck: each step's beginning, and each of its calls that changes something.

use super::between::{Blow, Call, Note};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the offer does happens before any state is entered.
pub const OFFER: &str = "offer";

/// A blow in a state.
#[derive(Debug, Clone)]
pub struct Point {
    pub call: Call,
    pub blow: Blow,
}

/// State -> its points in the order of time, from what was noted during a run and its history. A call that several states make alike
/// would strike whichever comes first, so it is none.
pub fn points(notes: &[Note], history: &[Value]) -> BTreeMap<String, Vec<Point>> {
    let entered: Vec<(f64, &str)> = history
        .iter()
        .filter(|event| event["type"].as_str().unwrap().ends_with("StateEntered"))
        .map(|event| (event["timestamp"].as_f64().unwrap(), event["stateEnteredEventDetails"]["name"].as_str().unwrap()))
        .collect();
    let state = |at: f64| entered.iter().rfind(|(from, _)| *from <= at).map_or(OFFER, |(_, name)| *name);
    let mut states: BTreeMap<&Call, BTreeSet<&str>> = BTreeMap::new();
    for Note { at, call, .. } in notes {
        states.entry(call).or_default().insert(state(*at));
    }
    let mut points: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for Note { at, call, .. } in notes {
        if states[call].len() > 1 || !seen.insert(call) {
            continue;
        }
        let of_state = points.entry(state(*at).to_owned()).or_default();
        if of_state.is_empty() && call.label.contains("EXECUTION") {
            of_state.push(Point { call: call.clone(), blow: Blow::KillBefore });
        }
        if call.changes {
            of_state.push(Point { call: call.clone(), blow: Blow::KillAfter });
        }
    }
    points.retain(|_, points| !points.is_empty());
    points
}

/// The points of each of so many runs: at most two of a state, since a step is tried three times. All of them, if the runs suffice; else
/// spread evenly from first to last.
pub fn runs(points: &BTreeMap<String, Vec<Point>>, runs: usize) -> Vec<Vec<Point>> {
    let mut planned = vec![Vec::new(); runs];
    for points in points.values() {
        let count = points.len().min(2 * runs);
        for number in 0..count {
            let place = if count == 1 { 0 } else { number * (points.len() - 1) / (count - 1) };
            planned[number % runs].push(points[place].clone());
        }
    }
    planned
}

/// Runs that it takes to meet every point.
pub fn enough(points: &BTreeMap<String, Vec<Point>>) -> usize {
    points.values().map(|points| points.len().div_ceil(2)).max().unwrap_or(1)
}
