//! `carewarden inspect`: what inspection finds in requests, with the rules that judge them in Envoy.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::simulation::Request;
use super::style::{BAD, DIM, GOOD, paint};
use super::{CannotRun, Format, Outcome, environment, policy_path};
use crate::exchange::Engine;
use crate::fhir::ResourceType;
use crate::http::multipart::{self, Boundary};
use crate::http::{Headers, JsonLayout, MediaType, Target as RequestTarget, query};
use crate::inspect::{
    self, BodyInspection, Finding, Inspection, Level, Mode, Pack, Place, Settings, Target, Unjudged, judge_head,
    judge_part, judge_query,
};
use crate::json as lexer;

/// The limits on JSON of a route that does not set any.
const LIMITS: lexer::Limits =
    lexer::Limits { max_depth: 32, max_keys: 1_000, max_key: 256, max_string: 1 << 24, max_number: 64 };

/// The most parts of a body that is looked into.
const MAX_PARTS: usize = 1_000;

/// Inspect requests for injection: the rules that hold, where, the score, and what is decided.
#[derive(Debug, Args)]
#[command(after_help = "\
A request is the document that tests have: `method`, `path`, `host`, `headers`, and one of `body` (JSON),
`body_text`, `body_base64`. One document, or one a line. Nothing but inspection is judged: no credentials, no
rules of access. With a policy, the route that takes a request says how it is inspected.

A JSON body is FHIR's if its content type is, or if its `resourceType` is one of R4; with a policy, if the
route is `fhir`.

Ends with 0 when all are allowed, 1 when one is denied, 2 when nothing could be judged.

Examples:
  carewarden inspect request.json
  carewarden inspect --level strict --format json requests.ndjson
  carewarden inspect --policy policies/clinic request.json
  echo '{\"path\": \"/?q=%27%20or%201=1--\", \"host\": \"x\"}' | carewarden inspect")]
pub(super) struct Inspect {
    /// Which rules judge.
    #[arg(long, value_enum, default_value_t, conflicts_with = "policy")]
    level: LevelName,
    /// The policy whose routes say how requests are inspected.
    #[arg(long)]
    policy: Option<PathBuf>,
    /// How to write the result: JSON is one object a line.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The requests; standard input when absent.
    file: Option<PathBuf>,
}

/// A level, as it is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum LevelName {
    /// The rules that spare ordinary healthcare traffic.
    #[default]
    Standard,
    /// All rules.
    Strict,
}

/// Who says how requests are inspected.
enum Judge {
    Level(Settings),
    Policy(Engine),
}

/// What came of a request.
#[derive(Debug, Default)]
struct Verdict {
    denied: bool,
    score: u32,
    findings: Vec<Finding>,
    /// Why it is refused, where no rule decided.
    reason: Option<&'static str>,
}

impl Inspect {
    pub(super) fn run(self) -> Result<Outcome, CannotRun> {
        let judge = self.judge()?;
        let text = self.read()?;
        let mut out = std::io::stdout().lock();
        let (mut count, mut denied) = (0_u64, 0_u64);
        for document in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
            let number = count.saturating_add(1);
            let document = document.map_err(|error| CannotRun(format!("request {number} is not JSON: {error}")))?;
            let request = read_request(document).map_err(|error| CannotRun(format!("request {number}: {error}")))?;
            let verdict = judge.of(&request).map_err(|error| CannotRun(format!("request {number}: {error}")))?;
            match self.format {
                Format::Text => verdict.print(number, &mut out)?,
                Format::Json => writeln!(out, "{}", verdict.to_json())?,
            }
            count = number;
            denied = denied.saturating_add(u64::from(verdict.denied));
        }
        match (count, denied) {
            (0, _) => Err(CannotRun("there is no request".to_owned())),
            (_, 0) => Ok(Outcome::Fine),
            _ => Ok(Outcome::Findings),
        }
    }

    fn judge(&self) -> Result<Judge, CannotRun> {
        if let Some(path) = &self.policy {
            let path = policy_path(path);
            let text = std::fs::read(&path).map_err(|error| CannotRun::reading(&path, &error))?;
            let engine = Engine::load(&text, &environment).0;
            return engine.map(Judge::Policy).ok_or_else(|| {
                CannotRun(format!("the policy is invalid; `carewarden check {}` says why", path.display()))
            });
        }
        let level = match self.level {
            LevelName::Standard => Level::Standard,
            LevelName::Strict => Level::Strict,
        };
        let pack = Pack::standard().map_err(|error| CannotRun(error.to_string()))?;
        Ok(Judge::Level(Settings::of_level(level, Rc::new(pack))))
    }

    fn read(&self) -> Result<String, CannotRun> {
        let path = self.file.as_deref();
        let mut text = String::new();
        let read = match path {
            Some(path) => std::fs::read_to_string(path).map(|read| text = read),
            None => std::io::stdin().lock().read_to_string(&mut text).map(drop),
        };
        read.map_err(|error| CannotRun::reading(path.unwrap_or(Path::new("standard input")), &error))?;
        Ok(text)
    }
}

