//! Figures and names as a person reads them, the same in HTML and in text.

use apportion_core::day::Day;
use apportion_core::evaluation::Evaluation;
use apportion_core::money::Money;
use apportion_core::period::Period;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Longest name shown, in characters; the CSV has all of it.
const LONGEST_NAME: usize = 60;
const MINUS: char = '\u{2212}';

/// Whole units of the currency, grouped: `12,346`, `−7`. Below ten of them with the minor units: `0.42`.
pub fn amount(money: Money, places: u32) -> String {
    let small = money.abs() < Money::from_minor(10, 0) && !money.is_zero();
    let places = if small { places } else { 0 };
    let minor = money.round_to_minor(places);
    let text = Money::minor_to_string(minor.abs(), places);
    let (whole, fraction) =
        text.split_once('.').map_or((text.as_str(), String::new()), |(whole, fraction)| (whole, format!(".{fraction}")));
    format!("{}{}{fraction}", if minor < 0 { MINUS.to_string() } else { String::new() }, grouped(whole))
}

/// The same with a sign.
pub fn change(money: Money, places: u32) -> String {
    let text = amount(money, places);
    if money.is_negative() || money.is_zero() || text == "0" || text.starts_with(MINUS) { text } else { format!("+{text}") }
}

/// All minor units: `12,345.67`.
pub fn exact(money: Money, places: u32) -> String {
    let minor = money.round_to_minor(places);
    let text = Money::minor_to_string(minor.abs(), places);
    let (whole, fraction) =
        text.split_once('.').map_or((text.as_str(), String::new()), |(whole, fraction)| (whole, format!(".{fraction}")));
    format!("{}{}{fraction}", if minor < 0 { MINUS.to_string() } else { String::new() }, grouped(whole))
}

/// All decimals that say something, at least two: `1,234.5678`, `−0.10`.
pub fn full_amount(money: Money) -> String {
    let text = money.abs().to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let sign = if money.is_negative() { MINUS.to_string() } else { String::new() };
    format!("{sign}{}.{:0<2}", grouped(whole), decimals.trim_end_matches('0'))
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Tenths of a percent: `4.7 %`, with a blank that does not break.
pub fn percent(permille: i64) -> String {
    let magnitude = permille.unsigned_abs();
    let sign = if permille < 0 { MINUS.to_string() } else { String::new() };
    format!("{sign}{}.{}\u{a0}%", magnitude / 10, magnitude % 10)
}

/// `part / whole - 1` in percent, with a sign; `new` where there was nothing.
pub fn growth(now: Money, before: Money) -> String {
    if before.units() <= 0 {
        return if now.units() > 0 { "new".to_owned() } else { String::new() };
    }
    let Some(tenths) = Evaluation::permille(now - before, before) else { return String::new() };
    if tenths > 9_999 {
        "> +999\u{a0}%".to_owned()
    } else if tenths > 0 {
        format!("+{}", percent(tenths))
    } else {
        percent(tenths)
    }
}

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// `Monday, 14 September 2026`.
pub fn long_day(day: Day) -> String {
    let (period, weekday) = (day.period(), WEEKDAYS[usize::from(day.weekday())]);
    format!("{weekday}, {} {} {}", day.day(), MONTHS[usize::from(period.month()) - 1], period.year())
}

pub fn month(day: Day) -> String {
    MONTHS[usize::from(day.period().month()) - 1].to_owned()
}

/// `September 2026`.
pub fn month_of(period: Period) -> String {
    format!("{} {}", MONTHS[usize::from(period.month()) - 1], period.year())
}

/// A name from the bill as text: what cannot be seen, or reorders what can, shows as its code point; cut if very long.
pub fn name(text: &str) -> String {
    name_of(text, LONGEST_NAME)
}

/// The same with another limit.
pub fn name_of(text: &str, longest: usize) -> String {
    let mut shown = String::with_capacity(text.len());
    for (count, character) in text.chars().enumerate() {
        if count == longest {
            shown.push('…');
            break;
        }
        if is_visible(character) {
            shown.push(character);
        } else {
            shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(character)));
        }
    }
    shown
}

fn is_visible(character: char) -> bool {
    use GeneralCategory as Category;
    let hidden = matches!(
        character.general_category(),
        Category::Control
            | Category::Format
            | Category::Surrogate
            | Category::PrivateUse
            | Category::Unassigned
            | Category::LineSeparator
            | Category::ParagraphSeparator
    );
    !hidden && !matches!(character, '\u{a0}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_are_whole_and_grouped_and_small_ones_keep_their_cents() {
        for (value, shown) in [
            ("0", "0"),
            ("0.004", "0.00"),
            ("9.994", "9.99"),
            ("10.5", "11"),
            ("999.49", "999"),
            ("1234567.5", "1,234,568"),
            ("-1234", "−1,234"),
            ("-0.42", "−0.42"),
        ] {
            assert_eq!(amount(money(value), 2), shown, "{value}");
        }
        assert_eq!(amount(money("5.4"), 0), "5");
        assert_eq!(
            (change(money("12"), 2), change(money("-12"), 2), change(money("0"), 2)),
            ("+12".into(), "−12".into(), "0".into())
        );
        assert_eq!(exact(money("1234.565"), 2), "1,234.57");
        let full = ["1234.5678", "-0.1", "7", "0", "-1234567.125"].map(|text| full_amount(money(text)));
        assert_eq!(full, ["1,234.5678", "−0.10", "7.00", "0.00", "−1,234,567.125"]);
        assert_eq!(exact(money("-1234.5"), 0), "−1,235");
    }

    #[test]
    fn shares_and_growth_have_one_decimal() {
        assert_eq!([percent(147), percent(-5), percent(0)], ["14.7\u{a0}%", "−0.5\u{a0}%", "0.0\u{a0}%"]);
        assert_eq!(growth(money("110"), money("100")), "+10.0\u{a0}%");
        assert_eq!(growth(money("90"), money("100")), "−10.0\u{a0}%");
        assert_eq!(growth(money("100.05"), money("100")), "+0.1\u{a0}%", "half away from zero, as everywhere");
        assert_eq!(growth(money("90"), money("0")), "new");
        assert_eq!(growth(money("0"), money("0")), "");
        assert_eq!(growth(money("5000"), money("1")), "> +999\u{a0}%");
    }

    #[test]
    fn names_show_what_hides_and_are_cut() {
        assert_eq!(name("a\u{202e}b\r\nc\u{200b}"), "a⟨U+202E⟩b⟨U+000D⟩⟨U+000A⟩c⟨U+200B⟩");
        assert_eq!(name("Größe 数据"), "Größe 数据");
        assert_eq!(name(&"x".repeat(200)), format!("{}…", "x".repeat(60)));
        assert_eq!(long_day("2026-09-14".parse().unwrap()), "Monday, 14 September 2026");
    }
}
