//! AuditEvents on their way to an audit repository that takes them, refuses them, hangs up, stalls, or is not there.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::Stage;
use crate::support::client::Protocol;
use crate::support::config::Options;
use crate::support::envoy::wait_for;
use crate::support::message::{Request, Response};
use crate::support::upstream::{Reply, Seen, Upstream};
use crate::support::vacant::Vacant;

const TOKEN: &str = "the-token-of-the-audit-repository";

/// How a repository behaves that takes nothing, in place of a status.
const TAKES: u16 = 0;
const RESETS: u16 = 1;
const STALLS: u16 = 2;
const BABBLES: u16 = 3;
const FAILS_EACH: u16 = 4;
const REJECTS_PATIENT_BAD: u16 = 5;

/// An audit repository.
struct Repository {
    server: Upstream,
    /// A status that it answers with, or one of the above.
    mood: Arc<AtomicU16>,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Repository {
    fn start() -> Self {
        let (mood, taken) = (Arc::new(AtomicU16::new(TAKES)), Arc::new(Mutex::new(Vec::new())));
        let (own_mood, own_taken) = (Arc::clone(&mood), Arc::clone(&taken));
        let answer = move |seen: &Seen| answer(seen, own_mood.load(Ordering::SeqCst), &own_taken);
        Self { server: Upstream::serving(0, answer).unwrap(), mood, taken }
    }

    fn is(&self, mood: u16) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }

    /// Waits until it was asked again.
    #[track_caller]
    fn was_asked(&self, more_than: usize) -> usize {
        let asked = || self.server.seen("/audit").len();
        wait_for(|| (asked() > more_than).then(asked)).expect("the repository is asked")
    }

    /// Waits until it has an event about each of these.
    #[track_caller]
    fn has_all(&self, ids: &[String]) {
        let lacks = || {
            let taken: Vec<String> = self.taken().iter().filter_map(object).collect();
            ids.iter().filter(|id| !taken.contains(&format!("Patient/{id}"))).cloned().collect::<Vec<_>>()
        };
        assert!(wait_for(|| lacks().is_empty().then_some(())).is_some(), "{:?} did not arrive", lacks());
    }
}

fn answer(seen: &Seen, mood: u16, taken: &Mutex<Vec<Value>>) -> Reply {
    let bundle: Value = serde_json::from_slice(&seen.body).expect("a batch is JSON");
    let is_batch = seen.method == "POST" && bundle["resourceType"] == "Bundle" && bundle["type"] == "batch";
    assert!(is_batch && seen.all("content-type") == ["application/fhir+json"], "{seen:?}");
    let said = |status: &str| json!({ "response": { "status": status } });
    let entries = bundle["entry"].as_array().expect("entries").iter().map(|entry| {
        assert_eq!(entry["request"], json!({ "method": "POST", "url": "AuditEvent" }));
        let event = &entry["resource"];
        match mood {
            FAILS_EACH => said("503 Service Unavailable"),
            REJECTS_PATIENT_BAD if object(event).as_deref() == Some("Patient/bad") => said("422 Unprocessable Entity"),
            TAKES | REJECTS_PATIENT_BAD => {
                taken.lock().unwrap().push(event.clone());
                said("201 Created")
            }
            _ => said("201 Created"),
        }
    });
    let response = json!({ "resourceType": "Bundle", "type": "batch-response", "entry": entries.collect::<Vec<_>>() });
    match mood {
        TAKES | FAILS_EACH | REJECTS_PATIENT_BAD => Reply::fhir(&response),
        RESETS => Reply::fhir(&response).reset_after(10),
        STALLS => Reply::fhir(&response).stall(Duration::from_secs(20)),
        BABBLES => Reply::new(200).body("<html>moved</html>"),
        status => Reply::new(status).header("retry-after", "1").body("Secret of the repository"),
    }
}

/// What an event is about.
fn object(event: &Value) -> Option<String> {
    let entities = event["entity"].as_array()?;
    let data = entities.iter().find(|entity| entity["type"]["code"] == "2")?;
    data["what"]["reference"].as_str().map(str::to_owned)
}

