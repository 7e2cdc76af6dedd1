//! A close signed by KMS: stock tools verify it; without a signature nothing is published.
#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod staged;

use apportion_stand_ins::{Fault, Proxy, StandIn, call, emulator};
use aws_sdk_kms::config::{BehaviorVersion, Builder, Credentials, Region};
use staged::Staged;
use statement_renderer::publish::{Context, Error, Event, Output, Status, handle};
use statement_renderer::signer::{Kms, Signer, possible_signers};
use std::process::Command;

struct World {
    emulator: &'static StandIn,
    proxy: Proxy,
    key: String,
    signer: Signer,
    staged: Staged,
}

async fn world(what: &str) -> Option<World> {
    world_with(what, "ECC_NIST_P256").await
}

async fn world_with(what: &str, spec: &str) -> Option<World> {
    let emulator = emulator(what)?;
    let input = format!("{{\"KeySpec\":\"{spec}\",\"KeyUsage\":\"SIGN_VERIFY\"}}");
    let made: serde_json::Value = serde_json::from_str(&call(emulator, "TrentService.CreateKey", &input)).unwrap();
    let key = made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned();
    let proxy = Proxy::before(&emulator.url());
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(proxy.url())
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"));
    let signer = Signer::Kms(Kms::new(aws_sdk_kms::Client::from_conf(config.build()), key.clone()));
    Some(World { emulator, proxy, key, signer, staged: Staged::new("2026-09", "aaaa").await })
}

impl World {
    async fn publish(&self) -> Result<Output, Error> {
        let context = Context { work: self.staged.work(), closes: self.staged.work(), signer: Some(self.signer.clone()) };
        handle(&context, Event { run: self.staged.run.clone() }).await
    }

    /// Whether `openssl` finds the checkpoint signed by the key that KMS names.
    async fn openssl_verifies(&self) -> bool {
        let close = self.staged.out().join("closes/2026-09/aaaa");
        let public = self.staged.folder.path().join("kms.pem");
        std::fs::write(&public, self.signer.public_key().await.unwrap().to_pem().unwrap()).unwrap();
        let check = Command::new("openssl")
            .args(["dgst", "-sha256", "-verify", public.to_str().unwrap(), "-signature", "CHECKPOINT.sig", "CHECKPOINT"])
            .current_dir(close)
            .output()
            .expect("openssl runs");
        String::from_utf8_lossy(&check.stdout) == "Verified OK\n"
    }

    fn is_committed(&self) -> bool {
        self.staged.out().join("closes/2026-09/CURRENT").exists()
    }

    fn is_signed(&self) -> bool {
        self.staged.out().join("closes/2026-09/aaaa/CHECKPOINT.sig").exists()
    }
}

#[tokio::test]
async fn openssl_verifies_what_kms_signed() {
    let Some(world) = world("signing by KMS").await else { return };
    assert_eq!(world.publish().await.unwrap().status, Status::Committed);
    assert!(world.openssl_verifies().await);
    assert_eq!(world.publish().await.unwrap().status, Status::Already);
    let read = |name: &str| std::fs::read(world.staged.out().join("closes/2026-09/aaaa").join(name)).unwrap();
    let (public, signers) =
        (world.signer.public_key().await.unwrap(), possible_signers(&read("CHECKPOINT"), &read("CHECKPOINT.sig")));
    assert!(signers.contains(&public), "a pinned fingerprint finds KMS's key too");
    // The key as KMS itself gives it, made PEM by openssl.
    let given = call(world.emulator, "TrentService.GetPublicKey", &format!("{{\"KeyId\":\"{}\"}}", world.key));
    let given: serde_json::Value = serde_json::from_str(&given).unwrap();
    let script = "base64 -d | openssl pkey -pubin -inform DER -pubout";
    let script = format!("echo {} | {script}", given["PublicKey"].as_str().unwrap());
    let pem = Command::new("sh").args(["-c", &script]).output().unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&pem), public.to_pem().unwrap());
}

/// Two publishers sign differently; of two valid signatures the first stays.
#[tokio::test]
async fn publishers_at_the_same_time_leave_one_valid_signature() {
    let Some(world) = world("two publishers by KMS").await else { return };
    let (one, two) = tokio::join!(world.publish(), world.publish());
    let both = [one.unwrap().status, two.unwrap().status];
    assert!(both.contains(&Status::Committed), "{both:?}");
    assert!(world.openssl_verifies().await);
}

#[tokio::test]
async fn a_signature_that_kms_does_not_give_publishes_nothing_and_is_given_later() {
    let Some(world) = world("faults of KMS").await else { return };
    for (operation, status, code, name) in [
        ("TrentService.Sign", 400, "AccessDeniedException", "SigningDenied"),
        ("TrentService.GetPublicKey", 400, "AccessDeniedException", "SigningDenied"),
        ("TrentService.Sign", 400, "ThrottlingException", "ServiceThrottled"),
        ("TrentService.Sign", 400, "ExpiredTokenException", "ExpiredCredentials"),
        ("TrentService.Sign", 500, "KMSInternalException", "ServiceUnavailable"),
        ("TrentService.Sign", 400, "KMSInvalidStateException", "SigningKeyUnusable"),
    ] {
        world.proxy.inject(operation, 99, Fault::Refuse { status, code });
        let error = world.publish().await.unwrap_err();
        assert_eq!(error.name(), name, "{error}");
        assert!(error.to_string().starts_with("nothing was published, since nothing was signed: kms:"), "{error}");
        assert!(!world.is_committed(), "{code} at {operation}");
        world.proxy.clear();
    }
    world.proxy.inject("TrentService.Sign", 1, Fault::DoneButLost);
    assert_eq!(world.publish().await.unwrap().status, Status::Committed);
    assert!(world.openssl_verifies().await);
}

#[tokio::test]
async fn a_disabled_key_and_one_that_is_not_there_sign_nothing() {
    let Some(world) = world("a disabled key").await else { return };
    let input = format!("{{\"KeyId\":\"{}\"}}", world.key);
    call(world.emulator, "TrentService.DisableKey", &input);
    let error = world.publish().await.unwrap_err();
    assert_eq!(error.name(), "SigningKeyUnusable", "{error}");
    assert!(!world.is_committed() && !world.is_signed());
    call(world.emulator, "TrentService.EnableKey", &input);
    assert_eq!(world.publish().await.unwrap().status, Status::Committed);
    assert!(world.openssl_verifies().await);
}

#[tokio::test]
async fn a_key_of_another_curve_publishes_nothing() {
    let Some(world) = world_with("a key of another curve", "ECC_NIST_P384").await else { return };
    let error = world.publish().await.unwrap_err();
    assert_eq!(error.name(), "SigningKeyUnusable", "{error}");
    assert!(!world.is_committed());
}
