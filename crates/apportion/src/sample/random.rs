//! Numbers that look random and are the same on every machine: a counter hash (SplitMix64), integers only.
//!
//! Every draw is a function of the seed and of what it is for (series, day, hour), never of the order of drawing, so neither
//! the number of threads nor the number of months changes a value.

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub const fn scramble(value: u64) -> u64 {
    let mut z = value;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One number for a key and a position.
pub const fn mix(key: u64, position: u64) -> u64 {
    scramble(key.wrapping_add(GOLDEN.wrapping_mul(position.wrapping_add(1))))
}

/// A key for a named purpose: two purposes never share draws.
pub fn purpose(seed: u64, name: &str) -> u64 {
    name.bytes().fold(scramble(seed ^ GOLDEN), |key, byte| mix(key, u64::from(byte)))
}

/// Successive draws under one key.
#[derive(Debug, Clone)]
pub struct Dice {
    key: u64,
    position: u64,
}

impl Dice {
    pub const fn new(key: u64) -> Self {
        Dice { key, position: 0 }
    }

    pub const fn draw(&mut self) -> u64 {
        let value = mix(self.key, self.position);
        self.position += 1;
        value
    }

    /// A number below `bound` (`bound` above 0; the bias is below 2^-40 for the bounds in use).
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.draw() as u128 * bound as u128) >> 64) as u64
    }

    /// True in `permille` of a thousand cases.
    pub const fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of a list that is not empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }
}

/// Lower-case hexadecimal digits of a key, as many as asked.
pub fn hex(key: u64, digits: usize) -> String {
    encode(key, digits, b"0123456789abcdef")
}

/// Lower-case base 32 (a-z, 2-7), as in line item ids.
pub fn base32(key: u64, digits: usize) -> String {
    encode(key, digits, b"abcdefghijklmnopqrstuvwxyz234567")
}

/// Lower-case letters and digits, as in organizational unit ids.
pub fn base36(key: u64, digits: usize) -> String {
    encode(key, digits, b"0123456789abcdefghijklmnopqrstuvwxyz")
}

fn encode(key: u64, digits: usize, alphabet: &[u8]) -> String {
    let base = alphabet.len() as u64;
    let mut text = String::with_capacity(digits);
    for index in 0..digits {
        text.push(char::from(alphabet[(mix(key, index as u64) % base) as usize]));
    }
    text
}

/// An identifier in the shape of a UUID.
pub fn uuid(key: u64) -> String {
    let text = hex(key, 32);
    format!("{}-{}-4{}-9{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_those_of_splitmix64() {
        // Reference: the published test vector of SplitMix64 with state 0, first output.
        assert_eq!(mix(0, 0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0, 1), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn bounded_draws_stay_below_the_bound() {
        let mut dice = Dice::new(7);
        assert!((0..10_000).all(|_| dice.below(3) < 3));
    }
}
