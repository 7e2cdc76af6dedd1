//! The local key: made once, private, checked with openssl alone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use statement_renderer::signer::{KEY_FILE, KeyFile, PUBLIC_KEY_FILE, PublicKey, SignerError, possible_signers};
use std::fs;
use std::path::Path;
use std::process::Command;

fn folders() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (keys, out) = (folder.path().join("config/apportion"), folder.path().join("out"));
    (folder, keys, out)
}

fn openssl(arguments: &[&str]) -> Option<std::process::Output> {
    match Command::new("openssl").args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "openssl must be there in CI: {error}");
            println!("SKIPPED openssl: it is not installed here");
            None
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_key_is_made_once_and_signs_the_same_bytes_alike() {
    let (_folder, keys, out) = folders();
    let first = KeyFile::in_folder(&keys, &out).unwrap();
    let again = KeyFile::in_folder(&keys, &out).unwrap();
    assert_eq!(first.sign(b"message"), again.sign(b"message"));
    assert_ne!(first.sign(b"message"), first.sign(b"massage"));
    let public = PublicKey::from_pem(&fs::read_to_string(keys.join(PUBLIC_KEY_FILE)).unwrap()).unwrap();
    assert_eq!(public, first.public_key());
    assert!(public.verifies(b"message", &first.sign(b"message")));
    assert!(!public.verifies(b"massage", &first.sign(b"message")));
    assert!(!public.verifies(b"message", b""));
    assert!(fs::read_to_string(keys.join(KEY_FILE)).unwrap().starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

#[test]
fn openssl_agrees_on_signature_key_and_fingerprint() {
    let (folder, keys, out) = folders();
    let signer = KeyFile::in_folder(&keys, &out).unwrap();
    let (message, signature) = (folder.path().join("CHECKPOINT"), folder.path().join("CHECKPOINT.sig"));
    fs::write(&message, "period 2026-09\n").unwrap();
    fs::write(&signature, signer.sign(b"period 2026-09\n")).unwrap();
    let public = keys.join(PUBLIC_KEY_FILE);
    let check = ["dgst", "-sha256", "-verify", text(&public), "-signature", text(&signature), text(&message)];
    let Some(output) = openssl(&check) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Verified OK\n");
    fs::write(&message, "period 2026-10\n").unwrap();
    assert!(!openssl(&check).unwrap().status.success(), "another message is not signed");
    // What openssl says of the private key is what we say of it.
    let derived = openssl(&["pkey", "-in", text(&keys.join(KEY_FILE)), "-pubout"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&derived.stdout), fs::read_to_string(&public).unwrap());
    let der = openssl(&["pkey", "-pubin", "-in", text(&public), "-outform", "DER"]).unwrap().stdout;
    assert_eq!(signer.public_key().fingerprint().unwrap(), apportion_output::sha256_hex(&der));
    // And a key and a signature of openssl's making are understood.
    let theirs = folder.path().join("theirs.pem");
    openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", text(&theirs)]).unwrap();
    let signed = openssl(&["dgst", "-sha256", "-sign", text(&theirs), text(&message)]).unwrap().stdout;
    let pem = openssl(&["pkey", "-in", text(&theirs), "-pubout"]).unwrap().stdout;
    let public = PublicKey::from_pem(&String::from_utf8(pem).unwrap()).unwrap();
    assert!(public.verifies(b"period 2026-10\n", &signed));
    assert!(possible_signers(b"period 2026-10\n", &signed).contains(&public));
}

#[test]
fn signatures_are_those_of_rfc_6979() {
    // RFC 6979, appendix A.2.5: P-256, SHA-256, message "sample".
    let (_folder, keys, out) = folders();
    fs::create_dir_all(&keys).unwrap();
    let secret = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let bytes: Vec<u8> = (0..32).map(|index| u8::from_str_radix(&secret[2 * index..2 * index + 2], 16).unwrap()).collect();
    let key = p256::ecdsa::SigningKey::from_slice(&bytes).unwrap();
    let pem = p256::pkcs8::EncodePrivateKey::to_pkcs8_pem(&key, p256::pkcs8::LineEnding::LF).unwrap();
    let path = keys.join(KEY_FILE);
    fs::write(&path, pem.as_bytes()).unwrap();
    restrict(&path, 0o600);
    let signature = KeyFile::in_folder(&keys, &out).unwrap().sign(b"sample");
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    let r = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716";
    let s = "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
    // DER: both integers have their top bit set, so each gets a zero byte before it.
    assert_eq!(hex, format!("3046022100{r}022100{s}"));
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn the_key_is_private_and_one_that_is_not_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, keys, out) = folders();
    KeyFile::in_folder(&keys, &out).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&keys), mode(&keys.join(KEY_FILE))), (0o700, 0o600));
    for wide in [0o640, 0o604, 0o644, 0o660] {
        restrict(&keys.join(KEY_FILE), wide);
        let error = KeyFile::in_folder(&keys, &out).err().unwrap();
        assert!(matches!(&error, SignerError::Readable { mode, .. } if *mode == wide), "{error}");
        assert!(error.to_string().contains("chmod 600"));
    }
    restrict(&keys.join(KEY_FILE), 0o400);
    assert!(KeyFile::in_folder(&keys, &out).is_ok());
}

