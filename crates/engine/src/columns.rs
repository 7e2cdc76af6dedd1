//! Cells of a result by the name of their column, as text, numbers and money.

use crate::query::{EngineError, Row};
use apportion_core::bill::Measure;
use apportion_core::money::Money;
use apportion_core::text::{Text, Texts};
use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

/// Where each column of a statement's result stands.
pub(crate) struct Columns {
    statement: &'static str,
    columns: HashMap<String, usize>,
    width: usize,
}

/// One row, by column name. A text that is taken is gone.
pub(crate) struct Cells<'a> {
    columns: &'a Columns,
    row: Row,
}

impl Columns {
    /// Checks that every column needed is there and that no name stands twice; names compare without case.
    pub fn new<'a>(
        statement: &'static str,
        header: &[String],
        needed: impl IntoIterator<Item = &'a str>,
    ) -> Result<Columns, EngineError> {
        let columns: HashMap<String, usize> =
            header.iter().enumerate().map(|(index, name)| (name.to_ascii_lowercase(), index)).collect();
        let found = Columns { statement, columns, width: header.len() };
        if found.columns.len() != header.len() {
            return Err(found.wrong(format!("two columns have one name among {}", header.join(", "))));
        }
        let missing: Vec<&str> = needed.into_iter().filter(|name| !found.columns.contains_key(*name)).collect();
        if !missing.is_empty() {
            return Err(found.wrong(format!("it lacks {}", missing.join(", "))));
        }
        Ok(found)
    }

    fn wrong(&self, what: String) -> EngineError {
        EngineError::Result { statement: self.statement.to_owned(), what }
    }

    pub fn of(&self, row: Row) -> Result<Cells<'_>, EngineError> {
        if row.len() != self.width {
            return Err(self.wrong(format!("a row has {} cells, the header {}", row.len(), self.width)));
        }
        Ok(Cells { columns: self, row })
    }
}

impl Cells<'_> {
    fn is_null(&self, name: &str) -> EngineError {
        self.columns.wrong(format!("column {name} is NULL"))
    }

    pub fn text(&self, name: &str) -> Result<&str, EngineError> {
        let cell = self.columns.columns.get(name).and_then(|index| self.row.get(*index));
        cell.and_then(|cell| cell.as_deref()).ok_or_else(|| self.is_null(name))
    }

    pub fn take(&mut self, name: &str) -> Result<String, EngineError> {
        let cell = self.columns.columns.get(name).and_then(|index| self.row.get_mut(*index));
        cell.and_then(Option::take).ok_or_else(|| self.is_null(name))
    }

    /// A text that other rows have too.
    pub fn shared(&self, name: &str, texts: &mut Texts) -> Result<Text, EngineError> {
        Ok(texts.get(self.text(name)?))
    }

    pub fn money(&self, name: &str) -> Result<Money, EngineError> {
        let text = self.text(name)?;
        sum_units(text).map(Money::from_units).ok_or_else(|| self.columns.wrong(format!("column {name} holds `{text}`")))
    }

    pub fn measure(&self, unblended: &str, net: &str) -> Result<Measure, EngineError> {
        Ok(Measure { unblended: self.money(unblended)?, net: self.money(net)? })
    }

    /// A count, a kind of line, or whatever else reads itself from text.
    pub fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, EngineError> {
        let text = self.text(name)?;
        text.parse().map_err(|error| self.columns.wrong(format!("column {name} holds `{text}`: {error}")))
    }
}

/// Units of 1e-12 of a sum that an engine printed: plain decimal text of at most twelve places. A sum may exceed the bound
/// that `Money::parse` sets for one line.
fn sum_units(text: &str) -> Option<i128> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    if whole.is_empty() || fraction.len() > 12 {
        return None;
    }
    let mut units = 0i128;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        units = units.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    let units = units.checked_mul(10i128.pow(12 - fraction.len() as u32))?;
    Some(if negative { -units } else { units })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_exactly() {
        for (text, units) in [
            ("0", 0),
            ("1.5", 1_500_000_000_000),
            ("-0.000000000001", -1),
            ("12345678901234567890.123456789012", 12_345_678_901_234_567_890_123_456_789_012),
        ] {
            assert_eq!(sum_units(text), Some(units), "{text}");
        }
        for text in ["", "-", "1e3", "1.1234567890123", "+1", "1,0", ".5"] {
            assert_eq!(sum_units(text), None, "{text}");
        }
    }
}
