//! Timestamps as text: `2026-09-01T00:00:00Z`, with a blank instead of the T, fractions, an offset, or the date alone.

/// Milliseconds since 1970 UTC. `None` for anything else, such as `5/1/25`, which could be two dates.
pub(crate) fn parse_millis(text: &[u8]) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0')))
    };
    let mark = |at: usize, wanted: &[u8]| text.get(at).is_some_and(|byte| wanted.contains(byte));
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if !mark(4, b"-") || !mark(7, b"-") || !(1..=12).contains(&month) || day < 1 || day > month_days(year, month) {
        return None;
    }
    let days = days_since_1970(year, month, day);
    if text.len() == 10 {
        return Some(days * 86_400_000);
    }
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !mark(10, b"T ") || !mark(13, b":") || !mark(16, b":") || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut millis = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 || length > 9 {
            return None;
        }
        for place in 0..3 {
            millis = millis * 10 + fraction.get(place).filter(|_| place < length).map_or(0, |digit| i64::from(digit - b'0'));
        }
        rest = fraction.get(length..)?;
    }
    let offset_minutes = offset_minutes(rest)?;
    Some(((days * 24 + hour) * 60 + minute - offset_minutes) * 60_000 + second * 1000 + millis)
}

fn offset_minutes(text: &[u8]) -> Option<i64> {
    let digit = |at: usize| text.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| i64::from(byte - b'0'));
    match text {
        b"" | b"Z" | b"z" | b" UTC" => Some(0),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (digit(1)? * 10 + digit(2)?, digit(4)? * 10 + digit(5)?);
            let magnitude = hours * 60 + minutes;
            (hours <= 14 && minutes <= 59).then_some(if *sign == b'-' { -magnitude } else { magnitude })
        }
        _ => None,
    }
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar: years counted from March, so that leap days come last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month > 2 { year } else { year - 1 };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `(year, month, day)` of a day since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// What Trino's `cast(timestamp(3) as varchar)` gives: `2026-09-01 00:00:00.000`.
pub(crate) fn format_millis(millis: i64) -> String {
    let (days, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03}", of_day % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_text_is_read_and_written() {
        // Python: datetime.fromisoformat("2026-09-01T00:00:00+00:00").timestamp() == 1788220800
        for (text, millis) in [
            ("2026-09-01T00:00:00Z", 1_788_220_800_000),
            ("2026-09-01 00:00:00.000", 1_788_220_800_000),
            ("2026-09-01T00:00:00.1234567Z", 1_788_220_800_123),
            ("2026-09-01T02:00:00+02:00", 1_788_220_800_000),
            ("2026-09-01", 1_788_220_800_000),
            ("1969-12-31T23:59:59Z", -1_000),
            ("2024-02-29", 1_709_164_800_000),
        ] {
            assert_eq!(parse_millis(text.as_bytes()), Some(millis), "{text}");
        }
        assert_eq!(format_millis(1_788_220_800_123), "2026-09-01 00:00:00.123");
        assert_eq!(format_millis(-1), "1969-12-31 23:59:59.999");
    }

    #[test]
    fn what_could_be_two_dates_is_refused() {
        for text in
            ["5/1/25", "2026-13-01", "2023-02-29", "2026-09-01T24:00:00Z", "2026-9-1", "", "2026-09-01T00:00:00X", "20260901"]
        {
            assert_eq!(parse_millis(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_day_survives_the_round_trip() {
        for day in (-200_000..200_000).step_by(7) {
            let (year, month, date) = civil(day);
            assert_eq!(days_since_1970(year, month, date), day);
        }
    }
}
