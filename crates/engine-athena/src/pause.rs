//! How long to wait before asking again: longer each time, and never at the same moment as everybody else.

use std::time::Duration;

/// Waits that grow by half from `first` to `longest`, each drawn from the upper half of its range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pauses {
    pub first: Duration,
    pub longest: Duration,
}

impl Pauses {
    /// Between polls of a query: short ones end within a second, long ones take minutes.
    pub fn of_polls() -> Pauses {
        Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(5) }
    }

    /// Between attempts to read on.
    pub fn of_calls() -> Pauses {
        Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(3) }
    }

    /// The wait before attempt `number`, from 0. `share` is from 0 to 255.
    fn wait(&self, number: u32, share: u8) -> Duration {
        let factor = 1.5f64.powi(number.min(40).try_into().unwrap_or(i32::MAX));
        let whole = self.first.mul_f64(factor).min(self.longest);
        whole / 2 + whole / 2 * u32::from(share) / 255
    }

    pub async fn pause(&self, number: u32) {
        let mut share = [128u8];
        // Without randomness the waits are those of everybody else, which is worse and not wrong.
        if let Err(error) = getrandom::fill(&mut share) {
            tracing::debug!(%error, "no randomness for a wait");
        }
        tokio::time::sleep(self.wait(number, share[0])).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_keep_to_their_upper_half() {
        let pauses = Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(5) };
        assert_eq!(pauses.wait(0, 255), Duration::from_millis(100));
        assert_eq!(pauses.wait(0, 0), Duration::from_millis(50));
        assert_eq!(pauses.wait(2, 255), Duration::from_millis(225));
        for number in [10, 1000, u32::MAX] {
            assert_eq!((pauses.wait(number, 0), pauses.wait(number, 255)), (Duration::from_millis(2500), Duration::from_secs(5)));
        }
    }
}
