use super::*;

/// Compiles routes written as JSON; the codes of what is wrong beside the router.
fn router(routes: &str) -> (Router, Vec<&'static str>) {
    let text = format!(r#"{{"version": 1, "name": "t", "routes": {routes}}}"#);
    let mut report = Report::new(&text);
    let loaded = crate::policy::load(&text, &mut report).unwrap();
    let router = Router::compile(&loaded.model.routes, loaded.root.key("routes"), &mut report);
    (router, report.into_vec().iter().map(|found| found.code.as_str()).collect())
}

fn route(name: &str, matches: &str) -> String {
    format!(r#"{{"name": "{name}", "match": {{{matches}}}, "authorize": []}}"#)
}

fn find(router: &Router, method: &str, host: &str, path: &str) -> Option<usize> {
    let (method, host) = (Method::parse(method.as_bytes()).unwrap(), Host::parse(host.as_bytes()).unwrap());
    router.find(&method, path, &host, || panic!("asked for Envoy's route")).unwrap().map(|matched| matched.route)
}

#[test]
fn the_first_route_that_matches_is_taken() {
    let routes = [
        route("a", r#""methods": ["POST"], "paths": ["/fhir/Patient"]"#),
        route("b", r#""hosts": ["a.example", "*.b.example"], "paths": ["/fhir/:type", "/x"]"#),
        route("c", r#""methods": ["GET"], "paths": ["/fhir/{Patient,Coverage}/**"]"#),
        route("d", r#""paths": ["/fhir/**"]"#),
    ];
    let (router, problems) = router(&format!("[{}]", routes.join(",")));
    assert!(problems.is_empty(), "{problems:?}");
    for (method, host, path, expected) in [
        ("POST", "z.example", "/fhir/Patient", Some(0)),
        ("POST", "a.example", "/fhir/Patient/", Some(0)),
        ("GET", "a.example", "/fhir/Patient", Some(1)),
        ("GET", "c.b.example", "/x", Some(1)),
        ("GET", "b.example", "/x", None),
        ("GET", "z.example", "/fhir/Patient", Some(2)),
        ("HEAD", "z.example", "/fhir/Coverage/1/a", Some(2)),
        ("PUT", "z.example", "/fhir/Coverage/1", Some(3)),
        ("GET", "z.example", "/fhir", Some(3)),
        ("GET", "z.example", "/", None),
        ("GET", "z.example", "/FHIR/Patient", None),
    ] {
        assert_eq!(find(&router, method, host, path), expected, "{method} {host} {path}");
    }
}

#[test]
fn envoys_route_is_asked_for_once_and_only_when_it_matters() {
    let routes = [
        route("a", r#""envoy_route": "one", "paths": ["/a/**"]"#),
        route("b", r#""envoy_route": "two", "paths": ["/a/**"]"#),
        route("c", r#""paths": ["/**"]"#),
    ];
    let (router, problems) = router(&format!("[{}]", routes.join(",")));
    assert!(problems.is_empty(), "{problems:?}");
    let host = Host::parse(b"h").unwrap();
    let find = |path, chosen: Option<&str>| {
        router.find(&Method::Get, path, &host, || chosen.map(str::to_owned)).map(|found| found.map(|found| found.route))
    };
    assert_eq!(find("/a", Some("one")), Ok(Some(0)));
    assert_eq!(find("/a", Some("two")), Ok(Some(1)));
    assert_eq!(find("/a", Some("three")), Ok(Some(2)));
    assert_eq!(find("/a", None), Err(EnvoyRouteUnknown));
    assert_eq!(find("/b", None), Ok(Some(2)));
}

#[test]
fn a_route_that_no_request_reaches_is_an_error() {
    for (first, second, reachable) in [
        (r#""paths": ["/**"]"#, r#""paths": ["/a"]"#, false),
        (r#""paths": ["/a", "/b/:x"]"#, r#""paths": ["/b/c", "/a"], "methods": ["GET"]"#, false),
        (r#""paths": ["/a"], "methods": ["GET"]"#, r#""paths": ["/a"], "methods": ["HEAD"]"#, false),
        (r#""paths": ["/a"], "hosts": ["*.x.y"]"#, r#""paths": ["/a"], "hosts": ["b.x.y"]"#, false),
        (r#""paths": ["/a"], "envoy_route": "e""#, r#""paths": ["/a"], "envoy_route": "e""#, false),
        (r#""paths": ["/a"]"#, r#""paths": ["/a/**"]"#, true),
        (r#""paths": ["/a"], "methods": ["HEAD"]"#, r#""paths": ["/a"], "methods": ["GET"]"#, true),
        (r#""paths": ["/a"], "methods": ["GET"]"#, r#""paths": ["/a"]"#, true),
        (r#""paths": ["/a"], "hosts": ["b.x.y"]"#, r#""paths": ["/a"], "hosts": ["*.x.y"]"#, true),
        (r#""paths": ["/a"], "hosts": ["x.y"]"#, r#""paths": ["/a"]"#, true),
        (r#""paths": ["/a"], "envoy_route": "e""#, r#""paths": ["/a"], "envoy_route": "f""#, true),
        (r#""paths": ["/a"], "envoy_route": "e""#, r#""paths": ["/a"]"#, true),
    ] {
        let (_, problems) = router(&format!("[{},{}]", route("a", first), route("b", second)));
        let expected: &[&str] = if reachable { &[] } else { &["unreachable-route"] };
        assert_eq!(problems, expected, "{first} {second}");
    }
}

#[test]
fn every_problem_of_a_match_is_found() {
    let routes = [
        route("a", r#""methods": ["get", "TRACE"], "hosts": ["h:80", "*"], "paths": ["/{a}", "b"]"#),
        route("a", r#""methods": [], "hosts": [], "paths": []"#),
    ];
    let (_, problems) = router(&format!("[{}]", routes.join(",")));
    let count = |code: &str| problems.iter().filter(|found| **found == code).count();
    assert_eq!((count("invalid-value"), count("invalid-template"), count("duplicate-name")), (7, 2, 1), "{problems:?}");
}

#[test]
fn a_thousand_routes_leave_few_candidates() {
    let paths = (0..1_000).map(|n| route(&format!("p{n}"), &format!(r#""paths": ["/t/:tenant/{n}/**"]"#)));
    let hosts = (0..1_000).map(|n| route(&format!("h{n}"), &format!(r#""paths": ["/**"], "hosts": ["h{n}.example"]"#)));
    let (router, problems) = router(&format!("[{}]", paths.chain(hosts).collect::<Vec<_>>().join(",")));
    assert!(problems.is_empty());
    let host = Host::parse(b"h7.example").unwrap();
    assert_eq!(router.candidates("/t/x/999/y", &host).len(), 2);
    assert_eq!(find(&router, "GET", "h7.example", "/t/x/999/y"), Some(999));
    assert_eq!(find(&router, "GET", "h7.example", "/else"), Some(1_007));
}