fn policy(change: impl FnOnce(&mut Value)) -> String {
    let mut policy = json!({
        "version": 1,
        "name": "audited",
        "routes": [{
            "name": "fhir",
            "match": { "paths": ["/fhir", "/fhir/**"] },
            "require_tls": false,
            "fhir": { "base": "/fhir" },
            "authenticate": "none",
            "authorize": [{ "deny": { "types": ["Binary"] } }, { "allow": {} }],
            "response": { "redact": [{ "apply": "none" }] },
        }],
        "audit": { "delivery": {
            "cluster": "audit",
            "uri": "https://audit.clinic.example/audit",
            "authorization": { "env": "AUDIT_TOKEN" },
            "interval": "250ms",
            "timeout": "1s",
        } },
    });
    change(&mut policy);
    policy.to_string()
}

fn stage(policy: String, repository: &Repository) -> Stage {
    let clusters = vec![("audit".to_owned(), repository.server.address)];
    Stage::with_secret(Options { policy, clusters, ..Options::default() }, "AUDIT_TOKEN", TOKEN)
}

fn read(stage: &Stage, id: &str) -> Response {
    let path = format!("/fhir/Patient/{id}");
    stage.upstream.reply(&path, Reply::fhir(&json!({ "resourceType": "Patient", "id": id })));
    stage.envoy.plain().send(Protocol::Http1, &Request::get(&path))
}

/// Reads patients of these names, numbered; their ids.
#[track_caller]
fn reads(stage: &Stage, name: &str, count: usize) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|index| format!("{name}-{index}")).collect();
    for id in &ids {
        assert_eq!(read(stage, id).status, 200, "{id}");
    }
    ids
}

#[track_caller]
fn counts(stage: &Stage, metric: &str, expected: u64) {
    let name = format!("carewarden.{metric}");
    let counted = wait_for(|| (stage.envoy.metric(&name) == expected).then_some(()));
    assert!(counted.is_some(), "{metric} is {} and not {expected}", stage.envoy.metric(&name));
}

/// Nothing of what events tell is in a log or a metric.
#[track_caller]
fn tells_nobody_else(stage: &Stage, words: &[&str]) {
    let stats: String = stage.envoy.stats().into_iter().map(|(name, value)| format!("{name} {value}\n")).collect();
    for (place, text) in [("log", stage.envoy.log()), ("metrics", stats)] {
        for word in words.iter().chain(&[TOKEN, "Secret"]) {
            assert!(!text.contains(word), "`{word}` in the {place}:\n{text}");
        }
    }
    assert!(!stage.envoy.trapped());
}

#[test]
fn what_happened_is_delivered_once_and_nothing_else() {
    let repository = Repository::start();
    let stage = stage(policy(|_| ()), &repository);
    let patient = json!({ "resourceType": "Patient", "id": "secret-1" });
    stage.upstream.reply("/fhir/Patient/secret-1", Reply::fhir(&patient));
    let created = Reply::fhir(&patient).header("location", "https://fhir.example/fhir/Patient/secret-2/_history/1");
    stage.upstream.reply("/fhir/Patient", created);
    let absent = json!({ "resourceType": "OperationOutcome", "issue": [{ "severity": "error", "code": "not-found" }] });
    let absent = Reply::new(404).header("content-type", "application/fhir+json").body(absent.to_string());
    stage.upstream.reply("/fhir/Patient/absent", absent);
    let requests = [
        Request::get("/fhir/Patient/secret-1"),
        Request::get("/fhir/Patient?name=secret-name"),
        Request::post("/fhir/Patient", r#"{"resourceType":"Patient"}"#),
        Request { method: "PUT".to_owned(), ..Request::post("/fhir/Patient/secret-1", patient.to_string()) },
        Request { method: "DELETE".to_owned(), ..Request::get("/fhir/Patient/secret-1") },
        Request::get("/fhir/Binary/secret-3"),
        Request::get("/fhir/Patient/absent"),
        Request::get("/elsewhere/secret-4"),
    ];
    let statuses: Vec<u16> =
        requests.iter().map(|request| stage.envoy.plain().send(Protocol::Http1, request).status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 403, 404, 404]);
    counts(&stage, "audit_events.result.delivered", 8);
    let told = |event: &Value| {
        let profile = event["meta"]["profile"][0].as_str().and_then(|profile| profile.rsplit('.').next());
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        [
            profile.unwrap_or("-").to_owned(),
            text(&event["type"]["code"]),
            text(&event["outcome"]),
            text(&event["outcomeDesc"]),
            object(event).unwrap_or_else(|| "-".to_owned()),
        ]
        .join(" ")
    };
    let told: Vec<String> = repository.taken().iter().map(told).collect();
    let expected = [
        "PatientRead rest 0 - Patient/secret-1",
        "Query rest 0 - -",
        "PatientCreate rest 0 - Patient/secret-2/_history/1",
        "PatientUpdate rest 0 - Patient/secret-1",
        "PatientDelete rest 0 - Patient/secret-1",
        "- 110113 8 denied_by_rule Binary/secret-3",
        "- rest 4 - Patient/absent",
        "- 110113 8 no_route -",
    ];
    assert_eq!(told, expected);
    let seen = repository.server.seen("/audit").pop().unwrap();
    assert_eq!(seen.all("authorization"), [format!("Bearer {TOKEN}")]);
    assert_eq!(seen.all("host"), ["audit.clinic.example"]);
    counts(&stage, "audit_queued", 0);
    tells_nobody_else(&stage, &["secret-"]);
}

