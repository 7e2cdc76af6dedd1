//! A key that never leaves KMS.
//!
//! KMS signs the message itself (`RAW`) and hashes it there, once; what it gives is what `openssl dgst -sha256 -verify` takes.

use super::{PublicKey, SigningError};
use apportion_runtime::service::{Class, ServiceError};
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};

/// An ECC_NIST_P256 key for SIGN_VERIFY.
#[derive(Clone, Debug)]
pub struct Kms {
    client: Client,
    /// Id, ARN or alias.
    key: String,
}

impl Kms {
    pub fn new(client: Client, key: impl Into<String>) -> Kms {
        Kms { client, key: key.into() }
    }

    pub(super) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        let sign = self.client.sign().key_id(&self.key).message(Blob::new(message)).message_type(MessageType::Raw);
        let signed = sign.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send().await;
        let signed = signed.map_err(|error| named(ServiceError::of("kms:Sign", &error)))?;
        signed.signature.map(Blob::into_inner).ok_or_else(|| SigningError::Unavailable("kms:Sign gave no signature".to_owned()))
    }

    pub(super) async fn public_key(&self) -> Result<PublicKey, SigningError> {
        let found = self.client.get_public_key().key_id(&self.key).send().await;
        let found = found.map_err(|error| named(ServiceError::of("kms:GetPublicKey", &error)))?;
        let der = found.public_key.map(Blob::into_inner).unwrap_or_default();
        PublicKey::from_der(&der).map_err(|why| SigningError::Unusable(format!("{} is not a P-256 key ({why})", self.key)))
    }
}

fn named(error: ServiceError) -> SigningError {
    let text = error.to_string();
    match error.class {
        Class::Throttled => SigningError::Throttled(text),
        Class::Denied => SigningError::Denied(text),
        Class::Expired => SigningError::ExpiredCredentials(text),
        // Disabled, pending deletion, not there, of another kind. KMS reports a key whose store is away as its own failure.
        Class::Refused => SigningError::Unusable(text),
        Class::Unavailable => SigningError::Unavailable(text),
    }
}
