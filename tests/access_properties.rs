//! What holds for every path, template, route and rule, tried on random ones.
//!
//! A failure prints its seed; `SEED=n` runs that one alone.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use carewarden::access::{Caller, Decision, Facts, Rules, Setting};
use carewarden::fhir::{Base, Interaction};
use carewarden::http::{Headers, Host, Matched, Method, Router, Target, Template};
use carewarden::policy;
use carewarden::policy::diagnostic::{Code, Report};
use carewarden::policy::document::Node;
use serde_json::{Value, json};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }
    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
    fn some<'a, T>(&mut self, from: &'a [T]) -> Vec<&'a T> {
        let length = 1 + self.below(2);
        (0..length).map(|_| self.pick(from)).collect()
    }
}

fn for_seeds(count: u64, mut run: impl FnMut(u64, &mut Random)) {
    match std::env::var("SEED") {
        Ok(seed) => run(seed.parse().unwrap(), &mut Random(seed.parse().unwrap())),
        Err(_) => (0..count).for_each(|seed| run(seed, &mut Random(seed))),
    }
}

const PIECES: &[&str] = &[
    "/", "/", "//", ".", "..", "/..", "/../", "a", "B", "%2e", "%2E", "%25", "%", "2e", "%41", "%2f", "%c3%a9", "%c0",
    "%00", "\\", ";", "?", "#", "é", "%24", "$", "%2", "%252e", "~", "%7e", " ", "\n", "%5c", "%3b", ":", "@", "*",
];

#[test]
fn a_target_that_passes_has_one_reading() {
    let mut passed = 0;
    for_seeds(30_000, |seed, random| {
        let raw: String = (0..1 + random.below(8)).map(|_| *random.pick(PIECES)).collect();
        let Ok(target) = Target::parse(format!("/{raw}").as_bytes()) else { return };
        passed += 1;
        let sent = target.to_request_target();
        let again = Target::parse(sent.as_bytes()).unwrap_or_else(|error| panic!("seed {seed}: {sent}: {error:?}"));
        assert!(again.path() == target.path() && !again.is_rewritten(), "seed {seed}: {sent}");
        // Whatever a server does next, it finds no dot segment and no new separator.
        for reading in [target.path().to_owned(), decode(target.path()), decode(&decode(target.path()))] {
            assert!(!reading.split('/').any(|segment| segment == "." || segment == ".."), "seed {seed}: {reading}");
            assert!(!reading.contains("//") && !reading.contains(['\\', ';', '?', '#', '\0']), "seed {seed}: {reading}");
            assert_eq!(reading.matches('/').count(), target.path().matches('/').count(), "seed {seed}: {reading}");
        }
    });
    assert!(std::env::var("SEED").is_ok() || passed > 2_000, "only {passed} targets passed");
}