#[test]
fn every_event_arrives_whatever_the_repository_does_for_a_while() {
    let repository = Repository::start();
    let stage = stage(policy(|_| ()), &repository);
    let mut all = Vec::new();
    for mood in [503, 429, 401, 403, 404, 500, 302, RESETS, STALLS, BABBLES, FAILS_EACH] {
        repository.is(mood);
        let before = repository.server.seen("/audit").len();
        all.extend(reads(&stage, &format!("during-{mood}"), 3));
        let asked = repository.was_asked(before);
        // It is asked again while it is so.
        repository.was_asked(asked);
        repository.is(TAKES);
        all.extend(reads(&stage, &format!("behind-{mood}"), 1));
        repository.has_all(&all);
    }
    counts(&stage, "audit_queued", 0);
    counts(&stage, "audit_events.result.delivered", 44);
    for lost in ["rejected", "dropped", "refused"] {
        counts(&stage, &format!("audit_events.result.{lost}"), 0);
    }
    assert!(stage.envoy.metric("carewarden.audit_calls.result.failed") >= 20);
    assert!(stage.envoy.metric("carewarden.audit_calls.result.ok") >= 11);
    assert!(stage.envoy.logs("the audit repository takes events again"));
    tells_nobody_else(&stage, &["during-", "behind-"]);
}

/// By then tries are half a minute apart.
#[test]
fn a_minute_without_a_repository_loses_nothing_and_tells_nothing_twice() {
    let repository = Repository::start();
    let stage = stage(policy(|_| ()), &repository);
    let mut all = reads(&stage, "before", 2);
    repository.has_all(&all);
    repository.is(RESETS);
    for second in (0..60).step_by(5) {
        all.extend(reads(&stage, &format!("down-{second}"), 2));
        thread::sleep(Duration::from_secs(5));
    }
    counts(&stage, "audit_queued", 24);
    repository.is(TAKES);
    all.extend(reads(&stage, "after", 2));
    repository.has_all(&all);
    counts(&stage, "audit_queued", 0);
    counts(&stage, "audit_events.result.delivered", 28);
    assert_eq!(repository.taken().len(), all.len());
}

#[test]
fn a_repository_that_is_not_there_gets_all_once_it_is() {
    let vacant = Vacant::new().unwrap();
    let clusters = vec![("audit".to_owned(), vacant.address)];
    let options = Options { policy: policy(|_| ()), clusters, ..Options::default() };
    let stage = Stage::with_secret(options, "AUDIT_TOKEN", TOKEN);
    let ids = reads(&stage, "early", 5);
    counts(&stage, "audit_queued", 5);
    assert!(stage.envoy.logs("the audit repository"));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&taken);
    let server = vacant.serving(move |seen: &Seen| answer(seen, TAKES, &own)).unwrap();
    let repository = Repository { server, mood: Arc::default(), taken };
    repository.has_all(&ids);
    counts(&stage, "audit_queued", 0);
    // A cluster that there is none of is a repository that is not there.
    let none = policy(|policy| policy["audit"]["delivery"]["cluster"] = json!("nowhere"));
    assert!(stage.envoy.set_policy(&none));
    reads(&stage, "nowhere", 3);
    counts(&stage, "audit_queued", 3);
    tells_nobody_else(&stage, &["early-", "nowhere-"]);
}

