//! The policy and the vectors of `fixtures/jwt`, and a host that checks signatures.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use carewarden::http::Headers;
use carewarden::identity::{
    self, Context, Halt, Hash, NoCertificate, Principal, Providers, Requirement, SignatureVerifier, TokenCache,
    Verification,
};
use carewarden::policy;
use carewarden::policy::diagnostic::Report;
use rsa::pkcs8::DecodePublicKey;
use rsa::sha2::{Digest, Sha256, Sha384, Sha512};
use rsa::signature::Verifier;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    pub(crate) now: i64,
    pub(crate) env: HashMap<String, String>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) route: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) now: Option<i64>,
    pub(crate) certificate: Option<String>,
    pub(crate) accepted: Option<Caller>,
    pub(crate) refused: Option<String>,
}

/// The whole of a caller but the claims.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Caller {
    pub(crate) providers: Vec<String>,
    pub(crate) client: Option<String>,
    pub(crate) key_id: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) patient: Option<String>,
    pub(crate) roles: Vec<String>,
}

impl From<&Principal> for Caller {
    fn from(principal: &Principal) -> Self {
        let Principal { providers, client, key_id, subject, patient, roles, claims: _ } = principal;
        let text = |text: &Option<Rc<str>>| text.as_deref().map(str::to_owned);
        let texts = |texts: &[Rc<str>]| texts.iter().map(|text| text.to_string()).collect();
        Self {
            providers: texts(providers),
            client: text(client),
            key_id: text(key_id),
            subject: text(subject),
            patient: text(patient),
            roles: texts(roles),
        }
    }
}

pub(crate) struct Fixture {
    pub(crate) suite: Suite,
    pub(crate) providers: Providers,
    pub(crate) routes: BTreeMap<String, Requirement>,
}

impl Fixture {
    pub(crate) fn load() -> Self {
        let suite: Suite = serde_json::from_str(include_str!("../fixtures/jwt/vectors.json")).unwrap();
        let text = include_str!("../fixtures/jwt/policy.json");
        let mut report = Report::new(text);
        let loaded = policy::load(text, &mut report).unwrap();
        let env = |name: &str| suite.env.get(name).cloned();
        let at = loaded.root.key("authentication");
        let providers = identity::compile(&loaded.model.authentication, at, &env, &mut report);
        let mut routes = BTreeMap::new();
        for (index, route) in loaded.model.routes.iter().enumerate() {
            let at = loaded.root.key("routes").item(index).key("authenticate");
            let requirement = providers.requirement(route.authenticate.as_ref().unwrap(), at, &loaded, &mut report);
            routes.insert(route.name.clone(), requirement);
        }
        assert!(!report.has_errors(), "{:#?}", report.into_vec());
        Self { suite, providers, routes }
    }

    pub(crate) fn case(&self, name: &str) -> &Case {
        self.suite.cases.iter().find(|case| case.name == name).unwrap()
    }

    pub(crate) fn run(&self, case: &Case, verifier: &dyn SignatureVerifier, cache: &TokenCache) -> Result<Caller, String> {
        self.run_at(case, case.now.unwrap_or(self.suite.now), verifier, cache)
    }

    pub(crate) fn run_at(
        &self,
        case: &Case,
        now: i64,
        verifier: &dyn SignatureVerifier,
        cache: &TokenCache,
    ) -> Result<Caller, String> {
        let result = self.authenticate(case, now, verifier, cache);
        result.map(|principal| Caller::from(&*principal)).map_err(reason)
    }

    pub(crate) fn authenticate(
        &self,
        case: &Case,
        now: i64,
        verifier: &dyn SignatureVerifier,
        cache: &TokenCache,
    ) -> Result<Rc<Principal>, Halt> {
        let certificate = case.certificate.as_ref().map(|hex| policy::model::Sha256Hex::parse(hex).unwrap().0);
        let (certificate_sha256, route) = (&|| certificate, &*case.route);
        let (moment, certificate) = (Duration::ZERO, &NoCertificate);
        let context = Context { now, moment, verifier, cache, certificate_sha256, certificate, route };
        let headers = Headers::from_pairs(case.headers.iter().map(|(name, value)| (name, value)));
        self.providers.authenticate(&self.routes[&case.route], &headers, &context)
    }
}

/// Why a caller was not accepted, or that it has to wait.
pub(crate) fn reason(halt: Halt) -> String {
    match halt {
        Halt::Refused(refusal) => refusal.reason().to_owned(),
        Halt::Awaits(_) => "awaits".to_owned(),
    }
}

/// What decides about credentials that need no connection, at this moment.
pub(crate) fn context_at<'c>(
    now: i64,
    verifier: &'c dyn SignatureVerifier,
    cache: &'c TokenCache,
    certificate_sha256: &'c dyn Fn() -> Option<[u8; 32]>,
) -> Context<'c> {
    let (moment, certificate) = (Duration::ZERO, &NoCertificate);
    Context { now, moment, verifier, cache, certificate_sha256, certificate, route: "r" }
}

/// Does what Envoy's `verify_signature` does, and counts how often.
#[derive(Default)]
pub(crate) struct Host {
    pub(crate) calls: Cell<usize>,
}

impl SignatureVerifier for Host {
    fn verify(&self, hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Verification {
        self.calls.set(self.calls.get() + 1);
        let valid = if let Ok(key) = rsa::RsaPublicKey::from_public_key_der(key) {
            let (scheme, digest) = match hash {
                Hash::Sha256 => (rsa::Pkcs1v15Sign::new::<Sha256>(), Sha256::digest(text).to_vec()),
                Hash::Sha384 => (rsa::Pkcs1v15Sign::new::<Sha384>(), Sha384::digest(text).to_vec()),
                Hash::Sha512 => (rsa::Pkcs1v15Sign::new::<Sha512>(), Sha512::digest(text).to_vec()),
            };
            key.verify(scheme, &digest, signature).is_ok()
        } else if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(key) {
            assert_eq!(hash, Hash::Sha256);
            p256::ecdsa::Signature::from_der(signature).is_ok_and(|signature| key.verify(text, &signature).is_ok())
        } else if let Ok(key) = p384::ecdsa::VerifyingKey::from_public_key_der(key) {
            assert_eq!(hash, Hash::Sha384);
            p384::ecdsa::Signature::from_der(signature).is_ok_and(|signature| key.verify(text, &signature).is_ok())
        } else {
            panic!("the host was given a key that it cannot read")
        };
        if valid { Verification::Valid } else { Verification::Invalid }
    }
}
