//! A policy that changes while Envoy serves: nothing is lost, nothing is judged by halves, a bad one changes nothing, and
//! memory stays where it was.

use std::io::BufReader;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use serde_json::json;

use crate::stage::{AUDIT_KEY, BILLING, PHI_KEY, Stage, clinic_with};
use crate::support::client::Protocol;
use crate::support::config::{self, Options, Shipped};
use crate::support::envoy::{Envoy, module, wait_for};
use crate::support::h1;
use crate::support::message::{End, Request};
use crate::support::tls::Certificates;
use crate::support::upstream::{Reply, Upstream};

/// The clinic's policy, whose profile replaces one date by this one and removes the names, or keeps them and removes the
/// gender: a mixture of the two shows.
fn policy(number: usize) -> String {
    clinic_with(|policy| {
        policy["name"] = json!(format!("policy-{}", number % 2));
        let element = if number.is_multiple_of(2) { "Patient.name" } else { "Patient.gender" };
        policy["redaction"]["billing"]["rules"] = json!([
            { "path": "Patient.birthDate", "action": { "replace": format!("190{}-01-01", number % 2) } },
            { "path": element, "action": "remove" },
        ]);
    })
}

const PATIENT: &str =
    r#"{"resourceType":"Patient","id":"1","name":[{"family":"Own"}],"gender":"other","birthDate":"1984-02-29"}"#;
const EVEN: &str = r#"{"resourceType":"Patient","id":"1","gender":"other","birthDate":"1900-01-01"}"#;
const ODD: &str = r#"{"resourceType":"Patient","id":"1","name":[{"family":"Own"}],"birthDate":"1901-01-01"}"#;

