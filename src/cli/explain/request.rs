//! What is to be explained: a request, and what may stand beside it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::cli::CannotRun;
use crate::cli::simulation::{Request, Upstream};
use crate::cli::test::Caller;
use crate::identity::StandIn;
use crate::policy::model::Timestamp;

/// What is to be explained.
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) stand_in: Option<StandIn>,
    pub(super) answer: Option<Upstream>,
    /// When, and in which environment, where a suite says it.
    pub(super) now: Option<i64>,
    pub(super) env: Option<BTreeMap<String, String>>,
}

impl Asked {
    /// Reads a file, or standard input.
    pub(super) fn read(path: Option<&Path>) -> Result<Self, CannotRun> {
        let mut text = String::new();
        let read = match path {
            Some(path) => std::fs::read_to_string(path).map(|read| text = read),
            None => std::io::stdin().lock().read_to_string(&mut text).map(drop),
        };
        read.map_err(|error| CannotRun::reading(path.unwrap_or(Path::new("standard input")), &error))?;
        let problem = |error| CannotRun(format!("the request is no JSON object: {error}"));
        let mut document: Map<String, Value> = serde_json::from_str(&text).map_err(problem)?;
        let (principal, answer) = (document.remove("principal"), document.remove("response"));
        Self::of(Value::Object(document), principal, answer)
    }

    /// Reads a case of the suite in a directory.
    pub(super) fn of_case(directory: &Path, name: &str) -> Result<Self, CannotRun> {
        let path = directory.join("tests.json");
        let text = std::fs::read(&path).map_err(|error| CannotRun::reading(&path, &error))?;
        let problem = |what: &str| CannotRun(format!("`{}` {what}", path.display()));
        let suite: Value = serde_json::from_slice(&text).map_err(|error| problem(&format!("is not JSON: {error}")))?;
        let cases = suite.get("cases").and_then(Value::as_array).into_iter().flatten();
        let is_it = |case: &&Value| case.get("name").and_then(Value::as_str) == Some(name);
        let case = cases.clone().find(is_it).ok_or_else(|| problem(&format!("has no case `{name}`")))?;
        Self::of_suite(&suite, case).map_err(|CannotRun(why)| problem(&why))
    }

    /// A case of a suite.
    pub(super) fn of_suite(suite: &Value, case: &Value) -> Result<Self, CannotRun> {
        let part = |of: &Value, key: &str| of.get(key).cloned();
        let asked = Self::of(part(case, "request").unwrap_or_default(), part(case, "principal"), part(case, "upstream"))?;
        let now: Option<Timestamp> = part(suite, "now").map(|now| decode(now, "now")).transpose()?;
        let env = part(suite, "env").unwrap_or_else(|| Value::Object(Map::new()));
        Ok(Self { now: now.map(|Timestamp(now)| now), env: Some(decode(env, "env")?), ..asked })
    }

    fn of(request: Value, principal: Option<Value>, answer: Option<Value>) -> Result<Self, CannotRun> {
        let caller: Option<Caller> = principal.map(|principal| decode(principal, "principal")).transpose()?;
        Ok(Self {
            request: decode(request, "request")?,
            stand_in: caller.map(StandIn::from),
            answer: answer.map(|answer| decode(answer, "response")).transpose()?,
            now: None,
            env: None,
        })
    }
}

fn decode<T: DeserializeOwned>(value: Value, what: &str) -> Result<T, CannotRun> {
    serde_json::from_value(value).map_err(|error| CannotRun(format!("`{what}`: {error}")))
}
