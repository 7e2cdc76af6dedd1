//! Keeps requests under a published rate.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A rate: `burst` requests at once, then one every `interval`.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    pub interval: Duration,
    pub burst: u32,
}

/// A token bucket of a [`Rate`]; callers wait in turn.
#[derive(Debug)]
pub(super) struct Pace(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    /// When the bucket is full again.
    full: Instant,
}

impl Bucket {
    /// Takes a token: when its request may go out.
    fn take(&mut self, now: Instant) -> Instant {
        self.full = self.full.max(now) + self.rate.interval;
        // `None` only where the clock of the machine began less than a burst ago.
        self.full.checked_sub(self.rate.interval * self.rate.burst).unwrap_or(now)
    }

    fn drain(&mut self, now: Instant) {
        self.full = self.full.max(now + self.rate.interval * self.rate.burst);
    }
}

impl Pace {
    pub fn new(rate: Rate) -> Pace {
        Pace(Mutex::new(Bucket { rate, full: Instant::now() }))
    }

    /// Waits until one more request is within the rate.
    pub async fn turn(&self) {
        let at = self.0.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        sleep_until(at).await;
    }

    /// Empties the bucket: the service said that the rate is used up, perhaps by others.
    pub fn drain(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Burst 3, then one every 200 ms: requests 1 to 3 at 0, the fourth at 0.2 s, the tenth at 1.4 s.
    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut bucket = Bucket { rate: Rate { interval: Duration::from_millis(200), burst: 3 }, full: Instant::now() };
        let mut at = |now: Instant| bucket.take(now).saturating_duration_since(now).as_millis();
        let waits: Vec<_> = (0..10).map(|_| at(start)).collect();
        assert_eq!(waits, [0, 0, 0, 200, 400, 600, 800, 1000, 1200, 1400]);
        // A rest fills the bucket, never beyond the burst.
        let later = start + Duration::from_secs(60);
        let waits: Vec<_> = (0..4).map(|_| at(later)).collect();
        assert_eq!(waits, [0, 0, 0, 200]);
        // Drained, it gives a request after each interval again.
        let last = later + Duration::from_secs(60);
        bucket.drain(last);
        let waits: Vec<_> = (0..2).map(|_| bucket.take(last).saturating_duration_since(last).as_millis()).collect();
        assert_eq!(waits, [200, 400]);
    }
}
