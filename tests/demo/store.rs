//! What clients wrote to the small FHIR server, over what it has from the start: create, update, delete, read, search by
//! type, and batches of audit events.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::fhir;
use crate::support::upstream::{Reply, Seen};

/// So many resources are kept; the oldest ids go first.
const CAPACITY: usize = 10_000;

type Key = (String, String);

/// Resources by type and id.
#[derive(Default)]
pub(crate) struct Store {
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    resources: BTreeMap<Key, Value>,
    count: usize,
}

impl Store {
    /// Answers a request for `/fhir`, from what was written or as the server does by itself.
    pub(crate) fn answer(&self, request: &Seen) -> Reply {
        let path = request.path.split('?').next().unwrap_or_default();
        let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
        let mut written = self.written.lock().expect("no panic while it is held");
        match (request.method.as_str(), steps.as_slice()) {
            ("POST", ["fhir"]) => written.batch(&request.body),
            ("POST", ["fhir", kind]) => written.create(kind, &request.body),
            ("PUT", ["fhir", kind, id]) => written.put(kind, id, &request.body),
            ("DELETE", ["fhir", kind, id]) => {
                let found = written.resources.remove(&key(kind, id)).is_some();
                if found { Reply::new(204) } else { fhir::not_found() }
            }
            ("GET" | "HEAD", ["fhir", kind, id]) => match written.resources.get(&key(kind, id)) {
                Some(resource) => fhir::reply(200, &resource.to_string()),
                None => fhir::answer(request),
            },
            ("GET", ["fhir", kind]) if written.resources.keys().any(|(own, _)| own == kind) => written.search(kind),
            _ => fhir::answer(request),
        }
    }
}

impl Written {
    /// Takes a batch of creations, as an audit repository does.
    fn batch(&mut self, body: &[u8]) -> Reply {
        let Ok(bundle) = serde_json::from_slice::<Value>(body) else { return unreadable() };
        let Some(entries) = bundle["entry"].as_array().filter(|_| bundle["type"] == "batch") else { return unreadable() };
        let mut answers = Vec::new();
        for entry in entries {
            let kind = entry["request"]["url"].as_str().unwrap_or_default();
            let fits = entry["request"]["method"] == "POST" && entry["resource"]["resourceType"] == kind;
            let status = if fits { "201 Created" } else { "400 Bad Request" };
            if fits {
                let id = self.next_id();
                self.keep(kind, &id, entry["resource"].clone());
            }
            answers.push(json!({ "response": { "status": status } }));
        }
        fhir::reply(200, &json!({ "resourceType": "Bundle", "type": "batch-response", "entry": answers }).to_string())
    }

    fn create(&mut self, kind: &str, body: &[u8]) -> Reply {
        let Ok(resource) = serde_json::from_slice::<Value>(body) else { return unreadable() };
        let id = self.next_id();
        let kept = self.keep(kind, &id, resource);
        fhir::reply(201, &kept).header("location", format!("/fhir/{kind}/{id}/_history/1"))
    }

    fn put(&mut self, kind: &str, id: &str, body: &[u8]) -> Reply {
        let Ok(resource) = serde_json::from_slice::<Value>(body) else { return unreadable() };
        let status = if self.resources.contains_key(&key(kind, id)) { 200 } else { 201 };
        let kept = self.keep(kind, id, resource);
        fhir::reply(status, &kept)
    }

    fn keep(&mut self, kind: &str, id: &str, mut resource: Value) -> String {
        resource["id"] = json!(id);
        let text = resource.to_string();
        self.resources.insert(key(kind, id), resource);
        if self.resources.len() > CAPACITY {
            self.resources.pop_first();
        }
        text
    }

    fn search(&self, kind: &str) -> Reply {
        let own = self.resources.iter().filter(|((own, _), _)| own == kind);
        let entries: Vec<Value> =
            own.map(|(_, resource)| json!({ "resource": resource, "search": { "mode": "match" } })).collect();
        let bundle = json!({ "resourceType": "Bundle", "type": "searchset", "total": entries.len(), "entry": entries });
        fhir::reply(200, &bundle.to_string())
    }

    fn next_id(&mut self) -> String {
        self.count += 1;
        format!("new-{}", self.count)
    }
}

fn key(kind: &str, id: &str) -> Key {
    (kind.to_owned(), id.to_owned())
}

fn unreadable() -> Reply {
    fhir::reply(400, &fhir::outcome("structure", "no batch of JSON"))
}
