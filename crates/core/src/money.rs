//! Exact money: `i128` in units of 1e-12 of the currency, the bits of DECIMAL(38,12). Never a float.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

/// Decimal places of [`Money`].
pub const SCALE: u32 = 12;
const ONE: i128 = 1_000_000_000_000;
/// Largest magnitude of one amount: 1e15 of the currency. A sum of 1e11 such amounts still fits DECIMAL(38,12), so a SUM
/// over any bill cannot overflow.
pub const MAX_AMOUNT: i128 = 1_000_000_000_000_000 * ONE;

/// An exact amount in units of 1e-12 of its currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(i128);

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("`{0}` is not a decimal number (digits, one point, an optional exponent such as 6.1E-7)")]
    NotANumber(String),
    #[error("`{0}` is beyond 1e15, which no bill line can cost")]
    TooLarge(String),
}

/// A parsed amount and what the parse had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed {
    pub money: Money,
    /// Digits beyond the twelfth decimal were rounded away.
    pub lossy: bool,
    /// The exponent carried a `+`, which FOCUS forbids to write but pandas and .NET do.
    pub plus_exponent: bool,
}

impl Money {
    pub const ZERO: Money = Money(0);

    /// From units of 1e-12.
    pub const fn from_units(units: i128) -> Self {
        Money(units)
    }

    /// From whole minor units (cents when `exponent` is 2).
    pub const fn from_minor(minor: i128, exponent: u32) -> Self {
        Money(minor * 10i128.pow(SCALE - exponent))
    }

    /// Units of 1e-12.
    pub const fn units(self) -> i128 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    pub const fn abs(self) -> Self {
        Money(self.0.abs())
    }

    pub const fn checked_add(self, other: Money) -> Option<Money> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Money(units)),
            None => None,
        }
    }

    /// The amount in whole minor units, half away from zero. `exponent` is the currency's (2 for USD).
    pub const fn round_to_minor(self, exponent: u32) -> i128 {
        let unit = 10i128.pow(SCALE - exponent);
        let half = unit / 2;
        if self.0 >= 0 { (self.0 + half) / unit } else { (self.0 - half) / unit }
    }

    /// Whole minor units, truncated toward zero, and what was cut (same sign).
    pub const fn truncate_to_minor(self, exponent: u32) -> (i128, i128) {
        let unit = 10i128.pow(SCALE - exponent);
        (self.0 / unit, self.0 % unit)
    }

    /// Reads decimal text without passing through a float; half away from zero at the twelfth decimal.
    ///
    /// Accepts an exponent (`6.123E-7`), surrounding ASCII blanks, a leading `-`; refuses everything else.
    pub fn parse(text: &str) -> Result<Parsed, MoneyError> {
        let wrong = || MoneyError::NotANumber(text.chars().take(60).collect());
        let trimmed = text.trim_matches(' ');
        let (negative, body) = match trimmed.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, trimmed),
        };
        let (mantissa, exponent, plus_exponent) = match body.find(['e', 'E']) {
            Some(at) => {
                let raw = &body[at + 1..];
                let plus = raw.starts_with('+');
                let digits = raw.strip_prefix(['+', '-']).unwrap_or(raw);
                if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(wrong());
                }
                let value: i32 = digits.parse().map_err(|_| wrong())?;
                (&body[..at], if raw.starts_with('-') { -value } else { value }, plus)
            }
            None => (body, 0, false),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        // value = digits * 10^(exponent - len(fraction)); wanted: units = value * 10^12
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
        let lead = digits.iter().take_while(|d| **d == 0).count();
        digits.drain(..lead);
        let shift = exponent as i64 - fraction.len() as i64 + SCALE as i64;
        if digits.is_empty() {
            return Ok(Parsed { money: Money::ZERO, lossy: false, plus_exponent });
        }
        let keep = digits.len() as i64 + shift;
        if keep > 28 {
            return Err(MoneyError::TooLarge(text.chars().take(60).collect()));
        }
        let keep_usize = keep.max(0) as usize;
        let mut units: i128 = 0;
        for index in 0..keep_usize {
            units = units * 10 + digits.get(index).copied().unwrap_or(0) as i128;
        }
        let cut = digits.get(keep_usize..).unwrap_or(&[]);
        let lossy = keep < 0 || cut.iter().any(|d| *d != 0);
        if keep >= 0 && cut.first().is_some_and(|d| *d >= 5) {
            units += 1;
        }
        if units > MAX_AMOUNT {
            return Err(MoneyError::TooLarge(text.chars().take(60).collect()));
        }
        Ok(Parsed { money: Money(if negative { -units } else { units }), lossy, plus_exponent })
    }

    /// Splits `self` by non-negative weights so that the parts sum to it exactly.
    ///
    /// Truncates toward zero, then gives the missing units to the largest remainders; ties go to the earlier weight, so the
    /// caller orders the weights by unit id. `split(-x) == -split(x)`. `None` when no weight is positive.
    pub fn split(self, weights: &[i128]) -> Option<Vec<Money>> {
        split_integer(self.0, weights).map(|parts| parts.into_iter().map(Money).collect())
    }

    /// Plain decimal with exactly twelve places.
    pub fn to_fixed(self) -> String {
        self.to_string()
    }

    /// Decimal text of whole minor units, for example `-12.30`.
    pub fn minor_to_string(minor: i128, exponent: u32) -> String {
        if exponent == 0 {
            return minor.to_string();
        }
        let unit = 10u128.pow(exponent);
        let magnitude = minor.unsigned_abs();
        let sign = if minor < 0 { "-" } else { "" };
        format!("{sign}{}.{:0width$}", magnitude / unit, magnitude % unit, width = exponent as usize)
    }
}

