//! Each vector runs with a host that checks signatures and with one that cannot, and each of these with an empty cache
//! and with one that has seen the request: four ways, one answer.

use std::cell::Cell;

use carewarden::identity::{Hash, NoHost, SignatureVerifier, TokenCache, Verification};

use crate::support::{Case, Fixture, Host};

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

#[test]
fn every_character_of_a_token_counts() {
    let fixture = Fixture::load();
    let good = fixture.case("HS256: signed with the secret");
    let value = &good.headers[0].1;
    for at in "Bearer ".len()..value.len() {
        for other in ["A", "z", "_", ".", "="] {
            let mut changed = value.clone();
            changed.replace_range(at..=at, other);
            if changed == *value {
                continue;
            }
            let case = Case { headers: vec![("authorization".to_owned(), changed)], ..good.clone() };
            let cache = TokenCache::new(0);
            assert!(fixture.run(&case, &NoHost, &cache).is_err(), "character {at} as {other}");
        }
    }
}

/// Gives one answer to everything.
struct Always(Verification);

impl SignatureVerifier for Always {
    fn verify(&self, _: Hash, _: &[u8], _: &[u8], _: &[u8]) -> Verification {
        self.0
    }
}

#[test]
fn what_the_host_says_of_rs_and_es_is_final() {
    let fixture = Fixture::load();
    for algorithm in ["RS256", "RS384", "RS512", "ES256", "ES384"] {
        let outcome = |name: &str, answer| {
            fixture.run(fixture.case(&format!("{algorithm}: {name}")), &Always(answer), &TokenCache::new(0))
        };
        assert!(outcome("signed with the issuer's key", Verification::Invalid).is_err());
        assert!(outcome("signed with another key", Verification::Valid).is_ok());
        // The host is not asked about what is no signature in the first place.
        for name in ["signature one byte short", "signature with a zero byte before it", "no signature"] {
            assert!(outcome(name, Verification::Valid).is_err(), "{algorithm}: {name}");
        }
    }
    for name in ["ES256: r is zero", "ES256: s is the order", "ES384: s is zero", "ES384: in DER"] {
        assert!(fixture.run(fixture.case(name), &Always(Verification::Valid), &TokenCache::new(0)).is_err(), "{name}");
    }
}

#[test]
fn the_host_is_asked_about_nothing_else() {
    let fixture = Fixture::load();
    for algorithm in ["PS256", "PS384", "PS512", "EdDSA"] {
        let case = fixture.case(&format!("{algorithm}: signed with another key"));
        assert!(fixture.run(case, &Always(Verification::Valid), &TokenCache::new(0)).is_err(), "{algorithm}");
    }
    let case = fixture.case("HS256 with the RSA public key as secret: PEM");
    assert!(fixture.run(case, &Always(Verification::Valid), &TokenCache::new(0)).is_err());
}

#[test]
fn a_host_that_fails_is_made_up_for() {
    /// Cannot do what it could a moment ago.
    struct Failing(Cell<bool>, Host);
    impl SignatureVerifier for Failing {
        fn verify(&self, hash: Hash, key: &[u8], signature: &[u8], text: &[u8]) -> Verification {
            if self.0.replace(!self.0.get()) {
                Verification::Unavailable
            } else {
                self.1.verify(hash, key, signature, text)
            }
        }
    }
    let fixture = Fixture::load();
    let (host, off) = (Failing(Cell::new(false), Host::default()), TokenCache::new(0));
    for name in ["RS256: signed with the issuer's key", "ES384: signed with the issuer's key"] {
        assert!((0..4).all(|_| fixture.run(fixture.case(name), &host, &off).is_ok()));
    }
    for name in ["RS256: signed with another key", "ES384: signed with another key"] {
        assert!((0..4).all(|_| fixture.run(fixture.case(name), &host, &off).is_err()));
    }
}

