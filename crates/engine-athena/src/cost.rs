//! What Athena asks for a query.

use apportion_core::money::Money;

/// Bytes that every query is charged for at least.
const LEAST_BYTES: u64 = 10_000_000;
/// The unit that bytes are rounded up to.
const MEGABYTE: u64 = 1_000_000;
/// 5 US dollars for a terabyte, which is 0.000005 for a megabyte, in units of 1e-12.
const UNITS_PER_MEGABYTE: i128 = 5_000_000;

/// US dollars for the bytes that a query scanned: 5.00 a terabyte, each query rounded up to the megabyte and to 10 MB at least.
///
/// That is the price in us-east-1 and most regions, <https://aws.amazon.com/athena/pricing/>; a few ask more. A terabyte is taken as 1e12
/// bytes: AWS does not say which it means, and 2^40 would give 9 % less. Neither discounts nor S3's requests are in it.
pub fn cost(bytes_scanned: u64) -> Money {
    let megabytes = bytes_scanned.max(LEAST_BYTES).div_ceil(MEGABYTE);
    Money::from_units(i128::from(megabytes) * UNITS_PER_MEGABYTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 10 MB = 5.00 / 100,000; 3 TB = 15.00, the example of AWS's page.
    #[test]
    fn five_dollars_a_terabyte_ten_megabytes_at_least() {
        for (bytes, dollars) in [
            (0, "0.00005"),
            (1, "0.00005"),
            (10_000_000, "0.00005"),
            (10_000_001, "0.000055"),
            (1_000_000_000_000, "5"),
            (3_000_000_000_000, "15"),
        ] {
            assert_eq!(cost(bytes), dollars.parse().unwrap(), "{bytes}");
        }
    }
}
