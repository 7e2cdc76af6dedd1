//! Doubles and decimal text to DECIMAL(p,s), by Trino's rule: the shortest decimal text, half away from zero.

use apportion_core::money::MAX_AMOUNT;

/// Scale to which amounts are read where they do not come as doubles: eight digits more than money has.
pub const WIDE_SCALE: u32 = 20;
/// Largest magnitude of an amount as a double: 1e15, as `core::money::MAX_AMOUNT`.
pub const MAX_DOUBLE: f64 = 1e15;
const MAX_DECIMAL: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;
/// Adding and taking it away again rounds a double below 2^51 to a whole number.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Why a value is not a DECIMAL(38,s).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// Not a decimal number; also NaN and infinities.
    NotANumber,
    /// Too large for the type or for an amount.
    TooLarge,
}

/// Units of 10^-scale of a double's shortest decimal text, half away from zero.
///
/// The fast path needs no text. Let `x` be `value * 10^scale` as a double. The shortest text of `value` lies within
/// `|x| * 2^-53` of it and the product is rounded by at most as much; so where `x` is further than `|x| * 2^-51` from the
/// middle between two whole numbers, both round to the same one.
#[inline]
pub fn from_double(value: f64, scale: u32) -> Result<i128, DecimalError> {
    if scale == 12 {
        let (units, is_sure) = quick(value);
        if is_sure {
            return Ok(i128::from(units));
        }
    } else if scale > 12 && is_whole_at_12(value) {
        let whole = (value * 1e12 + ROUNDER) - ROUNDER;
        return i128::from(whole as i64)
            .checked_mul(10i128.pow(scale - 12))
            .filter(|units| units.abs() <= MAX_DECIMAL)
            .ok_or(DecimalError::TooLarge);
    }
    from_double_text(value, scale)
}

/// Units of 1e-12 of a double, and whether the fast path of [`from_double`] takes it: else they mean nothing.
#[inline]
pub fn quick(value: f64) -> (i64, bool) {
    let scaled = value * 1e12;
    let shifted = scaled + ROUNDER;
    let whole = shifted - ROUNDER;
    let magnitude = scaled.abs();
    let is_sure = magnitude < 1e15 && (scaled - whole).abs() + magnitude * (1.0 / 2_251_799_813_685_248.0) < 0.5;
    // ROUNDER has brought the whole number into the lowest bits: a conversion that vectors of every processor have.
    (shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) as i64, is_sure)
}

/// True of a multiple of 1e-12 below 1000; false says nothing.
#[inline]
pub fn is_whole_at_12(value: f64) -> bool {
    // Below 1000 no two multiples of 1e-12 share a double, so one that gives `value` back is its shortest text.
    value.abs() < 1000.0 && ((value * 1e12 + ROUNDER) - ROUNDER) / 1e12 == value
}

/// The same without the fast path.
pub fn from_double_text(value: f64, scale: u32) -> Result<i128, DecimalError> {
    if !value.is_finite() {
        return Err(DecimalError::NotANumber);
    }
    let (digits, exponent) = shortest(value.abs());
    let units = scaled(i128::from(digits), i64::from(exponent) + i64::from(scale)).ok_or(DecimalError::TooLarge)?;
    Ok(if value < 0.0 { -units } else { units })
}

/// `value = digits * 10^exponent`, the shortest digits that read back as `value`, of two equally near ones the even, as Java
/// and Python print them (Rust's own formatting prints the greater). `value` is finite and not negative.
fn shortest(value: f64) -> (u64, i32) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let (mut digits, mut exponent, mut after_point) = (0u64, 0i32, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                digits = digits * 10 + u64::from(byte - b'0');
                exponent -= i32::from(after_point);
            }
            b'.' => after_point = true,
            _ => {
                exponent += text.get(index + 1..).and_then(|rest| rest.parse::<i32>().ok()).unwrap_or(0);
                break;
            }
        }
    }
    (digits, exponent)
}

/// `digits * 10^shift`, half up, `None` beyond 38 digits.
fn scaled(digits: i128, shift: i64) -> Option<i128> {
    if digits == 0 {
        return Some(0);
    }
    if shift >= 0 {
        let factor = u32::try_from(shift).ok().and_then(|shift| 10i128.checked_pow(shift))?;
        return digits.checked_mul(factor).filter(|units| *units <= MAX_DECIMAL);
    }
    let divisor = u32::try_from(-shift).ok().and_then(|shift| 10i128.checked_pow(shift));
    Some(divisor.map_or(0, |divisor| {
        let (quotient, remainder) = (digits / divisor, digits % divisor);
        quotient + i128::from(remainder >= divisor - remainder)
    }))
}

/// Decimal text that was read, by the rules of `core::money::Money::parse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParsedText {
    /// Units of 10^-scale.
    pub units: i128,
    /// The exponent carried a `+`.
    pub plus_exponent: bool,
}

