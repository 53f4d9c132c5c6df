use std::collections::HashMap;

use super::*;
use crate::http::Headers;

const NOW: Duration = Duration::from_secs(1_800_000_000);
const KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const OTHER: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"b","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}"#;

#[derive(Default)]
struct Data(RefCell<HashMap<String, Vec<u8>>>);

impl SharedData for Data {
    fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.0.borrow().get(name).cloned()
    }

    fn set(&self, name: &str, value: &[u8]) {
        self.0.borrow_mut().insert(name.to_owned(), value.to_vec());
    }
}

fn settings() -> Settings {
    let seconds = Duration::from_secs;
    Settings {
        cluster: "idp".into(),
        discovers: None,
        endpoint: Endpoint::parse("https://idp.example/jwks.json").unwrap(),
        accepted: vec![Algorithm::EdDSA],
        bounds: Bounds {
            refresh: seconds(300),
            min_refresh: seconds(30),
            max_stale: seconds(600),
            timeout: seconds(2),
            min_interval: seconds(10),
        },
        wait: seconds(2),
        max_size: 10_000,
        max_keys: 4,
        shared_key: None,
    }
}

fn answer(body: &str) -> Option<Answer> {
    Some(Answer { head: Headers::from_pairs([(":status", "200")]), body: Some(body.as_bytes().to_vec()) })
}

