//! Steps of the body, of inspection, and of the answer.

use std::rc::Rc;

use super::{Detail, Found, Mark, Part, Step, Trail};
use crate::exchange::body::{Content, Layout};
use crate::exchange::inspection::reads_all;
use crate::exchange::reason::{Reason, Rule};
use crate::exchange::request::Judged;
use crate::exchange::route::Route;
use crate::http::Headers;
use crate::inspect::{self, Finding, Inspection, Mode, Settings, judge_head};
use crate::json;
use crate::redact::{Program, Touch};

impl Trail {
    /// What kind of body the head announces.
    pub(in crate::exchange) fn content(&mut self, head: &Headers, route: &Route, content: &Result<Content, Reason>) {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let said: Vec<_> = head.all("content-type").map(text).collect();
        let coding = head.all("content-encoding").find(|coding| !coding.eq_ignore_ascii_case(b"identity")).map(text);
        let accepted = || crate::policy::unmet::listed(&route.limits.content_types);
        let essence = |said: &str| said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let says = match (content, said.as_slice(), coding) {
            (Ok(content), said, _) => format!("`{}` is read as {}", said.join(", "), layout_in_words(content.layout)),
            (Err(_), [], _) => "there is a body, and no content type".to_owned(),
            (Err(_), [_, _, ..], _) => "there is more than one content type".to_owned(),
            (Err(_), _, Some(coding)) => format!("the body is encoded (`{coding}`), and only plain ones are looked into"),
            (Err(_), [said], None) if route.limits.content_types.contains(&essence(said)) => {
                format!("`{said}` is malformed, in a charset that is not read, or in several parts")
            }
            (Err(_), [said], None) => format!("`{said}` is not accepted here; accepted are {}", accepted()),
        };
        let pointer = self.place("/request/content_types");
        self.add(Step::new(Part::Body, "content type", Found::of(content), says).at(pointer));
    }

    pub(in crate::exchange) fn readable(&mut self, readable: &Result<(), Reason>) {
        if readable.is_err() {
            let says = "a body of this type cannot be inspected, and the route inspects";
            let pointer = self.place("/request/inspect");
            self.add(Step::new(Part::Body, "inspection", Found::of(readable), says).at(pointer));
        }
    }

    pub(in crate::exchange) fn body_size(&mut self, size: usize, limit: usize) {
        let found = if size > limit { Found::Refuses(Rule::BodyTooLarge.into()) } else { Found::Holds };
        let pointer = self.place("/request/max_body");
        self.add(Step::new(Part::Body, "max_body", found, format!("bytes of body: {size} of at most {limit}")).at(pointer));
    }

    /// A body is refused for what it is, whatever it says.
    pub(in crate::exchange) fn kind_of_body(&mut self, rule: Rule) {
        let reason = Reason::from(rule);
        self.add(Step::new(Part::Body, "content", Found::Refuses(reason), reason.text()));
    }

    /// What the one pass over a body found wrong with it.
    pub(in crate::exchange) fn body(
        &mut self,
        content: Content,
        bytes: &[u8],
        limits: &json::Limits,
        reason: Option<Reason>,
    ) {
        let found = reason.map_or(Found::Holds, Found::Refuses);
        let layout = layout_in_words(content.layout);
        // The reason tells less than what reads the text.
        let texts: Vec<&[u8]> = match content.layout {
            Layout::Json => vec![bytes],
            Layout::JsonLines => bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect(),
            Layout::Form | Layout::Parts(_) | Layout::Opaque => Vec::new(),
        };
        let fault = texts.iter().find_map(|text| json::walk(text, limits, |_| ()).err());
        let (says, key) = match (reason, fault) {
            (None, _) => (format!("it is {layout}, within limits"), ""),
            (Some(_), Some(fault)) => {
                let (key, most) = limit_of(fault, limits);
                let most = most.map(|most| format!("; at most {most} is let through")).unwrap_or_default();
                (format!("it is announced as {layout}: {fault}{most}"), key)
            }
            (Some(reason), None) if reason == Rule::MalformedBody.into() => {
                ("it is not the resource or the Bundle that the path asks for".to_owned(), "")
            }
            (Some(reason), None) => (reason.text().to_owned(), ""),
        };
        let pointer = self.place(&format!("/request{key}"));
        self.add(Step::new(Part::Body, "content", found, says).at(pointer));
    }

