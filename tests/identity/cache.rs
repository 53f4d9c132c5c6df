//! Tokens seen before: not verified again, but judged again.

use std::collections::BTreeSet;

use carewarden::identity::{CacheCounts, NoHost, TokenCache};

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
    assert_eq!(cache.counts(), CacheCounts { hits: 2, misses: 1, ..CacheCounts::default() });
    let off = TokenCache::new(0);
    for _ in 0..2 {
        fixture.run(case, &host, &off).unwrap();
    }
    assert_eq!(host.calls.get(), 3);
}

#[cfg(not(target_family = "wasm"))]
#[test]
fn a_token_seen_before_costs_the_same_however_long_it_is() {
    use std::time::Duration;

    use carewarden::http::Headers;
    use carewarden::identity::{Context, NoCertificate};

    let fixture = Fixture::load();
    let cache = TokenCache::new(1 << 20);
    let allocated = |name: &str| {
        let case = fixture.case(name);
        let expected = fixture.run(case, &NoHost, &cache).is_ok();
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
            let judged = fixture.providers.authenticate(&fixture.routes[&case.route], &headers, &context);
            assert_eq!(judged.is_ok(), expected);
        })
    };
    assert_eq!(allocated("iat is absent").count_total, 0);
    assert_eq!(allocated("form: nearly as long as accepted").count_total, 0);
    assert_eq!(allocated("key: known").count_total, 0);
    assert_eq!(allocated("RS256: signed with another key").count_total, 0);
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
fn a_refused_token_is_never_found_accepted() {
    let fixture = Fixture::load();
    let cache = TokenCache::new(1 << 20);
    let refused = fixture.suite.cases.iter().filter(|case| case.refused.is_some() && case.name.starts_with("RS256"));
    for case in refused {
        assert!(fixture.run(case, &Host::default(), &cache).is_err());
    }
    assert_eq!((cache.counts().hits, cache.bytes()), (0, 0));
}

#[test]
fn a_bad_token_costs_one_verification_in_a_while() {
    let fixture = Fixture::load();
    let (host, cache) = (Host::default(), TokenCache::new(1 << 20));
    let case = fixture.case("RS256: signed with another key");
    let at = |seconds: i64| fixture.run_at(case, fixture.suite.now + seconds, &host, &cache);
    // The clock may go back, too: what was learnt later is not known yet.
    for (seconds, calls) in [(0, 1), (1, 1), (4, 1), (5, 2), (9, 2), (4, 3)] {
        assert_eq!(at(seconds), Err("bad_signature".to_owned()));
        assert_eq!(host.calls.get(), calls, "after {seconds} s");
    }
    assert_eq!(cache.counts(), CacheCounts { refused: 3, misses: 3, ..CacheCounts::default() });
    let off = TokenCache::new(0);
    assert!(fixture.run(case, &host, &off).is_err() && fixture.run(case, &host, &off).is_err());
    assert_eq!((host.calls.get(), off.refused()), (5, 0));
}

/// Every refusal of the suite, twice: the second time, from memory or not, it is the same.
#[test]
fn a_token_is_refused_from_memory_for_what_lasts_alone() {
    const LASTS: &[&str] = &[
        "bad_signature",
        "malformed_claim",
        "malformed_token",
        "missing_claim",
        "token_algorithm",
        "token_audience",
        "token_header_parameter",
        "token_lifetime",
        "token_type",
        "unknown_issuer",
        "unsupported_binding",
    ];
    let fixture = Fixture::load();
    let mut remembered = BTreeSet::new();
    for case in &fixture.suite.cases {
        let Some(reason) = &case.refused else { continue };
        let cache = TokenCache::new(1 << 20);
        for _ in 0..2 {
            assert_eq!(fixture.run(case, &NoHost, &cache), Err(reason.clone()), "{}", case.name);
        }
        if cache.counts().refused > 0 {
            assert!(LASTS.contains(&reason.as_str()), "{}: {reason}", case.name);
            remembered.insert(reason.as_str());
        }
    }
    assert_eq!(remembered.into_iter().collect::<Vec<_>>(), LASTS);
}

/// The issuer is known elsewhere, so what one route says is not what another does.
#[test]
fn a_token_refused_on_one_route_is_judged_on_another() {
    let fixture = Fixture::load();
    let (host, cache) = (Host::default(), TokenCache::new(1 << 20));
    let mut case = fixture.case("issuers: the second alone").clone();
    for (route, accepted) in [("every", false), ("issuers", true), ("every", false), ("issuers", true)] {
        case.route = route.to_owned();
        assert_eq!(fixture.run(&case, &host, &cache).is_ok(), accepted, "{route}");
    }
    // Nor is a signature that a provider found bad a matter of routes that do not let it vouch.
    let mut case = fixture.case("RS256: signed with another key").clone();
    for (route, reason) in [("every", "bad_signature"), ("partner", "unknown_issuer"), ("issuers", "bad_signature")] {
        case.route = route.to_owned();
        assert_eq!(fixture.run(&case, &host, &cache), Err(reason.to_owned()), "{route}");
    }
}

#[test]
fn tokens_are_forgotten_when_their_providers_keys_change() {
    let fixture = Fixture::load();
    let (host, cache) = (Host::default(), TokenCache::new(1 << 20));
    let (good, bad) = (fixture.case("RS256: signed with the issuer's key"), fixture.case("RS256: signed with another key"));
    let run = |case| fixture.run(case, &host, &cache).map(|caller| caller.providers);
    let provider = run(good).unwrap().remove(0);
    assert!(run(good).is_ok() && run(bad).is_err() && run(bad).is_err());
    assert_eq!(host.calls.get(), 2);
    fixture.providers.forget_tokens(&provider);
    assert!(run(good).is_ok() && run(good).is_ok() && run(bad).is_err() && run(bad).is_err());
    assert_eq!(host.calls.get(), 4);
    // Another provider's keys are no matter of its.
    let other = fixture.providers.names().find(|name| *name != provider).unwrap();
    fixture.providers.forget_tokens(other);
    assert!(run(good).is_ok() && run(bad).is_err());
    assert_eq!(host.calls.get(), 4);
}

#[test]
fn a_flood_of_bad_tokens_pushes_out_no_good_one() {
    let fixture = Fixture::load();
    let (host, cache) = (Host::default(), TokenCache::new(1 << 20));
    let good = fixture.case("RS256: signed with the issuer's key");
    fixture.run(good, &host, &cache).unwrap();
    let calls = host.calls.get();
    let mut bad = good.clone();
    for number in 0..10_000 {
        bad.headers[0].1 = format!("Bearer {number}.{number}.{number}");
        assert_eq!(fixture.run(&bad, &host, &cache), Err("malformed_token".to_owned()));
    }
    assert!((500..=1024).contains(&cache.refused()), "{} refused tokens are remembered", cache.refused());
    fixture.run(good, &host, &cache).unwrap();
    assert_eq!((host.calls.get(), cache.counts().hits, cache.counts().evictions), (calls, 1, 0));
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
    assert!(cache.counts().evictions > 0, "nothing made room");
    assert!(cache.bytes() > 4096, "the cache holds nothing");
}