/// A document without a path or a host is about the rest of the request.
fn read_request(mut document: Value) -> Result<Request, String> {
    if let Some(members) = document.as_object_mut() {
        members.entry("path").or_insert_with(|| "/".into());
        members.entry("host").or_insert_with(|| "localhost".into());
    }
    serde_json::from_value(document).map_err(|error| error.to_string())
}

impl Judge {
    fn of(&self, request: &Request) -> Result<Verdict, String> {
        let (head, body) = (request.head(), request.body()?);
        let (settings, is_fhir_route) = match self {
            Self::Level(settings) => (settings.clone(), None),
            Self::Policy(engine) => match engine.inspection(&head) {
                Ok((Some(settings), is_fhir)) => (settings, Some(is_fhir)),
                Ok((None, _)) => return Ok(Verdict::default()),
                Err(reason) => return Ok(Verdict::refused(reason.code())),
            },
        };
        if let Err(reason) = check_path(&head) {
            return Ok(Verdict::refused(reason));
        }
        let enforces = settings.mode() == Mode::Enforce;
        let mut inspection = Inspection::new(&settings, head.byte_len()).telling();
        let judged = judge_head(&mut inspection, &head).map_err(reason_of);
        let mut verdict = Verdict::of(&inspection, judged.err(), enforces);
        if !verdict.denied && !body.is_empty() {
            let mut inspection = Inspection::new(&settings, body.len()).telling();
            let judged = judge_body(&mut inspection, request, &head, &body, is_fhir_route);
            verdict = verdict.and(Verdict::of(&inspection, judged.err(), enforces));
        }
        Ok(verdict)
    }
}

fn check_path(head: &Headers) -> Result<(), &'static str> {
    let path = head.single(":path").ok().flatten().unwrap_or_default();
    RequestTarget::parse(path).map(drop).map_err(|_| "ambiguous_path")
}

fn reason_of(unjudged: Unjudged) -> &'static str {
    match unjudged {
        Unjudged::OverBudget(_) => "inspection_budget",
        Unjudged::Unreadable => "malformed_query",
    }
}

/// How a body without a content type is read.
enum Guess {
    Json,
    Form,
    Text,
}

fn judge_body(
    inspection: &mut Inspection<'_>,
    request: &Request,
    head: &Headers,
    body: &[u8],
    is_fhir_route: Option<bool>,
) -> Result<(), &'static str> {
    let value = head.single("content-type").map_err(|_| "unsupported_media_type")?;
    let media_type = value.map(MediaType::parse).transpose().map_err(|_| "unsupported_media_type")?;
    let is_fhir_type = media_type.as_ref().is_some_and(|own| own.essence().starts_with("application/fhir+"));
    let is_patch = media_type.as_ref().is_some_and(|own| own.essence().ends_with("patch+json"));
    let names_type = |body: &[u8]| {
        let root: Option<Value> = serde_json::from_slice(body).ok();
        root.and_then(|root| root.get("resourceType")?.as_str().map(ResourceType::parse)).flatten().is_some()
    };
    let is_fhir = !is_patch && is_fhir_route.unwrap_or_else(|| is_fhir_type || names_type(body));
    match &media_type {
        Some(own) => match own.json() {
            Some(JsonLayout::Document) => judge_json(inspection, body, is_fhir),
            Some(JsonLayout::Lines) => {
                let mut lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
                lines.try_for_each(|line| judge_json(inspection, line, is_fhir))
            }
            None if own.is_form() => judge_form(inspection, body),
            None if own.essence() == "multipart/form-data" => judge_parts(inspection, own, body),
            None => Err("unsupported_media_type"),
        },
        None => match guess(request, body) {
            Guess::Json => judge_json(inspection, body, is_fhir),
            Guess::Form => judge_form(inspection, body),
            Guess::Text => inspection.value(Target::Json, Place::Unnamed, body).map_err(|_| "inspection_budget"),
        },
    }
}