    /// The body would be written over the whole, and is not all there.
    pub(in crate::exchange) fn partial(&mut self) {
        let says = "by its `meta` it is redacted or subsetted, and it would be written over the whole";
        self.add(Step::new(Part::Body, "content", Found::Refuses(Rule::PartialResource.into()), says));
    }

    pub(in crate::exchange) fn inspected_head(&mut self, settings: &Settings, head: &Headers, refused: Option<Reason>) {
        let inspect = |settings: &Settings| {
            let mut inspection = Inspection::new(settings, head.byte_len()).telling();
            // What cannot be judged has refused.
            let _ = judge_head(&mut inspection, head);
            (inspection.score(), inspection.findings().to_vec())
        };
        self.inspected("head", settings, inspect, refused);
    }

    pub(in crate::exchange) fn inspected_body(
        &mut self,
        judged: &Judged,
        content: Content,
        bytes: &[u8],
        refused: Option<Reason>,
    ) {
        let Some(settings) = &judged.route.inspect else { return };
        let asked = self.asked.clone();
        let inspect = |settings: &Settings| {
            let mut inspection = Inspection::new(settings, bytes.len()).telling();
            let (limits, mut asked) = (&judged.route.limits.json, asked.clone());
            let found = Some(&mut inspection);
            match (&content.layout, &judged.route.parts) {
                (Layout::Parts(boundary), Some(parts)) => {
                    drop(parts.inspect(boundary, bytes, limits, found, reads_all(&judged.route)));
                }
                _ => drop(content.inspect(bytes, limits, asked.as_mut(), judged.target.path(), None, found)),
            }
            (inspection.score(), inspection.findings().to_vec())
        };
        self.inspected("body", settings, inspect, refused);
    }

    /// The rules that hold, and those that would but for an exemption.
    fn inspected(
        &mut self,
        of: &str,
        settings: &Settings,
        inspect: impl Fn(&Settings) -> (u32, Vec<Finding>),
        refused: Option<Reason>,
    ) {
        let (score, findings) = inspect(settings);
        let (level, threshold) = (settings.level(), settings.threshold());
        let place = |finding: &Finding| match &finding.place {
            Some(place) => format!("{} `{place}`", finding.target.as_str()),
            None => finding.target.as_str().to_owned(),
        };
        let holds = |finding: &Finding| {
            let says = format!("+{} in {}", finding.score, place(finding));
            Detail::new(&*finding.rule, Mark::Bad, says)
        };
        let mut details: Vec<_> = findings.iter().map(holds).collect();
        if let Some(all) = settings.without_exemptions() {
            let exempted = inspect(&all).1.into_iter().filter(|finding| !findings.contains(finding));
            details.extend(exempted.map(|finding| {
                let says = format!("holds in {}, and is exempt there", place(&finding));
                Detail::new(&*finding.rule, Mark::Neutral, says)
            }));
        }
        let level = if level == inspect::Level::Strict { "strict" } else { "standard" };
        let mut says = format!("the score of the worst value is {score} of {threshold}, at level {level}");
        let (over, budget) = (score >= threshold, Rule::InspectionBudget.into());
        if settings.mode() == Mode::Report && over {
            says.push_str("; the route only reports");
        } else if refused == Some(budget) {
            "there is more work in it than inspection may take".clone_into(&mut says);
        } else if let Some(reason) = refused.filter(|reason| *reason != Rule::InjectionFound.into()) {
            reason.text().clone_into(&mut says);
        }
        let found = refused.map_or(Found::Holds, Found::Refuses);
        let pointer = self.place("/request/inspect");
        self.add(Step::new(Part::Inspection, of, found, says).at(pointer).with(details));
    }