/// Decodes like a careless server: what is malformed stays.
fn decode(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let hex =
            after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(decoded) if byte == b'%' => (out.push(decoded), rest = &after[2..]),
            _ => (out.push(byte), rest = after),
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

const SEGMENTS: &[&str] = &["a", "b", "c", ":x", "{a,b}", "{b,c}"];

fn template_text(random: &mut Random) -> String {
    let mut captures = 0;
    let mut text: String = (0..random.below(4))
        .map(|_| match *random.pick(SEGMENTS) {
            ":x" => {
                captures += 1;
                format!("/:x{captures}")
            }
            other => format!("/{other}"),
        })
        .collect();
    if text.is_empty() || random.below(4) == 0 {
        text.push_str("/**");
    }
    text
}

fn path_text(random: &mut Random) -> String {
    let path: String = (0..random.below(5)).map(|_| format!("/{}", random.pick(&["a", "b", "c", "d"]))).collect();
    if path.is_empty() || random.below(5) == 0 { format!("{path}/") } else { path }
}

fn anywhere() -> (Node, Report) {
    let mut report = Report::new("null");
    (Node::parse("null", &mut report).unwrap(), report)
}

#[test]
fn what_a_template_covers_it_matches() {
    let (at, mut report) = anywhere();
    let mut covered = 0;
    for_seeds(5_000, |seed, random| {
        let texts = [template_text(random), template_text(random)];
        let [wide, narrow] = texts.each_ref().map(|text| Template::compile(text, &at, &mut report).unwrap());
        for _ in 0..20 {
            let path = path_text(random);
            if wide.covers(&narrow) && narrow.matches(&path).is_some() {
                covered += 1;
                assert!(wide.matches(&path).is_some(), "seed {seed}: {texts:?} {path}");
            }
        }
    });
    assert!(std::env::var("SEED").is_ok() || covered > 1_000, "only {covered} paths were covered");
}

#[test]
fn the_router_finds_what_a_scan_finds() {
    let mut found = 0;
    for_seeds(400, |seed, random| {
        let hosts = [json!(null), json!(["a.x"]), json!(["*.x"]), json!(["b.x", "*.y.x"])];
        let methods = [json!(null), json!(["GET"]), json!(["POST", "PUT"])];
        let routes: Vec<Value> = (0..1 + random.below(8))
            .map(|index| {
                let paths: Vec<_> = (0..1 + random.below(2)).map(|_| template_text(random)).collect();
                let mut matches = json!({ "paths": paths });
                for (key, value) in [("hosts", random.pick(&hosts)), ("methods", random.pick(&methods))] {
                    if !value.is_null() {
                        matches[key] = value.clone();
                    }
                }
                json!({ "name": format!("r{index}"), "match": matches, "authorize": [] })
            })
            .collect();
        let text = json!({ "version": 1, "name": "t", "routes": routes }).to_string();
        let mut report = Report::new(&text);
        let loaded = policy::load(&text, &mut report).unwrap();
        let router = Router::compile(&loaded.model.routes, loaded.root.key("routes"), &mut report);
        let unreachable: Vec<_> =
            report.into_vec().into_iter().filter(|found| found.code == Code::UnreachableRoute).collect();
        for _ in 0..50 {
            let path = path_text(random);
            let (host, method) =
                (*random.pick(&["a.x", "b.x", "c.y.x", "x"]), *random.pick(&["GET", "HEAD", "POST", "PATCH"]));
            let fits = |route: &policy::model::Route| {
                let named = |names: &Option<Vec<String>>, fits: &dyn Fn(&str) -> bool| {
                    names.as_ref().is_none_or(|names| names.iter().any(|name| fits(name)))
                };
                let host_fits = |name: &str| match name.strip_prefix("*.") {
                    Some(parent) => host.split_once('.').is_some_and(|(_, own)| own == parent),
                    None => name == host,
                };
                let method_fits = |name: &str| name == method || (name == "GET" && method == "HEAD");
                named(&route.matches.hosts, &host_fits) && named(&route.matches.methods, &method_fits)
            };
            let scanned = loaded.model.routes.iter().enumerate().position(|(index, route)| {
                fits(route) && router.templates(index).iter().any(|template| template.matches(&path).is_some())
            });
            let (host, method) = (Host::parse(host.as_bytes()).unwrap(), Method::parse(method.as_bytes()).unwrap());
            let matched = router.find(&method, &path, &host, || None).unwrap().map(|Matched { route, .. }| route);
            assert_eq!(matched, scanned, "seed {seed}: {text} {path}");
            found += usize::from(matched.is_some());
            if let Some(route) = matched {
                let pointer = format!("/routes/{route}");
                assert!(!unreachable.iter().any(|found| found.pointer == pointer), "seed {seed}: {text} {path}");
            }
        }
    });
    assert!(std::env::var("SEED").is_ok() || found > 4_000, "only {found} requests found a route");
}

struct Roles(Vec<&'static str>);

impl Caller for Roles {
    fn has_provider(&self, _: &str) -> bool {
        false
    }
    fn has_role(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
    fn is_client(&self, _: &str) -> bool {
        false
    }
    fn claim(&self, _: &str) -> Option<&Value> {
        None
    }
}

const REQUESTS: &[(&str, &str)] = &[
    ("GET", "/Patient/1"),
    ("GET", "/Patient?name=x"),
    ("GET", "/Group?_include=Group:member:Patient"),
    ("GET", "/Group?_include=*"),
    ("GET", "/Group?member:Patient.name=x"),
    ("GET", "/Group?member.name=x"),
    ("GET", "/?_id=1"),
    ("GET", "/?_type=Patient,Group"),
    ("PUT", "/Subscription/1"),
    ("GET", "/Subscription/1"),
    ("DELETE", "/Group?code=x"),
    ("GET", "/Patient/1/$everything"),
    ("POST", "/$export"),
    ("GET", "/Patient/1/Group"),
    ("GET", "/Patient/1/*"),
    ("GET", "/metadata"),
];

fn random_rule(random: &mut Random) -> Value {
    let mut conditions = json!({});
    let keys: [(&str, &[&str]); 6] = [
        ("roles", &["a", "b"]),
        ("methods", &["GET", "PUT", "HEAD"]),
        ("interactions", &["read", "search", "update", "compartment-search", "capabilities"]),
        ("types", &["Patient", "Group", "Subscription"]),
        ("operations", &["$everything", "$export"]),
        ("features", &["_include", "chained", "conditional-delete"]),
    ];
    for (key, names) in keys {
        if random.below(3) == 0 {
            conditions[key] = json!(random.some(names));
        }
    }
    let effect = *random.pick(&["allow", "allow", "deny"]);
    json!({ effect: conditions })
}

/// Judges every request for every caller.
fn outcomes(rules: &[Value]) -> (Vec<Decision>, Vec<usize>) {
    let text = json!({ "version": 1, "name": "t", "routes": [{ "name": "r", "match": { "paths": ["/**"] },
        "fhir": { "base": "/" }, "authorize": rules }] })
    .to_string();
    let mut report = Report::new(&text);
    let loaded = policy::load(&text, &mut report).unwrap();
    let at = loaded.root.key("routes").item(0);
    let route = &loaded.model.routes[0];
    let templates = Template::compile_all(&route.matches.paths, at, &mut report);
    let base = Base::compile(route.fhir.as_ref().unwrap(), &templates, at, &mut report).unwrap();
    let setting = Setting { loaded: &loaded, route, templates: &templates };
    let rules = Rules::compile(setting, at.key("authorize"), &mut report);
    let unreachable = report.into_vec().into_iter().filter(|found| found.code == Code::UnreachableRule);
    let unreachable = unreachable.map(|found| found.pointer.rsplit('/').next().unwrap().parse().unwrap()).collect();
    let host = Host::parse(b"h").unwrap();
    let mut decisions = Vec::new();
    for caller in [Roles(vec![]), Roles(vec!["a"]), Roles(vec!["b"]), Roles(vec!["a", "b"])] {
        for (method, target) in REQUESTS {
            let (method, target) = (Method::parse(method.as_bytes()).unwrap(), Target::parse(target.as_bytes()).unwrap());
            let below = base.below(target.path()).unwrap();
            let interaction = Interaction::parse(&method, &below, target.query(), &Headers::default()).unwrap();
            let captures = templates[0].matches(target.path()).unwrap();
            let (path, interaction) = (target.path(), Some(&interaction));
            decisions.push(
                rules.judge(&caller, &Facts { method: &method, path, host: &host, captures: &captures, interaction }),
            );
        }
    }
    (decisions, unreachable)
}

#[test]
fn a_rule_reported_unreachable_decides_nothing() {
    let mut reported = 0;
    for_seeds(700, |seed, random| {
        let rules: Vec<_> = (0..2 + random.below(3)).map(|_| random_rule(random)).collect();
        let (decisions, unreachable) = outcomes(&rules);
        for index in unreachable {
            reported += 1;
            let mut without = rules.clone();
            without.remove(index);
            let passes = |decisions: Vec<Decision>| -> Vec<_> {
                decisions.into_iter().map(|decision| matches!(decision, Decision::Allow(_))).collect()
            };
            let (fewer, _) = outcomes(&without);
            assert_eq!(passes(decisions.clone()), passes(fewer), "seed {seed}: rule {index} of {rules:?}");
        }
    });
    assert!(std::env::var("SEED").is_ok() || reported > 100, "only {reported} rules were reported");
}

#[test]
fn naming_more_in_an_allow_rule_never_refuses_what_was_granted() {
    for_seeds(400, |seed, random| {
        let wide = json!({ "allow": { "features": ["_include", "chained", "conditional-delete"],
            "operations": ["$everything", "$export"],
            "interactions": ["read", "search", "update", "delete", "compartment-search", "capabilities"] } });
        let narrow = random_rule(random);
        let Some(conditions) = narrow.get("allow") else { return };
        // `types` without Subscription is narrower than no `types` but for writes of Subscriptions.
        let writes_subscriptions = conditions.get("types").is_some_and(|types| types.to_string().contains("Subscription"));
        let ((narrow, _), (wide, _)) = (outcomes(std::slice::from_ref(&narrow)), outcomes(&[wide]));
        for (narrow, wide) in narrow.iter().zip(wide) {
            let granted = matches!(narrow, Decision::Allow(_)) && matches!(wide, Decision::Deny(_));
            assert!(!granted || writes_subscriptions, "seed {seed}: {narrow:?}");
        }
    });
}

const PARAMETERS: &[&str] = &[
    "_include=Observation:subject:Patient",
    "_revinclude:iterate=Provenance:target",
    "_has:Group:member:code=x",
    "subject:Patient.name=a b",
    "subject.name=ü",
    "_type=Patient,Group",
    "_filter=name eq \"a.b\"",
    "_sort=-subject.name",
    "_query=x",
    "_format=application/fhir+json",
    "code:not=http://a.b|c",
    "_count=5",
];

/// Escapes what has to be escaped, and other characters at random.
fn escape(text: &str, random: &mut Random) -> String {
    text.bytes()
        .map(|byte| {
            let plain = byte.is_ascii_alphanumeric() || b"_-.:=/|,".contains(&byte);
            match (plain && random.below(3) > 0, random.below(2)) {
                (true, _) => char::from(byte).to_string(),
                (false, 0) => format!("%{byte:02x}"),
                (false, _) => format!("%{byte:02X}"),
            }
        })
        .collect()
}

#[test]
fn no_spelling_of_a_query_hides_what_it_reaches() {
    let (at, mut report) = anywhere();
    let templates = [Template::compile("/**", &at, &mut report).unwrap()];
    let base = Base::compile(
        &policy::model::Fhir { base: "/".to_owned(), limits: policy::model::FhirLimits::default() },
        &templates,
        &at,
        &mut report,
    )
    .unwrap();
    let parse = |method: &Method, path: &str, query: &str, form: Option<&str>| {
        let mut interaction = Interaction::parse(method, &base.below(path)?, Some(query), &Headers::default()).ok()?;
        if let Some(form) = form {
            interaction.read_form(form.as_bytes()).ok()?;
        }
        Some((interaction.features(), interaction.touched()))
    };
    for_seeds(5_000, |seed, random| {
        let parameters = random.some(PARAMETERS);
        let spell = |random: &mut Random| {
            let spelled = parameters.iter().map(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap();
                format!("{}={}", escape(name, random), escape(value, random))
            });
            spelled.collect::<Vec<_>>().join(if random.below(2) == 0 { "&" } else { "&&" })
        };
        let spellings = [spell(random), spell(random), spell(random)];
        let [one, other, form] = &spellings;
        let expected = parse(&Method::Get, "/Observation", one, None);
        assert!(expected.is_some(), "seed {seed}: {spellings:?}");
        assert_eq!(parse(&Method::Get, "/Observation", other, None), expected, "seed {seed}: {spellings:?}");
        assert_eq!(parse(&Method::Post, "/Observation/_search", "", Some(form)), expected, "seed {seed}: {spellings:?}");
        assert_eq!(parse(&Method::Post, "/Observation/_search", one, Some(form)), expected, "seed {seed}: {spellings:?}");
    });
}
