//! Who is accepted and who is refused: the vectors of `fixtures/jwt` through everything that identifies a caller.
//!
//! Each vector runs with a host that checks signatures and with one that cannot, and each of these with an empty cache
//! and with one that has seen the request: four ways, one answer.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use carewarden::http::Headers;
use carewarden::identity::{
    self, Context, Hash, NoHost, Principal, Providers, Requirement, SignatureVerifier, TokenCache, Verification,
};
use carewarden::policy;
use carewarden::policy::diagnostic::Report;
use rsa::pkcs8::DecodePublicKey;
use rsa::signature::Verifier;
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha384, Sha512};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    now: i64,
    env: HashMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    route: String,
    headers: Vec<(String, String)>,
    now: Option<i64>,
    certificate: Option<String>,
    accepted: Option<Caller>,
    refused: Option<String>,
}

/// The whole of a caller but the claims.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Caller {
    providers: Vec<String>,
    client: Option<String>,
    key_id: Option<String>,
    subject: Option<String>,
    patient: Option<String>,
    roles: Vec<String>,
}

impl From<&Principal> for Caller {
    fn from(principal: &Principal) -> Self {
        let Principal { providers, client, key_id, subject, patient, roles, claims: _ } = principal;
        let text = |text: &Option<std::rc::Rc<str>>| text.as_deref().map(str::to_owned);
        let texts = |texts: &[std::rc::Rc<str>]| texts.iter().map(|text| text.to_string()).collect();
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

struct Fixture {
    suite: Suite,
    providers: Providers,
    routes: BTreeMap<String, Requirement>,
}

impl Fixture {
    fn load() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jwt");
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let suite: Suite = serde_json::from_str(&read("vectors.json")).unwrap();
        let text = read("policy.json");
        let mut report = Report::new(&text);
        let loaded = policy::load(&text, &mut report).unwrap();
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

    fn case(&self, name: &str) -> &Case {
        self.suite.cases.iter().find(|case| case.name == name).unwrap()
    }

    fn run(&self, case: &Case, verifier: &dyn SignatureVerifier, cache: &TokenCache) -> Result<Caller, String> {
        self.run_at(case, case.now.unwrap_or(self.suite.now), verifier, cache)
    }

    fn run_at(
        &self,
        case: &Case,
        now: i64,
        verifier: &dyn SignatureVerifier,
        cache: &TokenCache,
    ) -> Result<Caller, String> {
        let certificate = case.certificate.as_ref().map(|hex| policy::model::Sha256Hex::parse(hex).unwrap().0);
        let context = Context { now, verifier, cache, certificate_sha256: &|| certificate };
        let headers = Headers::from_pairs(case.headers.iter().map(|(name, value)| (name, value)));
        let result = self.providers.authenticate(&self.routes[&case.route], &headers, &context);
        result.map(|principal| Caller::from(&*principal)).map_err(|refusal| refusal.reason().to_owned())
    }
}

/// Does what Envoy's `verify_signature` does, and counts how often.
#[derive(Default)]
struct Host {
    calls: Cell<usize>,
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

#[test]
fn every_vector_has_its_outcome_on_both_paths_and_from_the_cache() {
    let fixture = Fixture::load();
    let mut differing = Vec::new();
    for case in &fixture.suite.cases {
        let expected = match (&case.accepted, &case.refused) {
            (Some(caller), None) => Ok(caller),
            (None, Some(reason)) => Err(reason),
            _ => panic!("{}: needs one of `accepted` and `refused`", case.name),
        };
        let hosts: [(&str, &dyn SignatureVerifier); 2] = [("host", &Host::default()), ("module", &NoHost)];
        for (path, host) in hosts {
            let cache = TokenCache::new(1 << 20);
            for cached in ["first", "again"] {
                let found = fixture.run(case, host, &cache);
                if found.as_ref() != expected {
                    differing.push(format!("{} ({path}, {cached}): {found:?}, not {expected:?}", case.name));
                }
            }
        }
    }
    assert!(fixture.suite.cases.len() > 400, "vectors are missing");
    assert!(differing.is_empty(), "{differing:#?}");
}
