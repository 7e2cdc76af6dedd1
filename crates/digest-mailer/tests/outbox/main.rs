//! Both outboxes pass one suite; SES with faults between, and at most one mail of each whatever happens.
#![allow(clippy::unwrap_used)]

mod conformance;

use apportion_store::Store;
use digest_mailer::{Outbox, Topic};

#[tokio::test]
async fn the_directory_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = Outbox::Directory(Store::directory(folder.path()));
    conformance::check(&outbox, "apportion@example.com", "finops@example.com").await.unwrap();
    let error = outbox.settle(&Topic::Digest("2026-09-01".parse().unwrap()), 1, true).await.unwrap_err();
    assert_eq!(error.name(), "NothingToSettle");
}

#[cfg(feature = "aws")]
mod ses;