#[test]
fn an_event_that_the_repository_rejects_holds_up_no_other() {
    let repository = Repository::start();
    let stage = stage(policy(|_| ()), &repository);
    repository.is(REJECTS_PATIENT_BAD);
    assert_eq!(read(&stage, "bad").status, 200);
    let ids = reads(&stage, "good", 5);
    repository.has_all(&ids);
    counts(&stage, "audit_events.result.rejected", 1);
    counts(&stage, "audit_events.result.delivered", 5);
    counts(&stage, "audit_queued", 0);
    assert!(stage.envoy.logs("rejected 1 events"));
}

#[test]
fn without_room_requests_are_refused_until_there_is_some() {
    let repository = Repository::start();
    let stage = stage(policy(|policy| policy["audit"]["delivery"]["max_queue"] = json!(5)), &repository);
    repository.is(503);
    let ids = reads(&stage, "kept", 5);
    for id in ["unrecorded-1", "unrecorded-2"] {
        let response = read(&stage, id);
        assert_eq!((response.status, response.reason().as_str()), (503, "audit_unavailable"));
        assert!(stage.upstream.seen(&format!("/fhir/Patient/{id}")).is_empty());
    }
    counts(&stage, "audit_events.result.refused", 2);
    counts(&stage, "audit_queued", 5);
    assert_eq!(stage.envoy.audit("/fhir/Patient/unrecorded-1", 1)[0]["reason"], "audit_unavailable");
    repository.is(TAKES);
    repository.has_all(&ids);
    assert!(wait_for(|| (read(&stage, "again").status == 200).then_some(())).is_some());
    repository.has_all(&["again".to_owned()]);
    // Not those that were refused.
    assert!(!repository.taken().iter().filter_map(object).any(|about| about.contains("unrecorded")));
    counts(&stage, "audit_events.result.dropped", 0);
    tells_nobody_else(&stage, &["kept-", "unrecorded-"]);
}

#[test]
fn where_the_policy_says_so_events_are_dropped_and_counted() {
    let repository = Repository::start();
    let change = |policy: &mut Value| {
        policy["audit"]["delivery"]["max_queue"] = json!(5);
        policy["audit"]["delivery"]["on_overflow"] = json!("drop");
    };
    let stage = stage(policy(change), &repository);
    repository.is(503);
    let ids = reads(&stage, "first", 5);
    reads(&stage, "newest", 4);
    counts(&stage, "audit_events.result.dropped", 4);
    counts(&stage, "audit_events.result.refused", 0);
    repository.is(TAKES);
    repository.has_all(&ids);
    counts(&stage, "audit_queued", 0);
    assert_eq!(repository.taken().len(), 5);
}

#[test]
fn in_shadow_mode_nothing_is_refused_for_want_of_room() {
    let repository = Repository::start();
    let change = |policy: &mut Value| {
        policy["mode"] = json!("shadow");
        policy["audit"]["delivery"]["max_queue"] = json!(2);
    };
    let stage = stage(policy(change), &repository);
    repository.is(503);
    reads(&stage, "shadowed", 4);
    counts(&stage, "audit_events.result.dropped", 2);
}

#[test]
fn who_goes_away_is_told_of_and_leaves_no_room_taken() {
    let repository = Repository::start();
    let stage = stage(policy(|policy| policy["audit"]["delivery"]["max_queue"] = json!(1)), &repository);
    for gone in 1..=3 {
        // A body that was announced and never comes: its client goes away.
        let mut stream = std::net::TcpStream::connect(stage.envoy.listener(1)).unwrap();
        let head = "POST /fhir/Patient HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/fhir+json\r\n\
                    content-length: 10\r\n\r\n";
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        assert!(wait_for(|| (stage.envoy.stat("http.ingress.downstream_rq_active") > 0).then_some(())).is_some());
        drop(stream);
        assert!(wait_for(|| (stage.envoy.stat("http.ingress.downstream_rq_active") == 0).then_some(())).is_some());
        counts(&stage, "audit_events.result.delivered", gone);
    }
    assert!(repository.taken().iter().all(|event| event["outcomeDesc"] == "unfinished"));
    assert!(wait_for(|| (read(&stage, "after").status == 200).then_some(())).is_some());
    repository.has_all(&["after".to_owned()]);
}

