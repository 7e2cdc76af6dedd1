//! A whole close by each engine: the same id, the same bytes.

use crate::world::World;
use apportion_tests::{Ran, apportion, close_folder, text, tree};
use std::path::Path;

/// Closes the sample into a folder below the one that Trino's catalog `files` sees.
fn close(world: &World, out: &Path, more: &[&str]) -> Ran {
    let sample = world.folder.path().join("close-sample");
    if !sample.exists() {
        apportion(world.folder.path(), &["sample", "--period", "2026-09", "--rows", "20000", "--out", &text(&sample)]).expect(0);
        let config = world.folder.path().join("close-config");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
        apportion_tests::run("cp", &["-r", &text(&source), &text(&config)], Path::new("/")).expect(0);
        apportion_tests::run("cp", &["-r", &text(&sample.join("drivers")), &text(&config)], Path::new("/")).expect(0);
    }
    let config = text(&world.folder.path().join("close-config"));
    let (bill, org, invoices) =
        (text(&sample.join("bill")), text(&sample.join("organization.json")), text(&sample.join("invoices.json")));
    let out = text(out);
    let mut arguments = vec!["close", "--period", "2026-09", "--bill", &bill, "--config", &config, "--org", &org];
    arguments.extend(["--invoices", &invoices, "--out", &out]);
    arguments.extend(more);
    apportion(world.folder.path(), &arguments)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_by_trino_is_the_close() {
    let Some(world) = World::find("closes").await else { return };
    let name = crate::world::token();
    let (embedded, by_trino) = (world.files.join(format!("{name}-embedded")), world.files.join(format!("{name}-trino")));
    let engine = format!("trino={}", world.trino);
    let cluster = ["--engine", &engine, "--catalog", "files", "--schema", &name];
    let root = format!("local:///{name}-trino/");
    let mut schema = vec!["schema", "--work", &root];
    schema.extend(cluster);
    std::fs::create_dir_all(&by_trino).unwrap();
    let made = apportion(world.folder.path(), &schema).expect(0);
    assert!(made.stdout.contains("cur2\n"), "{}", made.stdout);
    close(&world, &embedded, &[]).expect(0);
    close(&world, &by_trino, &cluster).expect(0);
    let (mut wanted, mut got) = (tree(&close_folder(&embedded, "2026-09")), tree(&close_folder(&by_trino, "2026-09")));
    // Signatures differ from one to the next by design.
    assert!(wanted.remove("CHECKPOINT.sig").is_some() && got.remove("CHECKPOINT.sig").is_some());
    assert_eq!(wanted, got);
    println!(
        "closes: {} files of a close alike, id {}",
        wanted.len(),
        close_folder(&embedded, "2026-09").file_name().unwrap().display()
    );
    // `verify` makes the month again with the embedded engine.
    apportion(world.folder.path(), &["verify", &text(&close_folder(&by_trino, "2026-09"))]).expect(0);
    // What a cluster cannot do is said before anything is written.
    let mut dry = vec!["--dry-run"];
    dry.extend(cluster);
    assert!(close(&world, &by_trino, &dry).expect(2).stderr.contains("does not see"));
}
