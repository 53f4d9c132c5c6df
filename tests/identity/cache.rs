//! Tokens seen before: not verified again, but judged again.

use std::time::Duration;

use carewarden::identity::{NoHost, TokenCache};

use crate::support::{Case, Fixture, Host};

#[test]
fn a_token_seen_before_is_not_verified_again() {
    let fixture = Fixture::load();
    let case = fixture.case("RS256: signed with the issuer's key");
    let (host, cache) = (Host::default(), TokenCache::new(1 << 20));
    for _ in 0..3 {
        fixture.run(case, &host, &cache).unwrap();
    }
    assert_eq!(host.calls.get(), 1);
    assert_eq!(cache.counts(), (2, 1));
    let off = TokenCache::new(0);
    for _ in 0..2 {
        fixture.run(case, &host, &off).unwrap();
    }
    assert_eq!(host.calls.get(), 3);
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn a_token_seen_before_costs_the_same_however_long_it_is() {
    use carewarden::http::Headers;
    use carewarden::identity::{Context, NoCertificate};

    let fixture = Fixture::load();
    let cache = TokenCache::new(1 << 20);
    let allocated = |name: &str| {
        let case = fixture.case(name);
        fixture.run(case, &NoHost, &cache).unwrap();
        let headers = Headers::from_pairs(case.headers.iter().map(|(name, value)| (name, value)));
        let context = Context {
            now: fixture.suite.now,
            moment: Duration::ZERO,
            verifier: &NoHost,
            cache: &cache,
            certificate_sha256: &|| None,
            certificate: &NoCertificate,
            route: &case.route,
        };
        allocation_counter::measure(|| {
            fixture.providers.authenticate(&fixture.routes[&case.route], &headers, &context).unwrap();
        })
    };
    assert_eq!(allocated("iat is absent").count_total, 0);
    assert_eq!(allocated("form: nearly as long as accepted").count_total, 0);
    assert_eq!(allocated("key: known").count_total, 0);
}

#[test]
fn a_token_seen_before_is_judged_again() {
    let fixture = Fixture::load();
    let (host, cache) = (Host::default(), TokenCache::new(1 << 20));
    let later = |name: &str, seconds: i64| fixture.run_at(fixture.case(name), fixture.suite.now + seconds, &host, &cache);
    let refused = |reason: &str| Err(reason.to_owned());

    let name = "RS256: signed with the issuer's key";
    assert!(later(name, 0).is_ok());
    assert!(later(name, 629).is_ok());
    assert_eq!(later(name, -91), refused("token_not_yet_valid"));
    assert_eq!(later(name, 630), refused("token_expired"));
    assert_eq!(cache.bytes(), 0, "an expired token stays");

    assert!(later("cnf: the certificate presented", 0).is_ok());
    let other = fixture.case("cnf: another certificate presented");
    assert_eq!(other.headers, fixture.case("cnf: the certificate presented").headers);
    assert_eq!(fixture.run(other, &host, &cache), refused("certificate_binding"));
    assert_eq!(later("cnf: no certificate presented", 0), refused("certificate_binding"));

    assert!(later("strict: all that is asked for", 0).is_ok());
    assert!(later("strict: all that is asked for", 599).is_ok());
    assert_eq!(later("strict: all that is asked for", 600), refused("token_expired"));
}

#[test]
fn a_token_seen_on_one_route_is_no_key_to_another() {
    let fixture = Fixture::load();
    let cache = TokenCache::new(1 << 20);
    let mut case = Case { route: "issuers".to_owned(), ..fixture.case("issuers: the second alone").clone() };
    assert!(fixture.run(&case, &NoHost, &cache).is_ok());
    case.route = "every".to_owned();
    assert_eq!(fixture.run(&case, &NoHost, &cache), Err("unknown_issuer".to_owned()));
    case.route = "keys".to_owned();
    assert_eq!(fixture.run(&case, &NoHost, &cache), Err("missing_credentials".to_owned()));
    // Nor is it in another header.
    case.route = "lax".to_owned();
    case.headers = vec![("x-token".to_owned(), case.headers[0].1.replace("Bearer ", ""))];
    assert_eq!(fixture.run(&case, &NoHost, &cache), Err("unknown_issuer".to_owned()));
}

#[test]
fn a_refused_token_is_not_kept() {
    let fixture = Fixture::load();
    let cache = TokenCache::new(1 << 20);
    let refused = fixture.suite.cases.iter().filter(|case| case.refused.is_some() && case.name.starts_with("RS256"));
    for case in refused {
        assert!(fixture.run(case, &Host::default(), &cache).is_err());
    }
    assert_eq!((cache.counts().0, cache.bytes()), (0, 0));
}

#[test]
fn a_cache_forgets_everything_when_the_policy_changes() {
    let (one, other) = (Fixture::load(), Fixture::load());
    let (host, cache) = (Host::default(), TokenCache::new(1 << 20));
    let case = one.case("RS256: signed with the issuer's key");
    for fixture in [&one, &one, &other, &other, &one] {
        fixture.run(case, &host, &cache).unwrap();
    }
    assert_eq!(host.calls.get(), 3);
}

#[test]
fn a_cache_stays_within_its_bytes() {
    let fixture = Fixture::load();
    let cache = TokenCache::new(8192);
    let accepted = fixture.suite.cases.iter().filter(|case| case.accepted.is_some());
    for case in accepted {
        fixture.run(case, &Host::default(), &cache).unwrap();
        assert!(cache.bytes() <= 8192);
    }
    assert!(cache.bytes() > 4096, "the cache holds nothing");
}
