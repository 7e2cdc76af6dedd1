//! A million doubles become decimals alike, and a million rows do not fill the client's memory.

use crate::bills::doubles;
use crate::world::{self, World};
use apportion_engine::{Poll, Statement};
use futures::StreamExt;
use std::fmt::Write as _;

const DOUBLES: usize = 1_000_000;

/// Random doubles of every magnitude that a bill may have, ties at the twelfth digit, subnormals. `state` is the seed.
fn hard_doubles(number: usize, mut state: u64) -> Vec<f64> {
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut all = vec![0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e-300, 1e15, -1e15, 5e-13, 4.999999999999999e-13];
    while all.len() < number {
        let bits = next();
        let value = match bits % 5 {
            // Any bits at all.
            0 => f64::from_bits(next()),
            // A tie, or a neighbour of one.
            1 => {
                let tie = (next() % 2_000_000_000) as f64 / 1e12 + 5e-13;
                f64::from_bits(tie.to_bits().wrapping_add(next() % 3).wrapping_sub(1))
            }
            2 => (next() % 1_000_000_000_000) as f64 / 10f64.powi((next() % 16) as i32),
            3 => f64::from_bits(next() % (1 << 52)),
            _ => -((next() % 1_000_000) as f64) * 0.001 - (next() % 1000) as f64 * 1e-13,
        };
        if value.abs() <= 1e15 {
            all.push(value);
        }
    }
    all
}

/// Resident memory of this process in KiB: now, or the most since it was last reset.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_doubles_become_the_same_decimals() {
    let Some(world) = World::find("doubles").await else { return };
    let values = hard_doubles(DOUBLES, 0x9e37_79b9_7f4a_7c15);
    let placed = world.place_bytes("doubles.parquet", &doubles(&values)).await.unwrap();
    let sql = "select SubAccountId as n, cast(BilledCost as decimal(38, 12)) as d, \
        case when cast(BilledCost as decimal(38, 20)) <> cast(BilledCost as decimal(38, 12)) then 'lossy' else 'exact' end as e from bill";
    let statement = Statement { name: "doubles".to_owned(), sql: sql.to_owned(), tables: placed.tables.clone(), lookups: vec![] };
    let mut of_each: Vec<Vec<(i128, bool)>> = Vec::new();
    for contender in world.contenders() {
        // Written to before memory is looked at, so that its own is not counted.
        let mut found = vec![(-1, true); values.len()];
        let before = memory("VmRSS:");
        // Resets the peak; where that is not allowed the figure is too large, not too small.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let id = contender.engine.start(&statement, &world::token()).await.unwrap();
        let rows_read = loop {
            match contender.engine.poll(&id).await.unwrap() {
                Poll::Running { .. } => continue,
                Poll::Succeeded { rows_read, .. } => break rows_read,
                failed => panic!("{}: {failed:?}", contender.name),
            }
        };
        let mut rows = contender.engine.rows(&id).await.unwrap().rows;
        let mut count = 0;
        while let Some(row) = rows.next().await {
            let row = row.unwrap();
            let [Some(number), Some(decimal), Some(exact)] = row.as_slice() else { panic!("{row:?}") };
            found[number.parse::<usize>().unwrap()] = (apportion_tests::units(decimal), exact == "lossy");
            count += 1;
        }
        assert_eq!(count, values.len(), "{}", contender.name);
        // Athena tells bytes only.
        assert!(rows_read == values.len() as u64 || contender.name == world::ATHENA, "{}: {rows_read}", contender.name);
        let peak = memory("VmHWM:").saturating_sub(before);
        println!("doubles: {}: {count} rows of a result, {} MiB more than before at the peak", contender.name, peak / 1024);
        assert!(peak < 200 * 1024 || contender.name == world::EMBEDDED, "{}: {peak} KiB", contender.name);
        of_each.push(found);
    }
    for others in &of_each[1..] {
        for (index, (wanted, got)) in of_each[0].iter().zip(others).enumerate() {
            assert_eq!(wanted, got, "{:e}", values[index]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doubles_beyond_a_bill_are_cast_alike_too() {
    let Some(world) = World::find("large doubles").await else { return };
    let placed = world.place_bytes("one.parquet", &doubles(&[1.0])).await.unwrap();
    let mut state = 12_345u64;
    let mut compared = 0;
    // A statement of ten thousand literals is longer than Athena takes.
    for _ in 0..5 {
        let mut sql = String::from("select n, cast(x as decimal(38, 12)) as d from (values ");
        for index in 0..2_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let magnitude = 15 + (state >> 60) as i32 % 10;
            let sign = if state & 1 == 0 { 1.0 } else { -1.0 };
            let value = ((state >> 11) as f64 / (1u64 << 53) as f64) * 10f64.powi(magnitude) * sign;
            write!(sql, "{}({index}, {value:e})", if index == 0 { "" } else { ", " }).unwrap();
        }
        sql.push_str(") as t (n, x)");
        let statement = Statement { name: "large".to_owned(), sql, tables: placed.tables.clone(), lookups: vec![] };
        let asked = crate::Asked { statement, ordered: false };
        let mut answers = Vec::new();
        for contender in world.contenders() {
            answers.push(crate::answer(&contender, &asked).await.unwrap().1);
        }
        compared += answers[0].len();
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    }
    assert_eq!(compared, 10_000);
    println!("doubles: {compared} beyond 1e15 become the same decimals");
}
