//! What a bill is made of, as far as a first configuration needs it (`apportion init`).
//!
//! An adapter fills it in one scan (`engine-embedded`: `profile`); `apportion::init` turns it into files. All amounts are
//! magnitudes: the sum of |cash| over lines, so that a credit does not hide the usage beside it.

use apportion_core::money::Money;
use apportion_core::period::Period;
use apportion_core::tags::TagColumn;

/// Most values that a profile keeps of one tag key, the largest amounts first.
pub const MOST_VALUES: usize = 20_000;

/// A bill, summed by what could name an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillProfile {
    /// The export's format, `BillFormat::as_str`: `cur2`, `focus_1_0`, `focus_1_2`, `focus_1_3`.
    pub format: String,
    /// The latest billing period of the bill.
    pub period: Period,
    /// Currency codes with their magnitude, the largest first.
    pub currencies: Vec<(String, Money)>,
    /// Magnitude of all lines.
    pub magnitude: Money,
    /// Usage accounts, sorted by id.
    pub accounts: Vec<AccountProfile>,
    /// Tag keys that have a value on some line, sorted by column and key.
    pub tag_keys: Vec<TagKeyProfile>,
}

/// One usage account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountProfile {
    /// May be `""` where the bill names none.
    pub id: String,
    /// The greatest name that the bill gives it, `""` if none.
    pub name: String,
    pub magnitude: Money,
}

/// One tag key of one tag column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagKeyProfile {
    pub column: TagColumn,
    /// As the bill spells it, for example `user_cost_center`.
    pub key: String,
    /// Magnitude of the lines on which its trimmed value is not empty.
    pub magnitude: Money,
    /// Its raw values, untrimmed, the largest magnitude first, at most [`MOST_VALUES`].
    pub values: Vec<TagValueProfile>,
    /// Values that were left out.
    pub values_left_out: u64,
}

/// One raw value of a tag key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagValueProfile {
    pub value: String,
    pub magnitude: Money,
    pub rows: i64,
}
