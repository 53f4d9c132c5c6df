//! JWK Sets (RFC 7517 section 5): the public keys of an issuer.
//!
//! Each key is read for itself. Keys that are none of our business (for encryption, of an unknown type, for an algorithm
//! that the provider does not accept) are left out, as section 5 asks. A key that pretends to be of use and is not
//! (too short, off its curve, a repeated `kid`, a private or a symmetric key) is a [`Fault`], never skipped in silence.
//!
//! A key says what it is for three times (`use`, `key_ops`, `alg`) and all three must agree to signatures.

use jsonwebtoken::DecodingKey;
use rsa::pkcs8::EncodePublicKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Map, Value};

use super::signature::{self, KeyType, VerifyingKey};
use super::token::decode;
use crate::policy::model::Algorithm;

/// RSA moduli accepted, in bits: NIST SP 800-131A below, what both verifiers can do above.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A public key of an issuer.
#[derive(Debug)]
pub(super) struct PublicKey {
    pub(super) kid: Option<String>,
    /// What it verifies: accepted by the provider, fitting the key, and the key's own `alg` where it has one.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: VerifyingKey,
}

impl PublicKey {
    /// Whether both are one key under one name, for the same algorithms.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.kid == other.kid && self.algorithms == other.algorithms && self.key.is_same(&other.key)
    }
}

/// Why a key is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("this is not a JWK Set: an object with an array `keys`")]
    NotASet,
    #[error("this is not a key: an object with a string `kty`")]
    NotAKey,
    #[error("the key is not for signatures and is ignored")]
    NotForSignatures,
    #[error("the key is of a type or curve that is not supported and is ignored")]
    UnknownType,
    #[error("the key is for an algorithm that the provider does not accept and is ignored")]
    NotAccepted,
    #[error("`alg` does not fit the key's type or curve")]
    AlgorithmMismatch,
    #[error("a symmetric key in a key set would let everyone who can read it sign")]
    Symmetric,
    #[error("the key holds private members: who can read this policy can sign with it")]
    Private,
    #[error("a member of the key is missing or not in its form")]
    Malformed,
    #[error("the RSA key has {0} bits; 2048 to 4096 are accepted")]
    RsaSize(usize),
    #[error("the RSA key can be factored: its primes are of a form that a faulty chip made (ROCA, CVE-2017-15361)")]
    Factorable,
    #[error("the point is not one that a key on this curve can have")]
    BadPoint,
    #[error("another key of the set has the same `kid`")]
    RepeatedKid,
}

impl Fault {
    /// Whether leaving the key out is what RFC 7517 asks for, and not a mistake in the key.
    pub(super) fn is_ordinary(self) -> bool {
        matches!(self, Self::NotForSignatures | Self::UnknownType | Self::NotAccepted)
    }

    /// What to do about it.
    pub(super) fn help(self) -> &'static str {
        match self {
            Self::NotASet | Self::NotAKey | Self::Malformed => "copy the set as the issuer publishes it (RFC 7517)",
            Self::NotForSignatures | Self::UnknownType => "remove it from the set",
            Self::NotAccepted => "remove it, or add its algorithm to `algorithms`",
            Self::AlgorithmMismatch | Self::BadPoint => "copy the key again as the issuer publishes it",
            Self::Symmetric => "remove it and give the secret as `secret`, from the environment",
            Self::Private => "replace the key pair and keep only the public members here",
            Self::Factorable => "ask the issuer for a key made by other means",
            Self::RsaSize(_) => "ask the issuer for a key of 2048 bits or more, or for ES256",
            Self::RepeatedKid => "remove the key that is no longer in use",
        }
    }
}

/// What could be read of a set.
#[derive(Debug)]
pub(super) struct ReadSet {
    /// The keys that verify any of the accepted algorithms.
    pub(super) keys: Vec<PublicKey>,
    /// The position of each that does not, and why.
    pub(super) faults: Vec<(usize, Fault)>,
}

/// Reads a set for the keys that verify any of the `accepted` algorithms.
pub(super) fn read_set(set: &Value, accepted: &[Algorithm]) -> Result<ReadSet, Fault> {
    let entries = set.get("keys").and_then(Value::as_array).ok_or(Fault::NotASet)?;
    let (mut keys, mut faults): (Vec<PublicKey>, Vec<_>) = Default::default();
    let mut repeated: Vec<String> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match read(entry, accepted) {
            Ok(PublicKey { kid: Some(kid), .. }) if keys.iter().any(|other| other.kid.as_ref() == Some(&kid)) => {
                faults.push((index, Fault::RepeatedKid));
                repeated.push(kid);
            }
            Ok(key) => keys.push(key),
            Err(fault) => faults.push((index, fault)),
        }
    }
    // Which of them a token means nobody can say.
    keys.retain(|key| key.kid.as_ref().is_none_or(|kid| !repeated.contains(kid)));
    Ok(ReadSet { keys, faults })
}