#[test]
fn under_load_no_request_is_lost_or_judged_by_half_a_policy() {
    let stage = Stage::new(Options { policy: policy(0), workers: 2, ..Options::default() });
    let patient = Reply::new(200).header("content-type", "application/fhir+json").body(PATIENT);
    stage.upstream.reply("/fhir/Patient/reloaded", patient.pieces(17));
    let request = Request::get("/fhir/Patient/reloaded").key(BILLING);
    let (done, answers) = (AtomicBool::new(false), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    let wrong = Mutex::new(Vec::new());
    let load = || {
        let mut connection = BufReader::new(stage.client().connect());
        while !done.load(Ordering::Relaxed) {
            let answer = h1::converse(&mut connection, &request);
            let at = [EVEN, ODD].iter().position(|own| answer.text() == *own);
            match at.filter(|_| answer.status == 200 && answer.end == End::Whole) {
                Some(at) => drop(answers[at].fetch_add(1, Ordering::Relaxed)),
                None => return wrong.lock().unwrap().push(answer),
            }
        }
    };
    thread::scope(|scope| {
        let _load: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        for number in 1..=60 {
            assert!(stage.envoy.set_policy(&policy(number)), "{}", stage.envoy.log());
            if number % 5 == 0 {
                let bad = policy(number + 1).replace("\"version\":1", "\"version\":2");
                assert!(!stage.envoy.set_policy(&bad), "a bad policy is refused");
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} wrong answers, first {:?}", wrong.len(), wrong.first());
    let counts = answers.map(AtomicUsize::into_inner);
    assert!(counts.iter().all(|count| *count > 60), "both policies answered: {counts:?}");
    // Each record names the policy that its answer was made by: as many of the one as of the other.
    let records = stage.envoy.audit("/fhir/Patient/reloaded", counts.iter().sum());
    for (name, count) in [("policy-0", counts[0]), ("policy-1", counts[1])] {
        assert_eq!(records.iter().filter(|record| record["policy"] == name).count(), count, "{name}");
    }
}

/// The policy that held it is gone by the time it is up; the stream still is that one's to refuse.
#[test]
fn a_body_that_stalls_across_a_reload_is_refused_in_time() {
    let held = |number| {
        let mut policy: serde_json::Value = serde_json::from_str(&policy(number)).unwrap();
        policy["defaults"]["request"]["body_timeout"] = json!("2s");
        policy.to_string()
    };
    let stage = Stage::new(Options { policy: held(0), ..Options::default() });
    let response = stage.client().converse_raw(|stream| {
        let head = "POST /small/left HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
        drop(stream.write_all(head.as_bytes()));
        drop(stream.flush());
        thread::sleep(Duration::from_millis(500));
        assert!(stage.envoy.set_policy(&held(1)), "{}", stage.envoy.log());
    });
    assert_eq!((response.status, response.reason().as_str()), (408, "body_timeout"), "{response:?}");
    assert!(stage.upstream.seen("/small/left").is_empty());
    assert_eq!(stage.envoy.audit("/small/left", 1)[0]["policy"], "policy-0");
}

#[test]
fn a_thousand_reloads_leave_memory_flat() {
    let stage = Stage::new(Options { policy: policy(0), workers: 2, ..Options::default() });
    stage.upstream.reply("/fhir/Patient/again", Reply::fhir(&json!({ "resourceType": "Patient", "id": "again" })));
    let request = Request::get("/fhir/Patient/again").key(BILLING);
    // The gauge is of the worker that spoke last: the larger of the two is seen in a while.
    let reload = |numbers: std::ops::Range<usize>| {
        let mut most = 0;
        for number in numbers {
            assert!(stage.envoy.set_policy(&policy(number)), "{}", stage.envoy.log());
            assert_eq!(stage.client().send(Protocol::Http1, &request).status, 200);
            if number.is_multiple_of(20) {
                most = most.max(stage.envoy.metric("carewarden.memory_bytes"));
            }
        }
        most
    };
    let module = reload(1..200);
    let process = stage.envoy.resident();
    reload(200..1_000);
    let module_grown = reload(1_000..1_200).saturating_sub(module);
    // An old policy that goes late, beside the new one, is a step of more than 2 MiB, once: one that stayed would be 100 kB
    // each time.
    assert!(module > 0 && module_grown <= 8 << 20, "the module has grown by {module_grown} bytes");
    // An allocator keeps some of what was freed; a policy that stayed would be half a MiB each time.
    let grown = stage.envoy.resident().saturating_sub(process);
    assert!(grown < 48 << 20, "Envoy has grown by {grown} bytes");
    assert!(!stage.envoy.trapped());
}

#[test]
fn the_helper_hands_over_only_what_passes_its_tests_and_says_what_envoy_made_of_it() {
    let minimal = |change: &dyn Fn(String) -> String, tests: &str| {
        let directory = tempdir();
        let policy = fs::read_to_string("policies/minimal/policy.json").unwrap();
        fs::write(directory.join("policy.json"), change(policy)).unwrap();
        fs::write(directory.join("tests.json"), tests).unwrap();
        directory
    };
    let tests = fs::read_to_string("policies/minimal/tests.json").unwrap();
    let upstream = Upstream::start();
    let policy = fs::read_to_string("policies/minimal/policy.json").unwrap();
    let secrets = [("AUDIT_KEY", AUDIT_KEY), ("PHI_KEY", PHI_KEY)];
    let certificates = Certificates::generate(&["localhost"]).unwrap();
    let what = Shipped { policy: &policy, secrets: &secrets, certificates, port: 0, admin_port: 0 };
    let envoy = Envoy::shipped(&what, &upstream, |yaml| yaml);
    let template = tempdir().join("filter.yaml.in");
    fs::write(&template, config::shipped_template(&module())).unwrap();
    let output = envoy.directory().join("envoy/filter.yaml");
    let reload = |directory: &Path, stats: &str| {
        let mut command = Command::new("sh");
        command.arg("envoy/reload.sh").arg(directory).env("CAREWARDEN", env!("CARGO_BIN_EXE_carewarden"));
        command.env("TEMPLATE", &template).env("OUTPUT", &output).env("STATS", stats);
        let result = command.output().unwrap();
        let text = [result.stdout, result.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (result.status.code(), text)
    };
    let stats = format!("http://{}/stats/prometheus", envoy.admin_address());
    let before = fs::read_to_string(&output).unwrap();

    let renamed = |policy: String| policy.replacen("\"name\": \"minimal\"", "\"name\": \"minimal-2\"", 1);
    let wrong = |policy: String| policy.replacen("\"version\": 1", "\"version\": 7", 1);
    let (code, text) = reload(&minimal(&wrong, &tests), &stats);
    assert_ne!(code, Some(0), "{text}");
    let failing = tests.replacen("\"decision\": \"deny\"", "\"decision\": \"allow\"", 1);
    let (code, text) = reload(&minimal(&renamed, &failing), &stats);
    assert_eq!((code, text.contains("FAIL") || text.contains("fail")), (Some(1), true), "{text}");
    assert_eq!(fs::read_to_string(&output).unwrap(), before, "neither was moved into place");

    let (code, text) = reload(&minimal(&renamed, &tests), &stats);
    assert_eq!((code, text.contains("In force.")), (Some(0), true), "{text}");
    let taken = || (envoy.stat("extension_config_discovery.http_filter.carewarden.update_success") == 2).then_some(());
    assert!(wait_for(taken).is_some());
    // What the command line takes and Envoy does not.
    let broken = config::shipped_template(Path::new("no such module"));
    fs::write(&template, broken).unwrap();
    let (code, text) = reload(&minimal(&|policy| policy, &tests), &stats);
    assert_eq!((code, text.contains("keeps the one before")), (Some(1), true), "{text}");
    let (code, text) = reload(&minimal(&renamed, &tests), "http://127.0.0.1:1/");
    assert_eq!((code, text.contains("cannot be told")), (Some(1), true), "{text}");
}

fn tempdir() -> std::path::PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("reload-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/e2e").join(name);
    fs::create_dir_all(&directory).unwrap();
    directory
}