fn set(keys: &[&str]) -> Option<Answer> {
    answer(&format!(r#"{{"keys": [{}]}}"#, keys.join(",")))
}

fn kids(remote: &RemoteKeys) -> Vec<String> {
    remote.keys().iter().filter_map(|key| key.kid.clone()).collect()
}

/// Fetches at this moment, and gives what came of it.
fn fetch(remote: &RemoteKeys, answer: Option<Answer>, now: Duration, data: &Data) -> Result<Vec<String>, Failure> {
    let (serial, _) = remote.poll(now, data).call.expect("a call is due");
    remote.answered(serial, answer, now, data).expect("an answer is awaited").result.expect("it was the last call")
}

#[test]
fn a_set_takes_the_place_of_the_one_before_and_says_whether_it_is_another() {
    let (remote, data) = (RemoteKeys::new(settings()), Data::default());
    // The same name for another key is another key.
    let renamed = KEY.replace(r#""a""#, r#""b""#);
    let sets: [(&[&str], &[&str], bool); 6] = [
        (&[KEY], &["a"], true),
        (&[KEY], &["a"], false),
        (&[KEY, OTHER], &["a", "b"], true),
        (&[OTHER], &["b"], true),
        (&[&renamed], &["b"], true),
        (&[&renamed], &["b"], false),
    ];
    let mut now = NOW;
    for (keys, expected, is_changed) in sets {
        let (serial, _) = remote.poll(now, &data).call.expect("a call is due");
        let arrival = remote.answered(serial, set(keys), now, &data).expect("an answer is awaited");
        assert_eq!((arrival.result, arrival.is_changed), (Some(Ok(Vec::new())), is_changed), "{keys:?}");
        assert_eq!(kids(&remote), expected);
        now += Duration::from_secs(300);
    }
}

#[test]
fn what_is_no_set_changes_nothing_until_the_keys_are_too_old() {
    let status = |code: &str| Some(Answer { head: Headers::from_pairs([(":status", code)]), body: Some(Vec::new()) });
    let too_long = Some(Answer { head: Headers::from_pairs([(":status", "200")]), body: None });
    let five = [KEY; 5];
    let answers = [
        (None, Failure::Unreachable),
        (status("500"), Failure::Status(500)),
        (status("204"), Failure::Status(204)),
        (too_long, Failure::TooLarge),
        (answer(""), Failure::Malformed),
        (answer("[]"), Failure::Malformed),
        (answer(r#"{"keys": {}}"#), Failure::Malformed),
        (answer(&format!(r#"{{"keys": [{KEY}], "keys": []}}"#)), Failure::Malformed),
        (answer(&format!(r#"{{"keys": [{KEY}]}} x"#)), Failure::Malformed),
        (set(&[]), Failure::NoKeys),
        (set(&[r#"{"kty":"oct","k":"c2VjcmV0"}"#]), Failure::NoKeys),
        (set(&[KEY, KEY]), Failure::NoKeys),
        (set(&five), Failure::TooManyKeys),
    ];
    let (remote, data) = (RemoteKeys::new(settings()), Data::default());
    assert_eq!(fetch(&remote, set(&[KEY]), NOW, &data), Ok(Vec::new()));
    let mut now = NOW;
    for (answer, failure) in answers {
        now += remote.until_next(now);
        assert_eq!(fetch(&remote, answer, now, &data), Err(failure), "{failure:?}");
        assert_eq!(kids(&remote), vec!["a".to_owned()], "{failure:?}");
    }
    remote.poll(NOW + Duration::from_secs(899), &data);
    assert_eq!(kids(&remote).len(), 1);
    assert!(remote.poll(NOW + Duration::from_secs(900), &data).is_changed, "they are other ones than before");
    assert_eq!(kids(&remote).len(), 0);
    assert_eq!(remote.age(now), None);
}

#[test]
fn an_answer_is_taken_once_and_only_by_who_asked() {
    let (remote, data) = (RemoteKeys::new(settings()), Data::default());
    let (serial, call) = remote.poll(NOW, &data).call.unwrap();
    assert_eq!((&*call.cluster, call.max_body), ("idp", 10_000));
    assert!(remote.poll(NOW, &data).call.is_none(), "one call at a time");
    assert!(remote.answered(serial.wrapping_sub(1), set(&[OTHER]), NOW, &data).is_none());
    assert!(remote.answered(serial, set(&[KEY]), NOW, &data).is_some());
    assert!(remote.answered(serial, set(&[OTHER]), NOW, &data).is_none());
    assert_eq!(kids(&remote), ["a"]);
}

#[test]
fn a_key_that_cannot_be_used_is_told_of_and_the_others_are_used() {
    let (remote, data) = (RemoteKeys::new(settings()), Data::default());
    let told = fetch(&remote, set(&[r#"{"kty":"oct","k":"c2VjcmV0"}"#, KEY, "7"]), NOW, &data).unwrap();
    assert_eq!(kids(&remote), ["a"]);
    assert!(told.len() == 2 && told[0].starts_with("key 0: a symmetric key") && told[1].starts_with("key 2: "), "{told:?}");
    // What a set may hold beside is nothing to tell of.
    let encryption = r#"{"kty":"RSA","use":"enc","kid":"e","n":"AQAB","e":"AQAB"}"#;
    let later = NOW + Duration::from_secs(300);
    assert_eq!(fetch(&remote, set(&[encryption, KEY]), later, &data), Ok(Vec::new()));
}

#[test]
fn what_one_worker_fetched_the_others_take_over() {
    let (one, other, data) = (RemoteKeys::new(settings()), RemoteKeys::new(settings()), Data::default());
    fetch(&one, set(&[KEY]), NOW, &data).unwrap();
    let later = NOW + Duration::from_secs(5);
    let polled = other.poll(later, &data);
    assert!(polled.call.is_none() && polled.is_changed && polled.is_news);
    assert_eq!((kids(&other), other.age(later)), (vec!["a".to_owned()], Some(Duration::from_secs(5))));
    assert!(other.poll(later, &data).call.is_none());
    // What is there already is not taken again: it is fetched.
    assert!(other.poll(NOW + Duration::from_secs(300), &data).call.is_some());
}

#[test]
fn what_stands_in_shared_data_is_believed_only_under_the_right_name_and_key_and_while_it_is_of_use() {
    let keyed = |key: &[u8]| RemoteKeys::new(Settings { shared_key: Some(key.to_vec()), ..settings() });
    let data = Data::default();
    fetch(&keyed(b"key"), set(&[KEY]), NOW, &data).unwrap();
    let taken = |remote: RemoteKeys, now: Duration| remote.poll(now, &data).call.is_none();
    assert!(taken(keyed(b"key"), NOW));
    assert!(!taken(keyed(b"other"), NOW));
    assert!(!taken(RemoteKeys::new(Settings { max_keys: 5, ..settings() }), NOW), "another provider");
    assert!(!taken(keyed(b"key"), NOW - Duration::from_secs(60)), "from the future");
    assert!(!taken(keyed(b"key"), NOW + Duration::from_secs(300)), "it is time to fetch");
    let stale = keyed(b"key");
    assert!(stale.poll(NOW + Duration::from_secs(300), &data).is_changed, "and yet better than nothing");
    let past = keyed(b"key");
    assert!(!past.poll(NOW + Duration::from_secs(900), &data).is_changed && past.keys().is_empty());
}

#[test]
fn a_discovery_document_leads_to_the_keys() {
    let issuer = "https://idp.example";
    let discovers =
        || Settings { discovers: Some(issuer.to_owned()), endpoint: document_of(issuer).unwrap(), ..settings() };
    let (remote, data) = (RemoteKeys::new(discovers()), Data::default());
    let (first, call) = remote.poll(NOW, &data).call.unwrap();
    assert!(call.head.contains(&(":path", "/.well-known/openid-configuration".into())));
    let document = r#"{"issuer": "https://idp.example", "jwks_uri": "https://keys.example/k"}"#;
    let arrival = remote.answered(first, answer(document), NOW, &data).unwrap();
    let (second, call) = arrival.call.unwrap();
    assert!(arrival.result.is_none() && call.head.contains(&(":authority", "keys.example".into())));
    assert!(remote.answered(first, answer(document), NOW, &data).is_none(), "it was taken");
    assert!(remote.poll(NOW, &data).call.is_none(), "one call at a time");
    assert_eq!(remote.answered(second, set(&[KEY]), NOW, &data).unwrap().result, Some(Ok(Vec::new())));
    let stranger = RemoteKeys::new(discovers());
    let document = document.replace("idp.example", "idp.example.evil");
    assert_eq!(fetch(&stranger, answer(&document), NOW, &Data::default()), Err(Failure::Issuer));
}

/// Another worker that fetched this at this moment, under `max-age` if that is given.
fn elsewhere(fetched: Duration, max_age: Option<&str>, data: &Data) {
    let theirs = RemoteKeys::new(settings());
    let (serial, _) = theirs.poll(fetched, &Data::default()).call.unwrap();
    let mut head = vec![(":status", "200")];
    head.extend(max_age.map(|age| ("cache-control", age)));
    let answer = Answer { head: Headers::from_pairs(head), body: set(&[KEY]).unwrap().body };
    assert_eq!(theirs.answered(serial, Some(answer), fetched, data).unwrap().result, Some(Ok(Vec::new())));
}

#[test]
fn keys_of_another_worker_that_are_too_old_do_not_make_ours_immortal() {
    let (ours, data) = (RemoteKeys::new(settings()), Data::default());
    fetch(&ours, set(&[KEY]), NOW, &data).unwrap();
    elsewhere(NOW + Duration::from_secs(10), Some("max-age=0"), &data);
    let mut now = NOW + Duration::from_secs(700);
    while now < NOW + Duration::from_secs(900) {
        assert_eq!(kids(&ours), ["a"]);
        if let Some((serial, _)) = ours.poll(now, &data).call {
            ours.answered(serial, None, now, &data);
        }
        now += Duration::from_secs(20);
    }
    ours.poll(now, &data);
    assert!(kids(&ours).is_empty());
}

#[test]
fn what_another_worker_fetched_settles_who_waits_and_swallows_no_fetch() {
    let (ours, data) = (RemoteKeys::new(settings()), Data::default());
    fetch(&ours, set(&[KEY]), NOW, &data).unwrap();
    elsewhere(NOW + Duration::from_secs(20), None, &data);
    // Just now: the same keys, and the issuer is not asked again.
    let soon = NOW + Duration::from_secs(21);
    assert_eq!(ours.miss(soon), Miss::Awaits);
    let polled = ours.poll(soon, &data);
    assert!(polled.call.is_none() && polled.is_news && !polled.is_changed);
    assert_eq!(ours.miss(soon), Miss::Unknown);
    // A while ago: it may have other keys by now, and is asked.
    elsewhere(NOW + Duration::from_secs(40), None, &data);
    let later = NOW + Duration::from_secs(60);
    assert_eq!(ours.miss(later), Miss::Awaits);
    let polled = ours.poll(later, &data);
    assert!(polled.call.is_some() && polled.is_news);
}

#[test]
fn debug_output_holds_no_key() {
    let remote = RemoteKeys::new(Settings { shared_key: Some(b"secret".to_vec()), ..settings() });
    assert!(!format!("{remote:?}").contains("secret") && !format!("{remote:?}").contains("115"));
}
