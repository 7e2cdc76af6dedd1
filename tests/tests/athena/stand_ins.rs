//! What the tests of Athena start: an S3 (the emulator) and the front that speaks Athena.

use super::adapter::{clients, settings};
use apportion_engine_athena::AthenaEngine;
use apportion_tests::front::Front;
use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The address of an S3 on this machine, the same for all tests.
pub fn s3() -> String {
    let Some(emulator) = apportion_stand_ins::emulator("Athena over S3") else {
        panic!("`scripts/emulator install` does not work")
    };
    emulator.url()
}

/// A bucket that may be there already.
pub async fn bucket(name: &str) {
    let _ = clients("http://127.0.0.1:9", &s3()).1.create_bucket().bucket(name).send().await;
}

pub fn engine(athena: &str, s3: &str) -> AthenaEngine {
    let (athena, s3) = clients(athena, s3);
    AthenaEngine::new(athena, s3, settings())
}

/// A front over that S3.
pub async fn front(arguments: &[&str]) -> Front {
    bucket("results").await;
    Front::start(&s3(), arguments)
}
