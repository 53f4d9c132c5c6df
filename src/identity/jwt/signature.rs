//! Signatures: which key fits which algorithm, and the check itself.
//!
//! RS and ES signatures go to the host first ([`SignatureVerifier`]; in Envoy BoringSSL, ten times as fast as anything
//! inside the module). PS, EdDSA and HS, and everything where the host cannot, are checked here by `jsonwebtoken`. Both
//! paths get the same bytes and must give the same answer, so what could be read in two ways is settled before either:
//! an RSA signature is as long as the modulus, an ECDSA signature is `r‖s` of exactly the curve's size with both in
//! `1..n` (RFC 7518 section 3.4).

use std::borrow::Cow;
use std::fmt;

use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use crate::policy::model::Algorithm;

/// Checks signatures outside of the module.
pub trait SignatureVerifier {
    /// Whether `signature` over `text` is that of `key`.
    ///
    /// `key` is a DER `SubjectPublicKeyInfo` (RFC 5280). The signature is PKCS #1 v1.5 as it is for an RSA key, a DER
    /// `ECDSA-Sig-Value` (RFC 3279) for a key on a curve.
    fn verify(&self, hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Verification;

    /// A signature is checked inside the module in its stead.
    fn passed_over(&self) {}
}

/// What a [`SignatureVerifier`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The signature is that of the key.
    Valid,
    /// It is not.
    Invalid,
    /// The check could not be made; it is made inside the module.
    Unavailable,
}

/// A host that checks nothing: everything is checked inside the module.
#[derive(Clone, Copy, Debug)]
pub struct NoHost;

impl SignatureVerifier for NoHost {
    fn verify(&self, _: Hash, _: &[u8], _: &[u8], _: &[u8]) -> Verification {
        Verification::Unavailable
    }
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Its name, as Envoy's `verify_signature` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The size of its output in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyType {
    Secret,
    /// RSA, with the size of the modulus in bytes.
    Rsa(usize),
    P256,
    P384,
    Ed25519,
}

impl KeyType {
    /// Whether a key of this type makes signatures of this algorithm.
    pub(super) fn fits(self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
        match algorithm {
            HS256 | HS384 | HS512 => self == Self::Secret,
            RS256 | RS384 | RS512 | PS256 | PS384 | PS512 => matches!(self, Self::Rsa(_)),
            ES256 => self == Self::P256,
            ES384 => self == Self::P384,
            EdDSA => self == Self::Ed25519,
        }
    }
}

/// The algorithm of this name. Names are case-sensitive (RFC 7515 section 4.1.1); `none` is none.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    let name: StrDeserializer<'_, Error> = name.into_deserializer();
    Algorithm::deserialize(name).ok()
}

/// The hash function of an algorithm.
pub(super) fn hash(algorithm: Algorithm) -> Hash {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};
    match algorithm {
        HS256 | RS256 | PS256 | ES256 => Hash::Sha256,
        HS384 | RS384 | PS384 | ES384 => Hash::Sha384,
        HS512 | RS512 | PS512 | EdDSA => Hash::Sha512,
    }
}

/// A key that checks signatures.
pub(super) struct VerifyingKey {
    pub(super) key_type: KeyType,
    /// `SubjectPublicKeyInfo`, for the host. For keys that it never gets: the point of an Ed25519 key, nothing of a secret.
    pub(super) spki: Box<[u8]>,
    /// The same key, for the check inside the module.
    pub(super) decoding: DecodingKey,
}

/// A signature as it came: its bytes and their base64url.
#[derive(Clone, Copy)]
pub(super) struct Signature<'s> {
    pub(super) bytes: &'s [u8],
    pub(super) text: &'s str,
}

impl VerifyingKey {
    /// A shared secret.
    pub(super) fn secret(secret: &[u8]) -> Self {
        Self { key_type: KeyType::Secret, spki: Box::default(), decoding: DecodingKey::from_secret(secret) }
    }

    /// Whether both are one public key.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.key_type == other.key_type && self.spki == other.spki
    }

    /// Whether `signature` over `signed` is that of this key, by this algorithm.
    pub(super) fn verifies(
        &self,
        algorithm: Algorithm,
        signed: &[u8],
        signature: Signature<'_>,
        host: &dyn SignatureVerifier,
    ) -> bool {
        if !self.key_type.fits(algorithm) {
            return false;
        }
        let answer = match self.for_host(algorithm, signature.bytes) {
            ForHost::Signature(bytes) => host.verify(hash(algorithm), &self.spki, &bytes, signed),
            ForHost::NotCanonical => Verification::Invalid,
            ForHost::NotSupported => Verification::Unavailable,
        };
        match answer {
            Verification::Valid => true,
            Verification::Invalid => false,
            Verification::Unavailable => {
                host.passed_over();
                jsonwebtoken::crypto::verify(signature.text, signed, &self.decoding, in_module(algorithm)).unwrap_or(false)
            }
        }
    }

    fn for_host<'s>(&self, algorithm: Algorithm, signature: &'s [u8]) -> ForHost<'s> {
        let der = match self.key_type {
            KeyType::Rsa(size) if signature.len() != size => None,
            KeyType::Rsa(_) => match algorithm {
                Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => Some(Cow::Borrowed(signature)),
                _ => return ForHost::NotSupported,
            },
            KeyType::P256 => {
                let signature = p256::ecdsa::Signature::from_slice(signature).ok();
                signature.map(|signature| Cow::Owned(signature.to_der().as_bytes().to_vec()))
            }
            KeyType::P384 => {
                let signature = p384::ecdsa::Signature::from_slice(signature).ok();
                signature.map(|signature| Cow::Owned(signature.to_der().as_bytes().to_vec()))
            }
            KeyType::Secret | KeyType::Ed25519 => return ForHost::NotSupported,
        };
        der.map_or(ForHost::NotCanonical, ForHost::Signature)
    }
}

/// A signature in the host's form.
enum ForHost<'s> {
    Signature(Cow<'s, [u8]>),
    NotCanonical,
    NotSupported,
}

/// Keys are secrets, or of no interest.
impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifyingKey").field(&self.key_type).finish()
    }
}

fn in_module(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    use jsonwebtoken::Algorithm as Ours;
    match algorithm {
        Algorithm::HS256 => Ours::HS256,
        Algorithm::HS384 => Ours::HS384,
        Algorithm::HS512 => Ours::HS512,
        Algorithm::RS256 => Ours::RS256,
        Algorithm::RS384 => Ours::RS384,
        Algorithm::RS512 => Ours::RS512,
        Algorithm::PS256 => Ours::PS256,
        Algorithm::PS384 => Ours::PS384,
        Algorithm::PS512 => Ours::PS512,
        Algorithm::ES256 => Ours::ES256,
        Algorithm::ES384 => Ours::ES384,
        Algorithm::EdDSA => Ours::EdDSA,
    }
}
