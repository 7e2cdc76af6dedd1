//! A calendar day, UTC.

use crate::period::Period;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A day such as `2026-09-14`, UTC. Which day it is today is not core's to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day {
    period: Period,
    day: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day: write YYYY-MM-DD, for example 2026-09-14")]
pub struct DayError(pub String);

/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const EPOCH: i64 = 719_468;

impl Day {
    /// `None` if the month has no such day.
    pub fn of(period: Period, day: u8) -> Option<Day> {
        (1..=period.days()).contains(&day).then_some(Day { period, day })
    }

    /// First day of a month.
    pub fn first_of(period: Period) -> Day {
        Day { period, day: 1 }
    }

    /// Last day of a month.
    pub fn last_of(period: Period) -> Day {
        Day { period, day: period.days() }
    }

    /// The month that it lies in.
    pub fn period(self) -> Period {
        self.period
    }

    /// Day of the month, from 1.
    pub fn day(self) -> u8 {
        self.day
    }

    /// Days since 1970-01-01.
    pub fn number(self) -> i64 {
        // Years are counted from March, so that the leap day is a year's last.
        let month = i64::from(self.period.month());
        let year = i64::from(self.period.year()) - i64::from(month <= 2);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        365 * year + year / 4 - year / 100 + year / 400 + day_of_year - EPOCH
    }

    /// The inverse of [`Day::number`]; `None` outside the years 1970 to 9998.
    pub fn from_number(number: i64) -> Option<Day> {
        let days = number.checked_add(EPOCH).filter(|days| *days >= 0)?;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let period = Period::of(u16::try_from(year).ok()?, u8::try_from(month).ok()?)?;
        Day::of(period, u8::try_from(day).ok()?)
    }

    /// So many days later, or earlier if negative; `None` outside the years 1970 to 9998.
    pub fn plus(self, days: i64) -> Option<Day> {
        Day::from_number(self.number().checked_add(days)?)
    }

    /// Days from `earlier` to this one, negative if it is later.
    pub fn since(self, earlier: Day) -> i64 {
        self.number() - earlier.number()
    }

    /// 0 is Monday, 6 Sunday.
    pub fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday; the remainder is of 0 to 6.
        (self.number() + 3).rem_euclid(7) as u8
    }
}

impl FromStr for Day {
    type Err = DayError;
    fn from_str(text: &str) -> Result<Day, DayError> {
        let wrong = || DayError(text.chars().take(40).collect());
        let (month, day) = text.rsplit_once('-').ok_or_else(wrong)?;
        if day.len() != 2 || !day.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let period: Period = month.parse().map_err(|_| wrong())?;
        day.parse().ok().and_then(|day| Day::of(period, day)).ok_or_else(wrong)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:02}", self.period, self.day)
    }
}

impl TryFrom<String> for Day {
    type Error = DayError;
    fn try_from(text: String) -> Result<Day, DayError> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn days_that_exist_are_read_and_others_are_not() {
        for text in ["2026-09-14", "2024-02-29", "2000-02-29", "1970-01-01", "9998-12-31"] {
            assert_eq!(day(text).to_string(), text);
        }
        let wrong = [
            "2026-02-29",
            "1900-02-29",
            "2026-09-31",
            "2026-13-01",
            "2026-9-14",
            "2026-09-1",
            "2026-09-014",
            "2026-09",
            "",
            "-",
            "26-09-14",
            "2026-09-1\u{663}",
            "2026-09-14T00:00:00Z",
            " 2026-09-14",
            "2026-09--1",
            "2026/09/14",
        ];
        for text in wrong {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        assert_eq!(
            "2026-02-30".parse::<Day>().unwrap_err().to_string(),
            "`2026-02-30` is not a day: write YYYY-MM-DD, for example 2026-09-14"
        );
    }

    /// From Python: `datetime.date(…).toordinal() - 719163`, `.weekday()`.
    #[test]
    fn numbers_and_weekdays_are_those_of_the_calendar() {
        for (text, number, weekday) in [
            ("1970-01-01", 0, 3),
            ("2000-02-29", 11_016, 1),
            ("2026-09-14", 20_710, 0),
            ("2024-12-31", 20_088, 1),
            ("2100-03-01", 47_541, 0),
            ("9998-12-31", 2_932_531, 3),
        ] {
            assert_eq!((day(text).number(), day(text).weekday()), (number, weekday), "{text}");
        }
        assert_eq!(day("2026-03-01").since(day("2026-02-01")), 28);
        assert_eq!(day("2026-01-01").plus(-1), Some(day("2025-12-31")));
        assert_eq!(day("1970-01-01").plus(-1), None);
        assert_eq!(day("9998-12-31").plus(1), None);
    }

    proptest! {
        #[test]
        fn a_day_and_its_number_are_one(number in 0i64..2_932_532) {
            let found = Day::from_number(number).unwrap();
            prop_assert_eq!(found.number(), number);
            prop_assert_eq!(found.to_string().parse::<Day>().unwrap(), found);
            prop_assert_eq!(found.plus(1).is_none_or(|next| next > found && next.weekday() == (found.weekday() + 1) % 7), true);
        }

        #[test]
        fn no_number_and_no_text_panics(number in any::<i64>(), text in ".{0,14}") {
            let _ = Day::from_number(number);
            let _ = text.parse::<Day>();
        }
    }
}
