//! scratch: residuals of every group and day.
use apportion_core::day::Day;
use apportion_core::forecast::monthly;
use apportion_core::money::Money;
use apportion_core::season::{Fit, Series};
use std::collections::BTreeMap;
use std::error::Error;
fn main() -> Result<(), Box<dyn Error>> {
    for path in std::env::args().skip(1) {
        let mut services: BTreeMap<(String, String), Series> = BTreeMap::new();
        for row in csv::Reader::from_path(&path)?.deserialize() {
            let (day, owner, _ou, service, amount): (Day, String, String, String, Money) = row?;
            *services.entry((owner, service)).or_default().entry(day).or_default() += amount;
        }
        let first = services.values().flat_map(|s| s.keys()).min().copied().unwrap_or(Day::from_number(0).ok_or("x")?);
        let last = services.values().flat_map(|s| s.keys()).max().copied().unwrap_or(first);
        for ((owner, service), series) in services.iter().filter(|((owner, _), _)| !owner.starts_with("__")) {
            for day in (first.number() + 1..=last.number()).filter_map(Day::from_number) {
                let (Some(before), Some(from)) = (day.plus(-1), day.plus(-56)) else { continue };
                let known = series.range(from..=before).filter(|(_, m)| !m.is_zero()).count();
                let Some(fit) = Fit::new(series, before) else { continue };
                let f = |m: Money| m.units() as f64 / 1e12;
                let actual = series.get(&day).copied().unwrap_or_default();
                let m = monthly(series, day, before);
                println!("{path},{owner},{service},{day},{},{},{},{},{known},{}", f(actual), f(fit.expected(day)), f(m), f(fit.sigma()), day.since(first));
            }
        }
    }
    Ok(())
}