/// Splits an integer by non-negative weights (negative ones count 0): largest remainder, ties to the earlier index.
///
/// `None` when no weight is positive. Exact for any magnitude below 1e38: products are formed in 256 bits.
pub fn split_integer(total: i128, weights: &[i128]) -> Option<Vec<i128>> {
    let mut sum: u128 = 0;
    for weight in weights {
        sum = sum.checked_add((*weight).max(0) as u128)?;
    }
    if sum == 0 {
        return None;
    }
    let magnitude = total.unsigned_abs();
    let mut parts = Vec::with_capacity(weights.len());
    let mut remainders = Vec::with_capacity(weights.len());
    let mut given: u128 = 0;
    for (index, weight) in weights.iter().enumerate() {
        let (quotient, remainder) = mul_div(magnitude, (*weight).max(0) as u128, sum);
        given += quotient;
        parts.push(quotient);
        remainders.push((remainder, index));
    }
    let missing = (magnitude - given) as usize;
    if missing > 0 {
        remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, index) in remainders.iter().take(missing) {
            parts[*index] += 1;
        }
    }
    Some(parts.into_iter().map(|part| if total < 0 { -(part as i128) } else { part as i128 }).collect())
}

/// `(a * b / c, a * b % c)` for `b <= c`, without overflow.
pub(crate) fn mul_div(a: u128, b: u128, c: u128) -> (u128, u128) {
    if let Some(product) = a.checked_mul(b) {
        return (product / c, product % c);
    }
    // 256-bit product, then binary long division; rare (weights of pools are money too).
    let (high, low) = widening_mul(a, b);
    let mut quotient: u128 = 0;
    let mut remainder: u128 = 0;
    for bit in (0..256).rev() {
        let carry = remainder >> 127;
        let next = if bit >= 128 { (high >> (bit - 128)) & 1 } else { (low >> bit) & 1 };
        remainder = (remainder << 1) | next;
        quotient <<= 1;
        if carry == 1 || remainder >= c {
            remainder = remainder.wrapping_sub(c);
            quotient |= 1;
        }
    }
    (quotient, remainder)
}

fn widening_mul(a: u128, b: u128) -> (u128, u128) {
    const MASK: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & MASK, b >> 64, b & MASK);
    let low = a0 * b0;
    let middle1 = a1 * b0 + (low >> 64);
    let middle2 = a0 * b1 + (middle1 & MASK);
    let high = a1 * b1 + (middle1 >> 64) + (middle2 >> 64);
    (high, (middle2 << 64) | (low & MASK))
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:012}", magnitude / ONE as u128, magnitude % ONE as u128)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Money {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Money::parse(text).map(|parsed| parsed.money)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

// Plain operators: every amount is bounded by MAX_AMOUNT, so 1e11 of them fit; overflow beyond that panics in every profile
// that keeps `overflow-checks`, which all of ours do.
impl Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0 + other.0)
    }
}
impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        self.0 += other.0;
    }
}
impl Sub for Money {
    type Output = Money;
    fn sub(self, other: Money) -> Money {
        Money(self.0 - other.0)
    }
}
impl SubAssign for Money {
    fn sub_assign(&mut self, other: Money) {
        self.0 -= other.0;
    }
}
impl Neg for Money {
    type Output = Money;
    fn neg(self) -> Money {
        Money(-self.0)
    }
}
impl Sum for Money {
    fn sum<I: Iterator<Item = Money>>(iter: I) -> Money {
        iter.fold(Money::ZERO, Add::add)
    }
}
