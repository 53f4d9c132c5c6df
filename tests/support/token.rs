//! Tokens as issuers and attackers make them. Signed by `ring`, so that our verification is judged by another's work.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

/// The secret of `HS256` in the tests' policies.
pub const LEGACY_KEY: &str = "a secret of the tests, long enough for HS256";

/// What signs a token.
#[derive(Clone, Copy, Debug)]
pub enum Signer {
    /// The key `rs256` of the tests' issuer.
    Rs256,
    /// The key `es256` of the tests' issuer.
    Es256,
    /// [`LEGACY_KEY`].
    Hs256,
    /// Nothing: `alg` is `none` and the signature empty.
    None,
}

/// A token in the making. Claims that a test does not set are those of a valid token.
#[derive(Clone, Debug)]
pub struct Token {
    pub header: Value,
    pub claims: Value,
}

impl Token {
    /// A token of the issuer `smart`, valid from now for five minutes.
    pub fn smart(subject: &str, roles: &[&str]) -> Self {
        let claims = json!({
            "iss": "https://idp.clinic.example",
            "aud": "https://fhir.clinic.example",
            "sub": subject,
            "iat": now(),
            "exp": now() + 300,
            "roles": roles,
        });
        Self { header: json!({ "typ": "JWT" }), claims }
    }

    /// A token of the issuer `legacy`.
    pub fn legacy(subject: &str, roles: &[&str]) -> Self {
        Self::smart(subject, roles).claim("iss", "https://legacy.clinic.example")
    }

    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().expect("claims").remove(name);
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    /// Signs with a key of its own; `alg` and `kid` become the key's unless they were set.
    pub fn sign_with(mut self, key: &SigningKey) -> String {
        let header = self.header.as_object_mut().expect("a header");
        header.entry("alg").or_insert("ES256".into());
        header.entry("kid").or_insert(key.kid.as_str().into());
        let text = self.text();
        let signature = key.pair.sign(&SystemRandom::new(), text.as_bytes()).expect("a signature");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Signs; `alg` and `kid` become the signer's unless they were set.
    pub fn sign(mut self, signer: Signer) -> String {
        let (alg, kid) = match signer {
            Signer::Rs256 => ("RS256", Some("rs256")),
            Signer::Es256 => ("ES256", Some("es256")),
            Signer::Hs256 => ("HS256", None),
            Signer::None => ("none", None),
        };
        let header = self.header.as_object_mut().expect("a header");
        header.entry("alg").or_insert(alg.into());
        if let Some(kid) = kid {
            header.entry("kid").or_insert(kid.into());
        }
        let text = self.text();
        let signature = sign(signer, text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// What is signed.
    fn text(&self) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", encode(&self.header), encode(&self.claims))
    }
}

/// A key of an issuer, made for one test.
pub struct SigningKey {
    pub kid: String,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    /// Makes a key for ES256.
    pub fn new(kid: &str) -> Self {
        let (algorithm, random) = (&signature::ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("chance");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("the key just made");
        Self { kid: kid.to_owned(), pair }
    }

    /// Its public half.
    pub fn jwk(&self) -> Value {
        jwk(&self.kid, &self.pair)
    }
}

/// A token with another claim in it than was signed.
pub fn tampered(token: &str, claim: &str, value: impl Into<Value>) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { panic!("a token has three parts") };
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    let mut claims: Value = serde_json::from_slice(&claims).expect("JSON");
    claims[claim] = value.into();
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// The public half of the key `es256`, as a JWK.
pub fn public_key() -> Value {
    let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8("es256.test-only.pem"), &SystemRandom::new()).expect("an EC key");
    jwk("es256", &key)
}

fn jwk(kid: &str, key: &EcdsaKeyPair) -> Value {
    // An uncompressed point: 4, x, y (SEC 1 section 2.3.3).
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
    json!({ "kty": "EC", "kid": kid, "alg": "ES256", "use": "sig", "crv": "P-256", "x": x, "y": y })
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}

fn sign(signer: Signer, text: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    match signer {
        Signer::Rs256 => {
            let key = RsaKeyPair::from_pkcs8(&pkcs8("rs256.test-only.pem")).expect("an RSA key");
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(&signature::RSA_PKCS1_SHA256, &random, text, &mut signature).expect("a signature");
            signature
        }
        Signer::Es256 => {
            let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let key = EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8("es256.test-only.pem"), &random).expect("an EC key");
            key.sign(&random, text).expect("a signature").as_ref().to_vec()
        }
        Signer::Hs256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, LEGACY_KEY.as_bytes());
            hmac::sign(&key, text).as_ref().to_vec()
        }
        Signer::None => Vec::new(),
    }
}

fn pkcs8(name: &str) -> Vec<u8> {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/e2e/keys");
    let key = PrivatePkcs8KeyDer::from_pem_file(keys.join(name)).expect("a key");
    key.secret_pkcs8_der().to_vec()
}
