//! The sample configuration of the repository holds.

use apportion_config::load;
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
    assert_eq!(loaded.files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [
        "drivers/2026-09/headcount.csv",
        "drivers/2026-09/network_gb.csv",
        "rules.toml",
        "taxonomy.toml",
        "units.toml"
    ]);
}
