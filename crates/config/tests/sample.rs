//! The sample configuration of the repository holds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use apportion_config::{check, latest_driver_period, load, load_for_day, upgrade};
use apportion_core::model::{Key, Owner};
use std::path::{Path, PathBuf};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

#[test]
fn the_sample_configuration_loads() {
    let loaded = load(&sample(), "2026-09".parse().unwrap()).unwrap();
    let configuration = &loaded.configuration;
    assert_eq!(configuration.units.len(), 14);
    assert_eq!(configuration.special.len(), 12);
    assert_eq!(configuration.drivers.len(), 2);
    let unused = configuration.pools.iter().find(|pool| pool.id == "unused-commitments").unwrap();
    let Key::Fixed { weights } = &unused.key else { panic!() };
    assert_eq!(weights[&Owner::Unit("CC-2010".to_owned())], 275);
    assert_eq!(
        loaded.files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["drivers/2026-09/headcount.csv", "drivers/2026-09/network_gb.csv", "rules.toml", "taxonomy.toml", "units.toml"]
    );
    assert_eq!((loaded.budgets.len(), loaded.mail), (0, None));
    let daily = load_for_day(&sample(), "2026-09".parse().unwrap()).unwrap();
    assert_eq!((daily.budgets.len(), daily.mail.unwrap().anomalies.overrides.len()), (21, 2));
    assert!(daily.files.iter().any(|(name, _)| name == "budgets.csv"));
}

#[test]
fn check_says_what_each_pool_and_rule_resolves_to() {
    let period = "2026-09".parse().unwrap();
    let text = check(&load(&sample(), period).unwrap(), &load_for_day(&sample(), period).unwrap(), period).to_string();
    for line in [
        "14 units in 5 business units",
        "  cost_center: mandatory, compared without case, names the unit",
        "    cur2_resource_tags: user_cost_center, user_costcenter, user_cost_centre",
        "  network-hub: OU \"Shared Platform/Network\" -> pool:network",
        "  domain-names: service \"AmazonRegistrar\" and charge type \"Fee\" or \"Usage\" -> CC-5030",
        "  tax: follows what it belongs to, else pool:untagged",
        "  network \"Network hub\": by network_gb (GB through the transit gateway)",
        "    shared by all units (13), without CC-5010",
        "  not in force in 2026-09: logging (2025-12 and earlier)",
        // 60, 27.5 and 12.5 of 100.
        "    shares CC-1020 12.50 %, CC-2010 27.50 %, CC-5010 60.00 %",
        "    cap 40000, CC-3020 5000",
        "  all: 3250000 a month, alert at 80 % of it, again after 7 days",
        "  CC-2010: 650000 a month, alert at 85 % of it, again after 14 days",
        "digest from finops@meridian.example to finops@meridian.example, cfo-office@meridian.example",
        "  anomalies from 2.5 deviations and 100 on, after 21 days; 2 overrides",
    ] {
        assert!(text.lines().any(|found| found == line), "no line `{line}` in\n{text}");
    }
    assert!(!text.contains("warning"), "{text}");
}

#[test]
fn version_1_needs_no_upgrade() {
    assert_eq!(
        upgrade(&sample()).unwrap(),
        "taxonomy.toml, units.toml, rules.toml, mail.toml have version 1, which is current: nothing to do"
    );
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("newer");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["taxonomy.toml", "units.toml", "rules.toml"] {
        std::fs::write(folder.join(name), "version = 2\nnew_key = true\n").unwrap();
    }
    assert_eq!(
        upgrade(&folder).unwrap_err().to_string(),
        "taxonomy.toml:1: version 2 is newer than this program, which reads version 1 — use the version of apportion that wrote the file"
    );
}

#[test]
fn the_latest_month_with_drivers_is_found() {
    assert_eq!(latest_driver_period(&sample()).unwrap(), Some("2026-09".parse().unwrap()));
}
