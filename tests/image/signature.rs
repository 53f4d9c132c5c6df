//! A signature as cosign makes it: it stands in the registry beside the image, as an image of its own whose layer is what
//! was signed and whose annotation is the signature (ECDSA over P-256 and SHA-256).
//!
//! The key is a plain PKCS #8 file (`openssl genpkey`). Whoever has their key with cosign or a KMS signs with cosign.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Result;
use super::layout::{self, Layout};

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// What is signed.
#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Option<Value>,
}

/// Which image it is about, and where that stands.
#[derive(PartialEq, Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    r#type: String,
}

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

impl Critical {
    fn of(repository: &str, digest: &str) -> Self {
        Self {
            identity: Identity { docker_reference: repository.to_owned() },
            image: Image { docker_manifest_digest: digest.to_owned() },
            r#type: "cosign container image signature".to_owned(),
        }
    }
}

/// The tag that the signatures of an image have.
pub(crate) fn tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

/// Signs an image of a repository, and writes the signature as a layout.
pub(crate) fn sign(repository: &str, digest: &str, key: &str, directory: &Path) -> Result {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| "the key is no PKCS #8 file in PEM")?;
    let key = SigningKey::from_pkcs8_der(key.secret_der()).map_err(|_| "the key is no PKCS #8 key of P-256")?;
    let payload = serde_json::to_vec(&Payload { critical: Critical::of(repository, digest), optional: None })?;
    let signature: Signature = key.sign(&payload);
    let layout = Layout::create(directory)?;
    let mut layer = layout.write_blob(PAYLOAD, &payload)?;
    layer.annotations.insert(ANNOTATION.to_owned(), STANDARD.encode(signature.to_der()));
    let config = json!({ "architecture": "", "os": "", "config": {}, "rootfs": layout::rootfs(&payload) });
    layout.write_image(&config, layer, &[])?;
    Ok(())
}

/// Whether one of the signatures in a layout is of this key, for this image of this repository.
pub(crate) fn verify(signatures: &Layout, repository: &str, digest: &str, key: &str) -> Result {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(key.as_bytes()).map_err(|_| "the public key is no PEM")?;
    let key = VerifyingKey::from_public_key_der(&key).map_err(|_| "the public key is none of P-256")?;
    let expected = Critical::of(repository, digest);
    for layer in signatures.manifest()?.layers {
        let payload = signatures.read_blob(&layer)?;
        let signature = layer.annotations.get(ANNOTATION).and_then(|text| STANDARD.decode(text).ok());
        let signature = signature.and_then(|der| Signature::from_der(&der).ok());
        let of_the_key = signature.is_some_and(|signature| key.verify(&payload, &signature).is_ok());
        if of_the_key && serde_json::from_slice::<Payload>(&payload).is_ok_and(|said| said.critical == expected) {
            return Ok(());
        }
    }
    Err(format!("no signature of this key for `{repository}@{digest}`").into())
}