    pub(in crate::exchange) fn answer_passes(&mut self) {
        self.add(Step::new(Part::Answer, "head", Found::Holds, "passes as it is: nothing is to be redacted"));
    }

    /// The head of an answer.
    pub(in crate::exchange) fn answer_head(&mut self, head: &Headers, guarded: bool, outcome: Option<Reason>) {
        let text = |name: &str| head.first(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let status = text(":status").unwrap_or_default();
        let media_type = text("content-type").map_or("no content type".to_owned(), |own| format!("`{own}`"));
        let says = match (outcome, guarded) {
            (Some(reason), _) if reason == Rule::AnswerMediaType.into() => {
                format!("status {status}, {media_type}: nothing that can be redacted")
            }
            (Some(reason), _) => format!("status {status}, {media_type}: {}", reason_in_words(reason)),
            (None, true) => format!("status {status}, {media_type}: goes through the redactor"),
            (None, false) => format!("status {status}, {media_type}: passes as it is"),
        };
        let found = outcome.map_or(Found::Holds, Found::Refuses);
        self.add(Step::new(Part::Answer, "head", found, says));
    }

    pub(in crate::exchange) fn answer_body(&mut self, touches: Vec<(Rc<Program>, Vec<Touch>)>, refused: Option<Reason>) {
        for (program, touches) in touches {
            self.redacted("response", &program, touches);
        }
        if let Some(reason) = refused {
            let granted = self.steps.iter().filter(|step| step.part == Part::Rule && step.found == Found::Noted);
            let granted = granted.filter(|_| reason == Rule::AnswerTypeNotGranted.into());
            let details = granted.map(|step| Detail::new("granted", Mark::Bad, &*step.says)).collect();
            let step = Step::new(Part::Answer, "body", Found::Refuses(reason), reason_in_words(reason));
            self.add(step.with(details));
        }
    }
}

/// The limit that a text is over: its key under `request`, and what it is.
fn limit_of(fault: json::Error, limits: &json::Limits) -> (&'static str, Option<usize>) {
    use json::Error;
    match fault {
        Error::TooDeep => ("/json/max_depth", Some(limits.max_depth)),
        Error::TooManyKeys => ("/json/max_keys", Some(limits.max_keys)),
        Error::LongKey => ("/json/max_key", Some(limits.max_key)),
        Error::LongString => ("/json/max_string", Some(limits.max_string)),
        Error::LongNumber => ("/json/max_number", Some(limits.max_number)),
        Error::Syntax | Error::Encoding | Error::Unfinished | Error::Trailing | Error::RepeatedKey => ("", None),
    }
}

fn layout_in_words(layout: Layout) -> &'static str {
    match layout {
        Layout::Json => "JSON",
        Layout::JsonLines => "lines of JSON",
        Layout::Form => "a form",
        Layout::Parts(_) => "parts",
        Layout::Opaque => "bytes that are not looked into",
    }
}

/// Why an answer is withheld: the client learns only that it is.
fn reason_in_words(reason: Reason) -> &'static str {
    let Reason::Rule(rule) = reason else { return reason.text() };
    match rule {
        Rule::RouteChanged => "Envoy chose another route than the one that was judged",
        Rule::AnswerStatus => "an answer of this status cannot be redacted",
        Rule::AnswerMediaType => "its media type is none that can be redacted",
        Rule::AnswerEncoding => "its content coding is unknown, or it is not what its coding says",
        Rule::AnswerDecodedLimit => "decoded it would be larger than allowed",
        Rule::AnswerMalformed => "it is not what its content type says, or was cut",
        Rule::AnswerLimit => "it is over a limit of the redactor",
        Rule::AnswerTypeNotGranted => "it holds a resource type that the rule does not grant",
        Rule::AnswerNotFhir => "it holds no resource where one has to be, one where none may be, or nothing would be left",
        Rule::AnswerNarrative => "it has a narrative with markup that FHIR does not permit, and the route refuses such",
        Rule::AnswerModifier => "a rule would take an element that changes the meaning of what stays",
        _ => reason.text(),
    }
}
