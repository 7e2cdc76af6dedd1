//! Months, days, hours and week days in UTC, and the patterns by which use varies over them.

use apportion_core::period::Period;

const DAY_MILLISECONDS: i64 = 86_400_000;
/// Growth of metered use within a month, in thousandths: about what it is from one month to the next.
const GROWTH: i64 = 42;

/// Days from 1970-01-01 to a date of the Gregorian calendar (Hinnant, `days_from_civil`).
pub const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The days of a month.
#[derive(Debug, Clone)]
pub struct Month {
    pub period: Period,
    pub days: usize,
    first: i64,
}

impl Month {
    pub fn new(period: Period) -> Self {
        let first = days_from_civil(i64::from(period.year()), i64::from(period.month()), 1);
        Month { period, days: usize::from(period.days()), first }
    }

    /// 0 is Monday.
    pub fn weekday(&self, day: usize) -> usize {
        (self.first + day as i64 + 3).rem_euclid(7) as usize
    }

    pub fn is_weekend(&self, day: usize) -> bool {
        self.weekday(day) >= 5
    }

    pub fn weekdays(&self) -> usize {
        (0..self.days).filter(|day| !self.is_weekend(*day)).count()
    }

    pub fn hours(&self) -> i128 {
        self.days as i128 * 24
    }

    /// `YYYY-MM-DD` of a day counted from 0.
    pub fn date(&self, day: usize) -> String {
        format!("{}-{:02}", self.period, day + 1)
    }

    /// Milliseconds since 1970 of an hour counted from the month's start.
    pub fn millisecond(&self, hour: usize) -> i64 {
        self.first * DAY_MILLISECONDS + hour as i64 * 3_600_000
    }

    /// Parts of 1,000,000 of the month that fall on each day. They rise within the month as use does from month to month, so
    /// that no step stands at its turn.
    pub fn day_shares(&self, week: Week) -> Vec<i64> {
        let days = self.days as i64;
        let rise = |day: usize| 1000 + GROWTH * (2 * day as i64 - (days - 1)) / (2 * days);
        let weights: Vec<i64> = (0..self.days).map(|day| week.weight(self.weekday(day), day, self.days) * rise(day)).collect();
        let total: i64 = weights.iter().sum();
        weights.iter().map(|weight| weight * 1_000_000 / total).collect()
    }
}

/// An interval of use: `start` and `end` in milliseconds, and as the bill writes it.
#[derive(Debug, Clone)]
pub struct Interval {
    pub start: i64,
    pub end: i64,
    pub text: String,
}

/// The intervals of a month: the month itself, its days, its hours, then whatever is added.
#[derive(Debug, Clone)]
pub struct Intervals {
    list: Vec<Interval>,
    days: usize,
}

/// Index of the whole month in [`Intervals`].
pub const WHOLE_MONTH: u32 = 0;

impl Intervals {
    pub fn new(month: &Month) -> Self {
        let mut list = vec![interval(month.millisecond(0), month.millisecond(month.days * 24))];
        for day in 0..month.days {
            list.push(interval(month.millisecond(day * 24), month.millisecond(day * 24 + 24)));
        }
        for hour in 0..month.days * 24 {
            list.push(interval(month.millisecond(hour), month.millisecond(hour + 1)));
        }
        Intervals { list, days: month.days }
    }

    pub fn day(&self, day: usize) -> u32 {
        1 + day as u32
    }

    pub fn hour(&self, day: usize, hour: usize) -> u32 {
        (1 + self.days + day * 24 + hour) as u32
    }

    pub fn add(&mut self, start: i64, end: i64) -> u32 {
        self.list.push(interval(start, end));
        self.list.len() as u32 - 1
    }

    pub fn list(&self) -> &[Interval] {
        &self.list
    }
}

fn interval(start: i64, end: i64) -> Interval {
    Interval { start, end, text: format!("{}/{}", instant(start), instant(end)) }
}

/// `2026-09-01T00:00:00Z`.
pub fn instant(millisecond: i64) -> String {
    let days = millisecond.div_euclid(DAY_MILLISECONDS);
    let seconds = millisecond.rem_euclid(DAY_MILLISECONDS) / 1000;
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The date of a day counted from 1970-01-01 (Hinnant, `civil_from_days`).
pub const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The months that end with `last`, oldest first.
pub fn months_until(last: Period, count: u32) -> Vec<Period> {
    let mut list = vec![last];
    for _ in 1..count {
        list.push(list[list.len() - 1].previous());
    }
    list.reverse();
    list
}

/// How use varies over the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Week {
    /// Storage and whatever is always on.
    Flat,
    /// People at work: claims, portals, calls.
    Business,
    /// Nightly batches, more in the first days of a month and at its end.
    Batch,
}

impl Week {
    pub const ALL: [Week; 3] = [Week::Flat, Week::Business, Week::Batch];

    const fn weight(self, weekday: usize, day: usize, days: usize) -> i64 {
        match self {
            Week::Flat => 1000,
            Week::Business => [1120, 1140, 1120, 1090, 1050, 760, 720][weekday],
            Week::Batch => {
                let base = [1000, 1060, 1060, 1040, 1030, 930, 880][weekday];
                if day < 3 {
                    base + 350
                } else if day + 2 >= days {
                    base + 200
                } else {
                    base
                }
            }
        }
    }

    /// Parts of 24,000 of a day that fall on an hour.
    pub const fn hour_share(self, hour: usize) -> i64 {
        match self {
            Week::Flat => 1000,
            Week::Business => [
                480, 440, 420, 410, 430, 500, 650, 850, 1150, 1450, 1560, 1580, 1520, 1540, 1560, 1540, 1480, 1380, 1200, 1000,
                850, 760, 680, 570,
            ][hour],
            Week::Batch => [
                1900, 2000, 1950, 1850, 1600, 1200, 800, 600, 600, 650, 700, 700, 700, 700, 700, 700, 650, 600, 600, 650, 750,
                900, 1150, 1350,
            ][hour],
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_week_days_are_those_of_the_calendar() {
        // python: datetime.date(2026, 9, 1).weekday() == 1; (datetime.date(2026, 9, 1) - datetime.date(1970, 1, 1)).days
        let month = Month::new("2026-09".parse().unwrap());
        assert_eq!(month.weekday(0), 1);
        assert_eq!(days_from_civil(2026, 9, 1), 20_697);
        assert_eq!(month.weekdays(), 22);
        assert_eq!(instant(month.millisecond(25)), "2026-09-02T01:00:00Z");
        for days in [-1, 0, 11_016, 20_697, 47_540] {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn hours_of_a_day_make_a_day() {
        for week in [Week::Flat, Week::Business, Week::Batch] {
            assert_eq!((0..24).map(|hour| week.hour_share(hour)).sum::<i64>(), 24_000, "{week:?}");
        }
    }
}