/// Splits decimal text: sign, digits (at most 38 that count), exponent of the last digit, whether nonzero digits were left over.
struct Digits {
    negative: bool,
    digits: i128,
    exponent: i64,
    rest: bool,
    plus_exponent: bool,
}

fn digits_of(text: &[u8]) -> Option<Digits> {
    let text = text.trim_ascii_start_blank();
    let (negative, body) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let mut out = Digits { negative, digits: 0, exponent: 0, rest: false, plus_exponent: false };
    let (mut seen, mut after_point) = (false, false);
    for (index, byte) in body.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                if out.digits < 1_000_000_000_000_000_000_000_000_000_000_000_000 {
                    out.digits = out.digits * 10 + i128::from(byte - b'0');
                    out.exponent -= i64::from(after_point);
                } else {
                    out.rest |= *byte != b'0';
                    out.exponent += i64::from(!after_point);
                }
            }
            b'.' if !after_point => after_point = true,
            b'e' | b'E' if seen => {
                let (exponent, plus) = exponent_of(&body[index + 1..])?;
                out.exponent += exponent;
                out.plus_exponent = plus;
                return Some(out);
            }
            _ => return None,
        }
    }
    seen.then_some(out)
}

fn exponent_of(text: &[u8]) -> Option<(i64, bool)> {
    let (negative, plus, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, false, rest),
        Some((b'+', rest)) => (false, true, rest),
        _ => (false, false, text),
    };
    if digits.is_empty() || digits.len() > 4 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((if negative { -value } else { value }, plus))
}

trait TrimBlank {
    fn trim_ascii_start_blank(&self) -> &[u8];
}
impl TrimBlank for [u8] {
    fn trim_ascii_start_blank(&self) -> &[u8] {
        let from = self.iter().position(|byte| *byte != b' ').unwrap_or(self.len());
        let to = self.iter().rposition(|byte| *byte != b' ').map_or(from, |last| last + 1);
        &self[from..to]
    }
}

/// Decimal text to units of 10^-scale, half away from zero: what `cast(text as decimal(38, scale))` is.
pub fn from_text(text: &[u8], scale: u32) -> Result<ParsedText, DecimalError> {
    let parts = digits_of(text).ok_or(DecimalError::NotANumber)?;
    let units = scaled(parts.digits, parts.exponent + i64::from(scale)).ok_or(DecimalError::TooLarge)?;
    Ok(ParsedText { units: if parts.negative { -units } else { units }, plus_exponent: parts.plus_exponent })
}

/// An amount's text to units of 10^-[`WIDE_SCALE`], so that rounding those half up at any smaller scale is the same as
/// rounding the text: what lies beyond is cut, and a last digit of 0 or 5 made odd by one where something was cut.
pub fn amount_from_text(text: &[u8]) -> Result<ParsedText, DecimalError> {
    let parts = digits_of(text).ok_or(DecimalError::NotANumber)?;
    let units = wide(parts.digits, parts.exponent + i64::from(WIDE_SCALE), parts.rest).ok_or(DecimalError::TooLarge)?;
    Ok(ParsedText { units: if parts.negative { -units } else { units }, plus_exponent: parts.plus_exponent })
}

/// A decimal of any scale to the same.
pub fn amount_from_decimal(units: i128, scale: i32) -> Result<i128, DecimalError> {
    let magnitude = i128::try_from(units.unsigned_abs()).map_err(|_| DecimalError::TooLarge)?;
    let wide = wide(magnitude, i64::from(WIDE_SCALE) - i64::from(scale), false).ok_or(DecimalError::TooLarge)?;
    Ok(if units < 0 { -wide } else { wide })
}

/// Money's units of an amount that was read at [`WIDE_SCALE`].
pub fn wide_to_money(units: i128) -> i128 {
    let magnitude = scaled(units.abs(), 12 - i64::from(WIDE_SCALE)).unwrap_or(0);
    if units < 0 { -magnitude } else { magnitude }
}

/// A double to the same.
pub fn amount_from_double(value: f64) -> Result<i128, DecimalError> {
    if !value.is_finite() {
        return Err(DecimalError::NotANumber);
    }
    let (digits, exponent) = shortest(value.abs());
    let wide = wide(i128::from(digits), i64::from(exponent) + i64::from(WIDE_SCALE), false).ok_or(DecimalError::TooLarge)?;
    Ok(if value < 0.0 { -wide } else { wide })
}

fn wide(digits: i128, shift: i64, rest: bool) -> Option<i128> {
    const MOST: i128 = MAX_AMOUNT * 100_000_000;
    let (units, cut) = if digits == 0 || shift >= 0 {
        (scaled(digits, shift.max(0))?, rest)
    } else {
        match u32::try_from(-shift).ok().and_then(|shift| 10i128.checked_pow(shift)) {
            Some(divisor) => (digits / divisor, rest || digits % divisor != 0),
            None => (0, true),
        }
    };
    let units = if cut && units % 5 == 0 { units + 1 } else { units };
    (units <= MOST).then_some(units)
}

#[cfg(test)]
mod tests;