fn guess(request: &Request, body: &[u8]) -> Guess {
    let is_json = request.json().is_some() || serde_json::from_slice::<Value>(body).is_ok();
    let is_form = || body.contains(&b'=') && query::pairs(body).all(|pair| pair.is_ok());
    match is_json {
        true => Guess::Json,
        false if is_form() => Guess::Form,
        false => Guess::Text,
    }
}

fn judge_form(inspection: &mut Inspection<'_>, body: &[u8]) -> Result<(), &'static str> {
    judge_query(inspection, body, Target::FormName, Target::Form).map_err(reason_of)
}

fn judge_parts(inspection: &mut Inspection<'_>, own: &MediaType, body: &[u8]) -> Result<(), &'static str> {
    let boundary = Boundary::of(own).map_err(|_| "malformed_multipart")?;
    let limits = multipart::Limits { max_parts: MAX_PARTS, max_part: body.len() };
    for part in multipart::read(body, &boundary, &limits).map_err(|_| "malformed_multipart")? {
        let is_text = part.media_type.eq_ignore_ascii_case("text/plain");
        judge_part(inspection, &part, is_text).map_err(|_| "inspection_budget")?;
        match part.json {
            Some(_) => judge_json(inspection, part.content, false)?,
            None if is_text => (),
            None => return Err("unsupported_media_type"),
        }
    }
    Ok(())
}

fn judge_json(inspection: &mut Inspection<'_>, body: &[u8], is_fhir: bool) -> Result<(), &'static str> {
    let mut inspected = BodyInspection::new(inspection, is_fhir);
    lexer::walk(body, &LIMITS, |event| inspected.visit(event)).map_err(|_| "malformed_body")?;
    if inspected.again() {
        lexer::walk(body, &LIMITS, |event| inspected.visit(event)).map_err(|_| "malformed_body")?;
    }
    inspected.finish().map_err(|_| "inspection_budget")
}

impl Verdict {
    fn refused(reason: &'static str) -> Self {
        Self { denied: true, reason: Some(reason), ..Self::default() }
    }

    fn of(inspection: &Inspection<'_>, reason: Option<&'static str>, enforces: bool) -> Self {
        let reason = reason.filter(|_| enforces && !inspection.is_over());
        Self {
            denied: enforces && (inspection.is_over() || reason.is_some()),
            score: inspection.score(),
            findings: inspection.findings().to_vec(),
            reason,
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.findings.extend(other.findings);
        let (denied, reason) = (self.denied || other.denied, self.reason.or(other.reason));
        Self { denied, score: self.score.max(other.score), findings: self.findings, reason }
    }

    fn decision(&self) -> &'static str {
        if self.denied { "deny" } else { "allow" }
    }

    fn to_json(&self) -> Value {
        let rule = |found: &Finding| {
            let Finding { rule, class, score, target, place } = found;
            json!({ "id": &**rule, "class": class, "score": score, "target": target, "place": place })
        };
        let rules: Vec<_> = self.findings.iter().map(rule).collect();
        let mut result = json!({ "decision": self.decision(), "score": self.score, "rules": rules });
        if let (Some(reason), Some(result)) = (self.reason, result.as_object_mut()) {
            result.insert("reason".to_owned(), reason.into());
        }
        result
    }

    fn print(&self, number: u64, out: &mut impl Write) -> Result<(), CannotRun> {
        let decision = paint(if self.denied { BAD } else { GOOD }, self.decision());
        write!(out, "{number}: {decision}, score {}", self.score)?;
        match self.reason {
            Some(reason) => writeln!(out, ", {reason}")?,
            None => writeln!(out)?,
        }
        for inspect::Finding { rule, score, target, place, .. } in &self.findings {
            // A terminal takes no orders from a request.
            let place = place.as_deref().unwrap_or_default().escape_debug().to_string();
            writeln!(out, "  {rule} +{score} {}", paint(DIM, format!("{} {place}", target.as_str()).trim_end()))?;
        }
        Ok(())
    }
}
