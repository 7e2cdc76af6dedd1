//! Which month may be closed now. Pure: the day is given, never asked of a clock.

use apportion_core::day::Day;
use apportion_core::period::Period;
use std::collections::BTreeSet;

/// Who asks for which month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A person names it.
    Named(Period),
    /// A manifest of it has arrived.
    Delivered(Period),
    /// The schedule: whatever is due.
    Next,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    Now(Period),
    /// It is closed already.
    Closed(Period),
    /// And why not.
    NotNow(Period, String),
}

/// Months are closed once, after their end, one after the other: each builds on the one before. Before the first close, a person names
/// the month to begin with, or it is the last that has ended.
pub fn due(wanted: Wanted, closed: &BTreeSet<Period>, today: Day) -> Due {
    let latest = closed.last();
    let first = latest.map_or_else(|| today.period().previous(), |latest| latest.next());
    let period = match wanted {
        Wanted::Named(period) | Wanted::Delivered(period) => period,
        Wanted::Next => first,
    };
    if closed.contains(&period) {
        return Due::Closed(period);
    }
    let is_first_by_name = latest.is_none() && matches!(wanted, Wanted::Named(_));
    match latest {
        _ if period >= today.period() => Due::NotNow(period, format!("{period} has not ended on {today}")),
        Some(latest) if period < *latest => {
            Due::NotNow(period, format!("{latest} is closed already and builds on what came before it"))
        }
        _ if period != first && !is_first_by_name => {
            let why = match latest {
                Some(_) => format!("{first} comes first"),
                None => format!("nothing is closed yet: name {period} to begin with it, or begin with {first}"),
            };
            Due::NotNow(period, why)
        }
        _ => Due::Now(period),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> Period {
        text.parse().unwrap()
    }

    fn closed(periods: &[&str]) -> BTreeSet<Period> {
        periods.iter().map(|text| period(text)).collect()
    }

    #[test]
    fn months_are_closed_once_after_their_end_and_in_order() {
        let day: Day = "2026-10-03".parse().unwrap();
        let delivered = |text: &str| Wanted::Delivered(period(text));
        let none = closed(&[]);
        let some = closed(&["2026-07", "2026-08"]);
        for (wanted, closed, expected) in [
            (Wanted::Next, &some, Ok("2026-09")),
            (delivered("2026-09"), &some, Ok("2026-09")),
            (delivered("2026-10"), &some, Err("2026-10 has not ended on 2026-10-03")),
            (delivered("2026-06"), &some, Err("2026-08 is closed already and builds on what came before it")),
            (Wanted::Named(period("2026-06")), &some, Err("2026-08 is closed already and builds on what came before it")),
            (Wanted::Next, &none, Ok("2026-09")),
            (delivered("2026-09"), &none, Ok("2026-09")),
            (delivered("2026-05"), &none, Err("nothing is closed yet: name 2026-05 to begin with it, or begin with 2026-09")),
            (Wanted::Named(period("2026-05")), &none, Ok("2026-05")),
            (Wanted::Named(period("2026-10")), &none, Err("2026-10 has not ended on 2026-10-03")),
        ] {
            match (due(wanted, closed, day), expected) {
                (Due::Now(found), Ok(text)) => assert_eq!(found, period(text), "{wanted:?}"),
                (Due::NotNow(_, why), Err(text)) => assert_eq!(why, text, "{wanted:?}"),
                (other, _) => panic!("{wanted:?}: {other:?}"),
            }
        }
        assert_eq!(due(delivered("2026-07"), &some, day), Due::Closed(period("2026-07")));
    }

    #[test]
    fn a_month_that_could_not_be_closed_holds_up_the_next() {
        let day: Day = "2026-11-03".parse().unwrap();
        let some = closed(&["2026-08"]);
        assert_eq!(due(Wanted::Next, &some, day), Due::Now(period("2026-09")));
        let later = due(Wanted::Delivered(period("2026-10")), &some, day);
        assert_eq!(later, Due::NotNow(period("2026-10"), "2026-09 comes first".to_owned()));
        let all = closed(&["2026-10"]);
        let next = due(Wanted::Next, &all, day);
        assert_eq!(next, Due::NotNow(period("2026-11"), "2026-11 has not ended on 2026-11-03".to_owned()));
    }
}
