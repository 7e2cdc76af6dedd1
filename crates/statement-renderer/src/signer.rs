//! Who says that a close is the close: ECDSA P-256 over its CHECKPOINT, checked with `openssl dgst -sha256 -verify`.
//!
//! The key is KMS's, which never gives it away, or a file of this machine.
//! The local key lies in the user's configuration folder, is made on first use, and is refused where it proves nothing: beside the
//! closes that it signs, or readable by others. Its signatures are deterministic (RFC 6979), those of KMS are not.

#[cfg(feature = "aws")]
mod kms;

#[cfg(feature = "aws")]
pub use kms::Kms;

use apportion_output::sha256_hex;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, RecoveryId, Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The private key's file name, PKCS#8 PEM.
pub const KEY_FILE: &str = "signing-key.pem";
/// The public key's file name, SPKI PEM: hand it to whoever checks.
pub const PUBLIC_KEY_FILE: &str = "signing-key.pub.pem";

/// What signs checkpoints.
#[derive(Clone)]
pub enum Signer {
    KeyFile(KeyFile),
    #[cfg(feature = "aws")]
    Kms(Kms),
}

/// A key of this machine.
#[derive(Clone)]
pub struct KeyFile {
    key: SigningKey,
    path: PathBuf,
}

/// Whose signature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    #[error("there is no folder for the signing key: set APPORTION_KEY_DIR, XDG_CONFIG_HOME or HOME")]
    NoFolder,
    #[error(
        "the signing key would lie in {folder}, below {out}: a key beside the closes proves nothing; set APPORTION_KEY_DIR to a folder outside"
    )]
    BesideTheCloses { folder: String, out: String },
    #[error(
        "others can read the signing key {path} (mode {mode:03o}): run `chmod 600 {path}`, or make a new key if they may have"
    )]
    Readable { path: String, mode: u32 },
    #[error("{path} is not a P-256 key in PEM: {why}")]
    NotAKey { path: String, why: String },
    #[error("{public} is not the public key of {private}: remove it, the right one is then written")]
    Mismatch { public: String, private: String },
    #[error("the signing key {path}: {source}")]
    Io { path: String, source: io::Error },
}

/// Why nothing was signed. What was to be signed stays staged: run again once the cause is mended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    #[error("{0}: allow kms:Sign and kms:GetPublicKey on the signing key to the publisher alone")]
    Denied(String),
    #[error("{0}: enable the signing key, or name one that is an ECC_NIST_P256 key for SIGN_VERIFY")]
    Unusable(String),
    #[error("{0}")]
    Throttled(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    ExpiredCredentials(String),
}

impl SigningError {
    /// The name that a state machine catches.
    pub fn name(&self) -> &'static str {
        match self {
            SigningError::Denied(_) => "SigningDenied",
            SigningError::Unusable(_) => "SigningKeyUnusable",
            SigningError::Throttled(_) => "ServiceThrottled",
            SigningError::Unavailable(_) => "ServiceUnavailable",
            SigningError::ExpiredCredentials(_) => "ExpiredCredentials",
        }
    }
}

impl Signer {
    /// The user's key, as [`KeyFile::open_or_create`] gives it.
    pub fn open_or_create(out: &Path) -> Result<Signer, SignerError> {
        KeyFile::open_or_create(out).map(Signer::KeyFile)
    }

    /// Signs a message of at most 4,096 bytes: ECDSA P-256 with SHA-256, DER.
    pub async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        match self {
            Signer::KeyFile(file) => Ok(file.sign(message)),
            #[cfg(feature = "aws")]
            Signer::Kms(kms) => kms.sign(message).await,
        }
    }

    pub async fn public_key(&self) -> Result<PublicKey, SigningError> {
        match self {
            Signer::KeyFile(file) => Ok(file.public_key()),
            #[cfg(feature = "aws")]
            Signer::Kms(kms) => kms.public_key().await,
        }
    }
}

impl KeyFile {
    /// The user's key, made on first use: in `$APPORTION_KEY_DIR`, else `$XDG_CONFIG_HOME/apportion`, else
    /// `~/.config/apportion`. `out` is the folder that holds the closes.
    pub fn open_or_create(out: &Path) -> Result<KeyFile, SignerError> {
        KeyFile::in_folder(&key_folder()?, out)
    }

    /// The key of a folder, made if there is none.
    pub fn in_folder(folder: &Path, out: &Path) -> Result<KeyFile, SignerError> {
        let path = folder.join(KEY_FILE);
        for place in [real(folder), real(&path)] {
            if place.starts_with(real(out)) {
                return Err(SignerError::BesideTheCloses { folder: shown(folder), out: shown(out) });
            }
        }
        if !path.exists() {
            create(folder, &path)?;
        }
        private(&path)?;
        let text = fs::read_to_string(&path).map_err(|source| SignerError::Io { path: shown(&path), source })?;
        let key = SigningKey::from_pkcs8_pem(&text).map_err(|error| not_a_key(&path, &error))?;
        let file = KeyFile { key, path };
        file.write_public_key(&folder.join(PUBLIC_KEY_FILE))?;
        Ok(file)
    }

