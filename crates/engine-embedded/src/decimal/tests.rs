//! Expected values come from elsewhere: Python's `decimal` (`tests/fixtures/decimal_vectors.py`), string arithmetic on the
//! digits that the standard library prints, and `core::money::Money::parse`.

use super::*;
use apportion_core::money::Money;
use proptest::prelude::*;

/// Half up by digits: the shortest text of a double, rounded at a decimal place as on paper.
fn on_paper(value: f64, scale: usize) -> String {
    let text = format!("{:e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap();
    let exponent: i64 = exponent.parse().unwrap();
    let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).map(|byte| byte - b'0').collect();
    // Where two shortest texts are equally near, Java and Python print the even one, Rust the greater.
    let exact: String = format!("{:.40}", value.abs()).chars().filter(char::is_ascii_digit).collect();
    let exact = exact.trim_matches('0');
    let last = digits.len() - 1;
    if exact.len() == digits.len() + 1 && exact.ends_with('5') && digits[last] % 2 == 1 {
        digits[last] -= 1;
    }
    // Digit number n stands for 10^(exponent - n).
    let keep = exponent + 1 + scale as i64;
    let mut kept: Vec<u8> = (0..keep.max(0)).map(|n| digits.get(n as usize).copied().unwrap_or(0)).collect();
    let next = if keep < 0 { 0 } else { digits.get(keep as usize).copied().unwrap_or(0) };
    if next >= 5 {
        let mut at = kept.len();
        loop {
            if at == 0 {
                kept.insert(0, 1);
                break;
            }
            at -= 1;
            if kept[at] == 9 {
                kept[at] = 0;
            } else {
                kept[at] += 1;
                break;
            }
        }
    }
    let text: String = kept.iter().map(|digit| char::from(digit + b'0')).collect();
    let text = text.trim_start_matches('0');
    let sign = if value < 0.0 && !text.is_empty() { "-" } else { "" };
    if text.is_empty() { "0".to_owned() } else { format!("{sign}{text}") }
}

/// A generator whose numbers do not change: xorshift.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Doubles as bills have them, and as they never should.
    fn double(&mut self) -> f64 {
        let (kind, bits, sign) = (self.next() % 6, self.next(), if self.next().is_multiple_of(2) { 1.0 } else { -1.0 });
        let unit = (bits >> 11) as f64 / (1u64 << 53) as f64;
        sign * match kind {
            0 => unit,
            1 => unit * 10f64.powi((self.next() % 28) as i32 - 13),
            2 => (unit * 1e10).round() / 10f64.powi((self.next() % 13) as i32),
            // A five in the thirteenth place: ties, as far as doubles have them.
            3 => format!("{}.{:012}5", bits % 1200, self.next() % 1_000_000_000_000).parse().unwrap(),
            4 => f64::from_bits(bits & 0x3fff_ffff_ffff_ffff),
            _ => 1.0 / ((bits % 100_000) as f64 + 1.0),
        }
    }
}

#[test]
fn a_million_doubles_round_as_on_paper() {
    let mut draw = Draw(0x2026_0901_dead_beef);
    for number in 0..1_000_000 {
        let value = draw.double();
        assert_eq!(from_double(value, 12).unwrap().to_string(), on_paper(value, 12), "{value:e}");
        if number % 4 == 0 {
            assert_eq!(from_double(value, 20).unwrap().to_string(), on_paper(value, 20), "{value:e}");
            assert_eq!(wide_to_money(amount_from_double(value).unwrap()).to_string(), on_paper(value, 12), "{value:e}");
        }
    }
}

#[test]
fn doubles_become_what_python_says() {
    let vectors = include_str!("../../tests/fixtures/decimal_vectors.csv");
    let units = |text: &str| text.replace('.', "").parse::<i128>().unwrap();
    let mut count = 0;
    for line in vectors.lines().skip(1) {
        let [double, twelve, twenty] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let value: f64 = double.parse().unwrap();
        assert_eq!(from_double(value, 12), Ok(units(twelve)), "{double}");
        assert_eq!(from_double_text(value, 12), Ok(units(twelve)), "{double}");
        assert_eq!(from_double(value, 20), Ok(units(twenty)), "{double}");
        assert_eq!(from_text(double.as_bytes(), 12).unwrap().units, units(twelve), "{double}");
        count += 1;
    }
    assert_eq!(count, 912);
}

#[test]
fn what_is_no_amount_is_refused() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(from_double(value, 12), Err(DecimalError::NotANumber));
        assert_eq!(amount_from_double(value), Err(DecimalError::NotANumber));
    }
    assert_eq!(from_double(1e26, 12), Err(DecimalError::TooLarge));
    assert_eq!(from_double(9.9e25, 12), Ok(99 * 10i128.pow(36)));
    assert_eq!(amount_from_double(1.1e15), Err(DecimalError::TooLarge));
    assert_eq!(amount_from_text(b"1000000000000001"), Err(DecimalError::TooLarge));
    for text in [
        "",
        " ",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        "+333",
        "1,5",
        "3,432,342",
        "$1.00 ",
        "2.3^3",
        "35.24 x 10^7",
        "abc",
        "1.2.3",
        "0x1",
        "1e12345",
    ] {
        assert_eq!(amount_from_text(text.as_bytes()), Err(DecimalError::NotANumber), "{text}");
    }
}

#[test]
fn focus_number_examples() {
    // FOCUS 1.4, numeric format: 35.2E+7 is forbidden to write, and read with a warning.
    for (text, units, plus) in [
        ("4", "4.000000000000", false),
        ("-3", "-3.000000000000", false),
        ("-100.2", "-100.200000000000", false),
        ("35.2E-7", "0.000003520000", false),
        ("35.2E7", "352000000.000000000000", false),
        ("35.2E+7", "352000000.000000000000", true),
        (" 1.5E-3 ", "0.001500000000", false),
    ] {
        let parsed = amount_from_text(text.as_bytes()).unwrap();
        assert_eq!(Money::from_units(wide_to_money(parsed.units)).to_string(), units, "{text}");
        assert_eq!(parsed.plus_exponent, plus, "{text}");
    }
}

proptest! {
    #[test]
    fn text_is_read_by_the_rules_of_core(text in "[ ]?-?[0-9]{0,20}(\\.[0-9]{0,30})?([eE][+-]?[0-9]{1,2})?") {
        match (Money::parse(&text), amount_from_text(text.as_bytes())) {
            (Ok(core), Ok(wide)) => {
                prop_assert_eq!(core.money.units(), wide_to_money(wide.units));
                prop_assert_eq!(core.plus_exponent, wide.plus_exponent);
                prop_assert_eq!(core.lossy, wide.units != core.money.units() * 100_000_000);
            }
            (Err(_), Err(_)) => {}
            (core, wide) => prop_assert!(false, "{:?} against {:?}", core, wide),
        }
    }

    #[test]
    fn any_double_survives_both_ways(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.abs() < 1e15);
        prop_assert_eq!(from_double(value, 12), from_double_text(value, 12));
        prop_assert_eq!(from_double(value, 12), amount_from_double(value).map(wide_to_money));
    }

    #[test]
    fn a_decimal_of_any_scale_rounds_once(units in -10i128.pow(20)..10i128.pow(20), scale in 0u32..30) {
        let text = format!("{units}e-{scale}");
        let core = Money::parse(&text);
        let wide = amount_from_decimal(units, scale as i32);
        prop_assert_eq!(core.ok().map(|parsed| parsed.money.units()), wide.ok().map(wide_to_money));
    }
}