fn read(entry: &Value, accepted: &[Algorithm]) -> Result<PublicKey, Fault> {
    let members = Members(entry.as_object().ok_or(Fault::NotAKey)?);
    let kty = members.text("kty")?.ok_or(Fault::NotAKey)?;
    if kty == "oct" {
        return Err(Fault::Symmetric);
    }
    if members.0.contains_key("d") {
        return Err(Fault::Private);
    }
    members.for_signatures()?;
    let kid = members.text("kid")?.map(str::to_owned);
    let key = match (kty, members.text("crv")?) {
        ("RSA", _) => rsa_key(&members)?,
        ("EC", Some("P-256")) => p256_key(&members)?,
        ("EC", Some("P-384")) => p384_key(&members)?,
        ("OKP", Some("Ed25519")) => ed25519_key(&members)?,
        _ => return Err(Fault::UnknownType),
    };
    let own = match members.text("alg")? {
        None => None,
        // An algorithm we do not know is one that the provider cannot accept.
        Some(name) => Some(signature::algorithm(name).ok_or(Fault::NotAccepted)?),
    };
    if own.is_some_and(|own| !key.key_type.fits(own)) {
        return Err(Fault::AlgorithmMismatch);
    }
    let verifies = |algorithm: &&Algorithm| key.key_type.fits(**algorithm) && own.is_none_or(|own| own == **algorithm);
    let algorithms: Vec<_> = accepted.iter().filter(verifies).copied().collect();
    if algorithms.is_empty() {
        return Err(Fault::NotAccepted);
    }
    Ok(PublicKey { kid, algorithms, key })
}

/// The members of a key.
struct Members<'j>(&'j Map<String, Value>);

impl<'j> Members<'j> {
    fn text(&self, name: &str) -> Result<Option<&'j str>, Fault> {
        self.0.get(name).map(|value| value.as_str().ok_or(Fault::Malformed)).transpose()
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, Fault> {
        self.text(name)?.and_then(decode).ok_or(Fault::Malformed)
    }

    /// RFC 7517 sections 4.2 and 4.3.
    fn for_signatures(&self) -> Result<(), Fault> {
        if self.text("use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(Fault::NotForSignatures);
        }
        match self.0.get("key_ops") {
            None => Ok(()),
            Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
            Some(Value::Array(_)) => Err(Fault::NotForSignatures),
            Some(_) => Err(Fault::Malformed),
        }
    }
}

/// RFC 7518 section 6.3.1.
fn rsa_key(members: &Members<'_>) -> Result<VerifyingKey, Fault> {
    let number = |name: &str| members.bytes(name).map(|bytes| rsa::BigUint::from_bytes_be(&bytes));
    let (modulus, exponent) = (number("n")?, number("e")?);
    let bits = modulus.bits();
    if !RSA_BITS.contains(&bits) {
        return Err(Fault::RsaSize(bits));
    }
    if is_factorable(&modulus) {
        return Err(Fault::Factorable);
    }
    let key = rsa::RsaPublicKey::new(modulus, exponent).map_err(|_| Fault::Malformed)?;
    let spki = key.to_public_key_der().map_err(|_| Fault::Malformed)?;
    let decoding = DecodingKey::from_rsa_raw_components(&key.n().to_bytes_be(), &key.e().to_bytes_be());
    Ok(VerifyingKey { key_type: KeyType::Rsa(key.size()), spki: spki.as_bytes().into(), decoding })
}

/// Whether a modulus looks like those of the ROCA attack (Nemec et al., CCS 2017), whose primes are powers of 65537 modulo
/// many small primes, and so is their product. Another modulus looks so less often than once in a hundred million.
fn is_factorable(modulus: &rsa::BigUint) -> bool {
    // Primes of which 65537 generates a proper part of the residues only.
    const TELLING: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
    TELLING.iter().all(|prime| {
        let residue = modulus % rsa::BigUint::from(*prime);
        let generator = 65_537 % prime;
        let powers = std::iter::successors(Some(1), |power| (power * generator).checked_rem(*prime));
        powers.take(usize::try_from(*prime).unwrap_or(0)).any(|power| residue == rsa::BigUint::from(power))
    })
}

/// The uncompressed point (SEC 1 section 2.3.3) of a key whose coordinates have `size` bytes (RFC 7518 section 6.2.1).
fn point(members: &Members<'_>, size: usize) -> Result<Vec<u8>, Fault> {
    let (x, y) = (members.bytes("x")?, members.bytes("y")?);
    if x.len() != size || y.len() != size {
        return Err(Fault::Malformed);
    }
    Ok([&[4], x.as_slice(), &y].concat())
}

fn p256_key(members: &Members<'_>) -> Result<VerifyingKey, Fault> {
    let point = point(members, 32)?;
    let key = p256::PublicKey::from_sec1_bytes(&point).map_err(|_| Fault::BadPoint)?;
    let spki = key.to_public_key_der().map_err(|_| Fault::BadPoint)?;
    let decoding = DecodingKey::from_ec_der(&point);
    Ok(VerifyingKey { key_type: KeyType::P256, spki: spki.as_bytes().into(), decoding })
}

fn p384_key(members: &Members<'_>) -> Result<VerifyingKey, Fault> {
    let point = point(members, 48)?;
    let key = p384::PublicKey::from_sec1_bytes(&point).map_err(|_| Fault::BadPoint)?;
    let spki = key.to_public_key_der().map_err(|_| Fault::BadPoint)?;
    let decoding = DecodingKey::from_ec_der(&point);
    Ok(VerifyingKey { key_type: KeyType::P384, spki: spki.as_bytes().into(), decoding })
}

/// RFC 8037 section 2. Points of small order are refused: any signature can be made to fit them.
fn ed25519_key(members: &Members<'_>) -> Result<VerifyingKey, Fault> {
    let bytes: [u8; 32] = members.bytes("x")?.try_into().map_err(|_| Fault::Malformed)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| Fault::BadPoint)?;
    if key.is_weak() {
        return Err(Fault::BadPoint);
    }
    Ok(VerifyingKey { key_type: KeyType::Ed25519, spki: bytes.into(), decoding: DecodingKey::from_ed_der(&bytes) })
}