#[cfg(unix)]
#[test]
fn a_key_beside_the_closes_is_refused_however_it_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    fs::create_dir_all(&out).unwrap();
    std::os::unix::fs::symlink(&out, folder.path().join("alias")).unwrap();
    for keys in ["out", "out/keys", "alias/keys", "out/../out/keys"] {
        let error = KeyFile::in_folder(&folder.path().join(keys), &out).err().unwrap();
        assert!(matches!(error, SignerError::BesideTheCloses { .. }), "{keys}: {error}");
        assert!(!out.join("keys").exists(), "nothing is made there");
    }
    // A folder whose name only begins alike is another folder.
    assert!(KeyFile::in_folder(&folder.path().join("out-keys"), &out).is_ok());
    // A link to a key that lies under out.
    let linked = folder.path().join("linked");
    fs::create_dir_all(&linked).unwrap();
    std::os::unix::fs::symlink(out.join("key.pem"), linked.join(KEY_FILE)).unwrap();
    fs::copy(folder.path().join("out-keys").join(KEY_FILE), out.join("key.pem")).unwrap();
    assert!(matches!(KeyFile::in_folder(&linked, &out).err().unwrap(), SignerError::BesideTheCloses { .. }));
}

#[test]
fn a_file_that_is_no_key_is_named() {
    let (_folder, keys, out) = folders();
    KeyFile::in_folder(&keys, &out).unwrap();
    fs::write(keys.join(PUBLIC_KEY_FILE), "-----BEGIN PUBLIC KEY-----\n").unwrap();
    assert!(matches!(KeyFile::in_folder(&keys, &out).err().unwrap(), SignerError::Mismatch { .. }));
    fs::remove_file(keys.join(PUBLIC_KEY_FILE)).unwrap();
    assert!(KeyFile::in_folder(&keys, &out).is_ok(), "a public key that is gone is written again");
    fs::write(keys.join(KEY_FILE), "not a key").unwrap();
    let error = KeyFile::in_folder(&keys, &out).err().unwrap().to_string();
    assert!(error.contains("signing-key.pem is not a P-256 key in PEM"), "{error}");
}

#[test]
fn many_first_uses_at_once_agree_on_one_key() {
    let (_folder, keys, out) = folders();
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let (keys, out) = (keys.clone(), out.clone());
            std::thread::spawn(move || KeyFile::in_folder(&keys, &out).unwrap().public_key())
        })
        .collect();
    let found: Vec<PublicKey> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    let names = fs::read_dir(&keys).unwrap().count();
    assert_eq!(names, 2, "no half-written file stays");
}