#[test]
fn no_credential_goes_upstream_but_what_its_provider_forwards() {
    let fixture = Fixture::load();
    let withheld = |name: &str| {
        let case = fixture.case(name);
        let principal = fixture.authenticate(case, fixture.suite.now, &NoHost, &TokenCache::new(0)).unwrap();
        fixture.providers.withheld_headers(&principal).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(withheld("none: nothing"), ["authorization", "x-api-key", "x-other-key", "x-token"]);
    assert_eq!(withheld("any: a token"), ["authorization", "x-api-key", "x-other-key", "x-token"]);
    assert_eq!(withheld("lax: exp and aud are absent"), ["authorization", "x-api-key", "x-other-key"]);
    assert_eq!(withheld("all: two keys"), ["authorization", "x-api-key", "x-token"]);
}

#[test]
fn no_spoilt_token_is_accepted_and_none_makes_us_fail() {
    let fixture = Fixture::load();
    let seed = 0x5eed_u64;
    let mut state = seed;
    let mut random = |below: usize| {
        // Xorshift64: the same values in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    let good: Vec<_> =
        fixture.suite.cases.iter().filter(|case| case.name.starts_with("HS") && case.accepted.is_some()).collect();
    for round in 0..10_000 {
        let mut case = good[random(good.len())].clone();
        let mut value = case.headers[0].1.clone().into_bytes();
        for _ in 0..=random(3) {
            let at = random(value.len());
            match random(4) {
                0 => value[at] = u8::try_from(random(128)).unwrap(),
                1 => value.insert(at, b".-_Az=0 "[random(8)]),
                2 => drop(value.remove(at)),
                _ => value.truncate(at.max(16)),
            }
        }
        let value = String::from_utf8(value).unwrap();
        let token = |value: &str| value.split_once(' ').map(|(_, token)| token.trim_start_matches(' ').to_owned());
        let same = token(&value) == token(&case.headers[0].1);
        case.headers[0].1 = value;
        let found = fixture.run(&case, &NoHost, &TokenCache::new(0));
        assert!(found.is_err() || same, "seed {seed:#x}, round {round}: {:?}", case.headers);
    }
}

/// The other spellings that a decoder of base64 may take for a part of a token.
fn spellings(part: &str) -> Vec<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut spellings: Vec<_> =
        ["=", "==", "A", "%3D", "\u{a0}", ".", "~"].iter().map(|end| format!("{part}{end}")).collect();
    spellings.extend(["=", "A", "."].iter().map(|start| format!("{start}{part}")));
    let mut inside = part.to_owned();
    inside.insert(part.len() / 2, '=');
    spellings.push(inside);
    spellings.extend([part.replace('-', "+"), part.replace('_', "/")].into_iter().filter(|other| other != part));
    // Bits after the last whole byte that mean nothing.
    let last = ALPHABET.iter().position(|letter| part.as_bytes().last() == Some(letter)).unwrap();
    let spare: &[usize] = match part.len() % 4 {
        2 => &[1, 2, 4, 8],
        3 => &[1, 2],
        _ => &[],
    };
    for bit in spare {
        let letter = char::from(ALPHABET[last ^ bit]);
        let mut other = part.to_owned();
        other.pop();
        other.push(letter);
        spellings.push(other);
    }
    spellings
}

#[test]
fn a_token_has_one_spelling_on_both_paths() {
    let fixture = Fixture::load();
    let suffix = ["signed with the issuer's key", "signed with the secret"];
    let is_good = |case: &&Case| case.accepted.is_some() && suffix.iter().any(|end| case.name.ends_with(end));
    let (mut tried, mut accepted) = (0, Vec::new());
    for case in fixture.suite.cases.iter().filter(is_good) {
        let (scheme, token) = case.headers[0].1.split_once(' ').unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        for (index, part) in parts.iter().enumerate() {
            for spelling in spellings(part) {
                let mut parts: Vec<_> = parts.iter().map(|part| (*part).to_owned()).collect();
                parts[index] = spelling;
                let value = format!("{scheme} {}", parts.join("."));
                let changed = Case { headers: vec![("authorization".to_owned(), value)], ..case.clone() };
                let hosts: [&dyn SignatureVerifier; 2] = [&Host::default(), &NoHost];
                for host in hosts {
                    tried += 1;
                    if fixture.run(&changed, host, &TokenCache::new(0)).is_ok() {
                        accepted.push(changed.headers[0].1.clone());
                    }
                }
            }
        }
    }
    assert!(tried > 500, "only {tried} spellings were tried");
    assert!(accepted.is_empty(), "{accepted:#?}");
}

#[test]
fn every_bit_of_a_signature_counts_on_both_paths() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let fixture = Fixture::load();
    for algorithm in ["ES256", "ES384", "EdDSA", "RS256"] {
        let case = fixture.case(&format!("{algorithm}: signed with the issuer's key"));
        let (signed, signature) = case.headers[0].1.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        // Prime, so that bits of every value in a byte are flipped; all of them would take minutes.
        for bit in (0..signature.len() * 8).step_by(23) {
            let mut flipped = signature.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let value = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(flipped));
            let changed = Case { headers: vec![("authorization".to_owned(), value)], ..case.clone() };
            let hosts: [&dyn SignatureVerifier; 2] = [&Host::default(), &NoHost];
            for host in hosts {
                let found = fixture.run(&changed, host, &TokenCache::new(0));
                assert_eq!(found, Err("bad_signature".to_owned()), "{algorithm}, bit {bit}");
            }
        }
    }
}
