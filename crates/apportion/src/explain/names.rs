//! Choosing by name, and what may have been meant.

use crate::failure::Failure;
use crate::report::printable;
use std::collections::BTreeSet;

/// Most names that an error suggests.
const MOST: usize = 8;

/// One clear error: no such name, and the nearest that there are.
pub fn unknown(option: &str, given: &str, what: &str, known: &BTreeSet<&str>) -> Failure {
    let mut near: Vec<(usize, &str)> = known.iter().map(|name| (distance(given, name), *name)).collect();
    near.sort();
    let shown: Vec<String> = near.iter().take(MOST).map(|(_, name)| format!("`{}`", printable(name))).collect();
    let list = match (shown.is_empty(), known.len() > MOST) {
        (true, _) => "there is none".to_owned(),
        (false, true) => format!("the nearest of {}: {}", known.len(), shown.join(", ")),
        (false, false) => format!("there are {}", shown.join(", ")),
    };
    Failure::bad_input(format!("{option} `{}`: {what}; {list}", printable(given)))
}

/// How far one name is from another: 0 if one contains the other, else the edits between them (Levenshtein), without case.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.to_lowercase(), right.to_lowercase());
    if !left.is_empty() && right.contains(&left) {
        return 0;
    }
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (place, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_without_case() {
        // kitten -> sitten -> sittin -> sitting: three.
        assert_eq!(distance("Kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("ec2", "AmazonEC2"), 0);
    }

    #[test]
    fn the_nearest_names_come_first() {
        let known: Vec<String> = (1000..1030).map(|number| format!("CC-{number}")).collect();
        let known = known.iter().map(String::as_str).collect();
        let text = unknown("--unit", "CC-1O10", "there is no such unit", &known).message;
        assert!(text.contains("the nearest of 30: `CC-1010`"), "{text}");
    }
}
