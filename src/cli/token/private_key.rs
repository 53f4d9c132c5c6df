//! Private keys to sign with: PEM, JWK, or a shared secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, AlgorithmFamily, EncodingKey};
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey};
use rsa::pkcs8::SecretDocument;
use rsa::{BigUint, RsaPrivateKey};
use serde_json::Value;

/// A private key, and its name where it has one.
pub(super) struct PrivateKey {
    pub(super) kid: Option<String>,
    pub(super) key: EncodingKey,
}

impl PrivateKey {
    /// Reads a key that signs with this algorithm. No error holds anything of it.
    pub(super) fn read(bytes: &[u8], algorithm: Algorithm) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).ok();
        let jwk: Option<Value> = serde_json::from_slice(bytes).ok().filter(Value::is_object);
        let key = match (&jwk, text.and_then(pem)) {
            (Some(jwk), _) => from_jwk(&Jwk(jwk), algorithm)?,
            (None, Some(pem)) => from_pem(pem, algorithm)?,
            (None, None) if algorithm.family() == AlgorithmFamily::Hmac => {
                secret(bytes.strip_suffix(b"\n").unwrap_or(bytes), algorithm)?
            }
            (None, None) => return Err("it is neither PEM nor a JWK".to_owned()),
        };
        let kid = jwk.as_ref().and_then(|jwk| jwk.get("kid")?.as_str()).map(str::to_owned);
        Ok(Self { kid, key })
    }
}

/// From the first private key on: `openssl ecparam` writes parameters before it.
fn pem(text: &str) -> Option<&str> {
    let label = text.find("PRIVATE KEY-----")?;
    let begin = text.get(..label)?.rfind("-----BEGIN ")?;
    text.get(begin..).map(str::trim_end)
}

fn from_pem(pem: &str, algorithm: Algorithm) -> Result<EncodingKey, String> {
    let (label, der) = SecretDocument::from_pem(pem).map_err(|_| "the PEM cannot be read")?;
    let der = der.as_bytes();
    let misfit = |_| format!("it is no key for {algorithm:?}, or it is encrypted");
    match (algorithm.family(), label) {
        (AlgorithmFamily::Rsa, "RSA PRIVATE KEY") => rsa(&RsaPrivateKey::from_pkcs1_der(der).map_err(|_| misfit(()))?),
        (AlgorithmFamily::Rsa, _) => rsa(&RsaPrivateKey::from_pkcs8_der(der).map_err(|_| misfit(()))?),
        (AlgorithmFamily::Ec, label) if algorithm == Algorithm::ES384 => {
            let sec1 = label == "EC PRIVATE KEY";
            let key =
                if sec1 { p384::SecretKey::from_sec1_der(der).ok() } else { p384::SecretKey::from_pkcs8_der(der).ok() };
            p384(&key.ok_or_else(|| misfit(()))?)
        }
        (AlgorithmFamily::Ec, label) => {
            let sec1 = label == "EC PRIVATE KEY";
            let key =
                if sec1 { p256::SecretKey::from_sec1_der(der).ok() } else { p256::SecretKey::from_pkcs8_der(der).ok() };
            p256(&key.ok_or_else(|| misfit(()))?)
        }
        (AlgorithmFamily::Ed, _) => ed25519(&SigningKey::from_pkcs8_der(der).map_err(|_| misfit(()))?),
        (AlgorithmFamily::Hmac, _) => Err(format!("{algorithm:?} takes a shared secret, and this is a private key")),
    }
}

/// A JWK (RFC 7518 section 6, RFC 8037 section 2).
struct Jwk<'j>(&'j Value);

impl Jwk<'_> {
    fn text(&self, name: &str) -> Result<&str, String> {
        self.0.get(name).and_then(Value::as_str).ok_or_else(|| format!("the JWK has no `{name}`"))
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        let bytes = URL_SAFE_NO_PAD.decode(self.text(name)?);
        bytes.map_err(|_| format!("`{name}` of the JWK is not base64url"))
    }

    fn number(&self, name: &str) -> Result<BigUint, String> {
        self.bytes(name).map(|bytes| BigUint::from_bytes_be(&bytes))
    }
}

fn from_jwk(jwk: &Jwk<'_>, algorithm: Algorithm) -> Result<EncodingKey, String> {
    let curve = jwk.0.get("crv").and_then(Value::as_str);
    match (algorithm, jwk.text("kty")?, curve) {
        (_, "oct", _) if algorithm.family() == AlgorithmFamily::Hmac => secret(&jwk.bytes("k")?, algorithm),
        (_, "RSA", _) if algorithm.family() == AlgorithmFamily::Rsa => {
            let [n, e, d, p, q] = ["n", "e", "d", "p", "q"].map(|name| jwk.number(name));
            let key = RsaPrivateKey::from_components(n?, e?, d?, vec![p?, q?]);
            rsa(&key.map_err(|_| "the members of the JWK do not fit together")?)
        }
        (Algorithm::ES256, "EC", Some("P-256")) => {
            p256(&p256::SecretKey::from_slice(&jwk.bytes("d")?).map_err(|_| "`d` of the JWK is no key on P-256")?)
        }
        (Algorithm::ES384, "EC", Some("P-384")) => {
            p384(&p384::SecretKey::from_slice(&jwk.bytes("d")?).map_err(|_| "`d` of the JWK is no key on P-384")?)
        }
        (Algorithm::EdDSA, "OKP", Some("Ed25519")) => {
            let seed = jwk.bytes("d")?.try_into().map_err(|_| "`d` of the JWK has not 32 bytes")?;
            ed25519(&SigningKey::from_bytes(&seed))
        }
        _ => Err(format!("the JWK is no key for {algorithm:?}")),
    }
}

fn rsa(key: &RsaPrivateKey) -> Result<EncodingKey, String> {
    let der = key.to_pkcs1_der().map_err(|_| NOT_WRITTEN)?;
    Ok(EncodingKey::from_rsa_der(der.as_bytes()))
}

fn p256(key: &p256::SecretKey) -> Result<EncodingKey, String> {
    let der = EncodePrivateKey::to_pkcs8_der(key).map_err(|_| NOT_WRITTEN)?;
    Ok(EncodingKey::from_ec_der(der.as_bytes()))
}

fn p384(key: &p384::SecretKey) -> Result<EncodingKey, String> {
    let der = EncodePrivateKey::to_pkcs8_der(key).map_err(|_| NOT_WRITTEN)?;
    Ok(EncodingKey::from_ec_der(der.as_bytes()))
}

fn ed25519(key: &SigningKey) -> Result<EncodingKey, String> {
    let der = key.to_pkcs8_der().map_err(|_| NOT_WRITTEN)?;
    Ok(EncodingKey::from_ed_der(der.as_bytes()))
}

const NOT_WRITTEN: &str = "the key cannot be written as DER";

/// A secret at least as long as the hash (RFC 7518 section 3.2).
fn secret(secret: &[u8], algorithm: Algorithm) -> Result<EncodingKey, String> {
    let needed = match algorithm {
        Algorithm::HS384 => 48,
        Algorithm::HS512 => 64,
        _ => 32,
    };
    if secret.len() < needed {
        return Err(format!("a secret for {algorithm:?} has at least {needed} bytes, and this is shorter"));
    }
    Ok(EncodingKey::from_secret(secret))
}