    /// Signs a message: ECDSA P-256 with SHA-256, DER.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.key.sign(message);
        signature.as_bytes().to_vec()
    }

    pub fn public_key(&self) -> PublicKey {
        PublicKey(*self.key.verifying_key())
    }

    fn write_public_key(&self, path: &Path) -> Result<(), SignerError> {
        let failed = |source| SignerError::Io { path: shown(path), source };
        let text = self.key.verifying_key().to_public_key_pem(LineEnding::LF).map_err(|error| not_a_key(path, &error))?;
        match fs::read_to_string(path) {
            Ok(found) if PublicKey::from_pem(&found).is_ok_and(|found| found == self.public_key()) => Ok(()),
            Ok(_) => Err(SignerError::Mismatch { public: shown(path), private: shown(&self.path) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(Path::new("."));
                let mut builder = tempfile::Builder::new();
                #[cfg(unix)]
                builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
                let mut temporary = builder.tempfile_in(folder).map_err(failed)?;
                temporary.write_all(text.as_bytes()).map_err(failed)?;
                temporary.persist(path).map_err(|refused| failed(refused.error))?;
                Ok(())
            }
            Err(error) => Err(failed(error)),
        }
    }
}

impl PublicKey {
    /// Reads SPKI PEM, as `openssl pkey -pubout` writes it.
    pub fn from_pem(text: &str) -> Result<PublicKey, String> {
        VerifyingKey::from_public_key_pem(text).map(PublicKey).map_err(|error| error.to_string())
    }

    /// Reads SPKI DER, as KMS gives it.
    pub fn from_der(der: &[u8]) -> Result<PublicKey, String> {
        VerifyingKey::from_public_key_der(der).map(PublicKey).map_err(|error| error.to_string())
    }

    /// SPKI PEM.
    pub fn to_pem(&self) -> Result<String, String> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(|error| error.to_string())
    }

    /// SHA-256 of the key's DER, hex: `openssl pkey -pubin -in PUB -outform DER | sha256sum`.
    pub fn fingerprint(&self) -> Result<String, String> {
        let der = self.0.to_public_key_der().map_err(|error| error.to_string())?;
        Ok(sha256_hex(der.as_bytes()))
    }

    /// Whether `signature` (DER) is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        DerSignature::from_bytes(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

/// Every public key whose signature over `message` this could be (ECDSA lets them be computed): a pinned fingerprint among
/// theirs says who signed without the key at hand.
pub fn possible_signers(message: &[u8], signature: &[u8]) -> Vec<PublicKey> {
    let Ok(signature) = Signature::from_der(signature) else { return Vec::new() };
    let candidates = (0..4u8).filter_map(RecoveryId::from_byte);
    candidates.filter_map(|id| VerifyingKey::recover_from_msg(message, &signature, id).ok().map(PublicKey)).collect()
}

/// Where the user's key lies.
pub fn key_folder() -> Result<PathBuf, SignerError> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("APPORTION_KEY_DIR")
        .or_else(|| set("XDG_CONFIG_HOME").map(|folder| folder.join("apportion")))
        .or_else(|| set("HOME").map(|home| home.join(".config/apportion")))
        .ok_or(SignerError::NoFolder)
}

/// Writes a new key; one that another process wrote meanwhile stays.
fn create(folder: &Path, path: &Path) -> Result<(), SignerError> {
    let failed = |source| SignerError::Io { path: shown(path), source };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)?;
    let key = SigningKey::try_generate().map_err(|error: getrandom::Error| failed(error.into()))?;
    let text = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| not_a_key(path, &error))?;
    // Temporary files have mode 0600 from their first byte.
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    temporary.write_all(text.as_bytes()).and_then(|()| temporary.as_file().sync_all()).map_err(failed)?;
    match temporary.persist_noclobber(path) {
        Err(refused) if refused.error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(refused.error)),
        _ => {}
    }
    let _ = File::open(folder).and_then(|folder| folder.sync_all()); // not every file system can
    Ok(())
}

#[cfg(unix)]
fn private(path: &Path) -> Result<(), SignerError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = fs::metadata(path).map_err(|source| SignerError::Io { path: shown(path), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SignerError::Readable { path: shown(path), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(_path: &Path) -> Result<(), SignerError> {
    Ok(())
}

/// The path without links; of what does not exist yet, the part that does and the rest as it stands.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    for ancestor in path.ancestors() {
        if let Ok(found) = ancestor.canonicalize() {
            return found.join(path.strip_prefix(ancestor).unwrap_or(Path::new("")));
        }
    }
    path
}

fn not_a_key(path: &Path, error: &dyn std::fmt::Display) -> SignerError {
    SignerError::NotAKey { path: shown(path), why: error.to_string() }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