#[test]
fn events_outlive_the_policy_that_they_come_from() {
    let repository = Repository::start();
    let stage = stage(policy(|_| ()), &repository);
    // One that follows for the same repository takes them over; one for none, or another, lets them be delivered first.
    let renamed = policy(|policy| policy["name"] = json!("another"));
    let silent = policy(|policy| drop(policy.as_object_mut().unwrap().remove("audit")));
    let moved = policy(|policy| policy["audit"]["delivery"]["uri"] = json!("https://audit.clinic.example/audit?new"));
    for (name, next) in [("renamed", renamed), ("silent", silent), ("moved", moved)] {
        assert!(stage.envoy.set_policy(&policy(|_| ())));
        assert!(
            wait_for(|| {
                let before = repository.taken().len();
                assert_eq!(read(&stage, "probe").status, 200);
                std::thread::sleep(Duration::from_millis(600));
                (repository.taken().len() > before).then_some(())
            })
            .is_some()
        );
        repository.is(503);
        let before = repository.server.seen("/audit").len();
        let mut ids = reads(&stage, &format!("before-{name}"), 3);
        repository.was_asked(before);
        assert!(stage.envoy.set_policy(&next));
        if name != "silent" {
            ids.extend(reads(&stage, &format!("behind-{name}"), 2));
        }
        repository.is(TAKES);
        repository.has_all(&ids);
        counts(&stage, "audit_queued", 0);
    }
    tells_nobody_else(&stage, &["before-", "behind-"]);
    // Nor does a policy that is refused lose any.
    repository.is(503);
    let ids = reads(&stage, "refused", 3);
    assert!(!stage.envoy.set_policy(&policy(|policy| policy["audit"]["delivery"]["batch"] = json!(0))));
    repository.is(TAKES);
    repository.has_all(&ids);
}

#[test]
fn a_thousand_exchanges_at_once_are_a_thousand_events() {
    let repository = Repository::start();
    let stage = stage(policy(|policy| policy["audit"]["delivery"]["batch"] = json!(100)), &repository);
    std::thread::scope(|scope| {
        for thread in 0..10 {
            let stage = &stage;
            scope.spawn(move || reads(stage, &format!("many-{thread}"), 100));
        }
    });
    counts(&stage, "audit_events.result.delivered", 1_000);
    let about: std::collections::HashSet<String> = repository.taken().iter().filter_map(object).collect();
    assert_eq!((about.len(), repository.taken().len()), (1_000, 1_000));
    // Batches, and not one call an event.
    assert!(repository.server.seen("/audit").len() < 500);
}

/// Who never reads a refusal keeps its stream open, and Envoy's idle timer ends it late. Its event must not wait for that,
/// nor keep the room that was taken for it.
#[test]
fn a_refusal_that_nobody_reads_is_told_at_once_and_keeps_no_room() {
    let repository = Repository::start();
    let stage = stage(policy(|policy| policy["audit"]["delivery"]["max_queue"] = json!(2)), &repository);
    let address = stage.envoy.listener(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let mut builder = h2::client::Builder::new();
        // Heads come, bodies do not.
        builder.initial_window_size(0);
        let (mut sender, connection) = builder.handshake::<_, bytes::Bytes>(stream).await.unwrap();
        tokio::spawn(connection);
        let mut unread = Vec::new();
        for count in 1..=4 {
            sender = sender.ready().await.unwrap();
            let request = http::Request::get("http://localhost/fhir/Binary/1").body(()).unwrap();
            let (answer, _) = sender.send_request(request, true).unwrap();
            let answer = answer.await.unwrap();
            assert_eq!(answer.status(), 403, "{count}");
            unread.push(answer);
            let told = || repository.taken().len() == count;
            let mut tries = 0;
            while !told() {
                tries += 1;
                assert!(tries < 500, "event {count} waits for its stream");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert_eq!(stage.envoy.stat("http.ingress.downstream_rq_active"), 4, "they are open still");
        assert_eq!(read(&stage, "good").status, 200);
    });
    counts(&stage, "audit_events.result.refused", 0);
}
