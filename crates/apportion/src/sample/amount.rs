//! Amounts as the bill writes them: a double whose shortest decimal text is exactly the number meant.

use apportion_core::money::Money;

/// One cost unit in which rates and costs are computed: 1e-10 of the currency.
pub const UNITS_PER_DOLLAR: i128 = 10_000_000_000;

const POWERS: [f64; 16] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// `digits` / 10^`places`, with at most 15 significant digits, so that the nearest double prints back as this decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    digits: i64,
    places: u8,
}

impl Amount {
    pub const ZERO: Amount = Amount { digits: 0, places: 0 };

    /// From units of 1e-10; from 10,000 on it keeps six places, from 100 million on two.
    pub fn of_units(units: i128) -> Self {
        let magnitude = units.unsigned_abs();
        let (divisor, places) = match magnitude {
            0..100_000_000_000_000 => (1, 10),
            100_000_000_000_000..1_000_000_000_000_000_000 => (10_000, 6),
            _ => (100_000_000, 2),
        };
        let half = if units < 0 { -(divisor / 2) } else { divisor / 2 };
        Amount { digits: ((units + half) / divisor) as i64, places }
    }

    /// Rounded to whole cents, half away from zero.
    pub fn cents_of_units(units: i128) -> Self {
        let cent = 100_000_000;
        let half = if units < 0 { -(cent / 2) } else { cent / 2 };
        Amount { digits: ((units + half) / cent) as i64, places: 2 }
    }

    /// `digits` / 10^`places`; the caller keeps to 15 digits and 15 places.
    pub const fn new(digits: i64, places: u8) -> Self {
        Amount { digits, places }
    }

    pub const fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The nearest double: both operands are exact, and IEEE division rounds correctly everywhere.
    pub fn to_f64(self) -> f64 {
        debug_assert!(self.digits.unsigned_abs() < 1_000_000_000_000_000);
        self.digits as f64 / POWERS[self.places as usize]
    }

    /// The exact amount at 12 decimals, half away from zero: what reading the double by its shortest text gives.
    pub fn money(self) -> Money {
        let digits = i128::from(self.digits);
        if self.places <= 12 {
            return Money::from_units(digits * 10i128.pow(12 - u32::from(self.places)));
        }
        let divisor = 10i128.pow(u32::from(self.places) - 12);
        let half = if digits < 0 { -(divisor / 2) } else { divisor / 2 };
        Money::from_units((digits + half) / divisor)
    }

    /// In units of 1e-10, cut toward zero where it has more places.
    pub fn units(self) -> i128 {
        self.money().units() / 100
    }

    pub const fn negated(self) -> Self {
        Amount { digits: -self.digits, places: self.places }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_double_reads_back_as_the_decimal_it_came_from() {
        let mut dice = crate::sample::random::Dice::new(11);
        for _ in 0..20_000 {
            let places = dice.below(16) as u8;
            let digits = dice.below(10u64.pow(1 + dice.clone().below(15) as u32)) as i64;
            for amount in [Amount::new(digits, places), Amount::new(-digits, places)] {
                let text = format!("{}", amount.to_f64());
                assert_eq!(Money::parse(&text).map(|parsed| parsed.money), Ok(amount.money()), "{text}");
            }
        }
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        assert_eq!(Amount::cents_of_units(-50_000_000), Amount::new(-1, 2));
        assert_eq!(Amount::cents_of_units(149_999_999), Amount::new(1, 2));
        assert_eq!(Amount::new(15, 13).money(), Money::from_units(2));
        assert_eq!(Amount::of_units(100_000_000_005_000), Amount::new(10_000_000_001, 6));
    }
}
