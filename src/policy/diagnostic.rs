//! What is wrong with a policy, where, and what to do about it.
//!
//! A [`Report`] collects every problem of one text in one pass. Errors refuse the policy; warnings do not. A
//! [`Diagnostic`] carries a stable [`Code`], the RFC 6901 pointer, line and column (both from 1, columns in
//! characters), a message and, where there is something to suggest, a hint. Messages never hold a secret's value, nor what
//! may be one because it stands in a secret's place ([`holds_secret`]).

use std::fmt;

use serde::Serialize;

use super::document::Node;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What kind of problem it is. The text is stable: people search for it and tools match on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// The stable text, for example `unknown-key`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The text is not JSON (RFC 8259).
    Syntax = "syntax",
    /// A key stands twice in one object.
    RepeatedKey = "repeated-key",
    /// A key that the policy language does not have.
    UnknownKey = "unknown-key",
    /// A key that has to be there is not.
    MissingKey = "missing-key",
    /// A value of the wrong kind or form.
    InvalidValue = "invalid-value",
    /// Something the language has room for but this version does not do yet.
    NotSupported = "not-supported",
    /// A name that refers to nothing.
    MissingReference = "missing-reference",
    /// Two things share a name that has to be unique.
    DuplicateName = "duplicate-name",
    /// References that lead back to themselves.
    ReferenceCycle = "reference-cycle",
    /// A route that no request can reach.
    UnreachableRoute = "unreachable-route",
    /// A rule that no caller can reach.
    UnreachableRule = "unreachable-rule",
    /// A path template that is ambiguous or malformed.
    InvalidTemplate = "invalid-template",
    /// A FHIR resource type that R4 does not have.
    UnknownType = "unknown-type",
    /// A redaction rule that cannot be read or cannot work.
    InvalidRule = "invalid-rule",
    /// A secret shorter than its use asks for.
    WeakSecret = "weak-secret",
    /// A secret that the environment does not hold.
    MissingSecret = "missing-secret",
    /// A key that cannot verify what the policy wants verified.
    UnusableKey = "unusable-key",
    /// Something that is allowed but rarely meant.
    Risky = "risky",
}

/// Whether a problem refuses the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy is refused.
    Error,
    /// The policy loads; someone should look.
    Warning,
}

/// One problem.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnostic {
    /// Whether it refuses the policy.
    pub severity: Severity,
    /// The stable code.
    #[serde(serialize_with = "code_text")]
    pub code: Code,
    /// RFC 6901 pointer into the policy.
    pub pointer: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

fn code_text<S: serde::Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Self { line, column, pointer, message, .. } = self;
        let pointer = if pointer.is_empty() { "(document)" } else { pointer };
        write!(f, "{line}:{column}: {severity}[{}]: {message} at {pointer}", self.code.as_str())?;
        if let Some(help) = &self.help {
            write!(f, " (help: {help})")?;
        }
        Ok(())
    }
}

/// Everything found in one policy text.
#[derive(Debug)]
pub struct Report {
    line_starts: Vec<usize>,
    text: Box<str>,
    found: Vec<Diagnostic>,
}

impl Report {
    /// An empty report on `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at.saturating_add(1))).collect();
        Self { line_starts, text: text.into(), found: Vec::new() }
    }

    /// Reports a problem that refuses the policy, at `node`. The answer takes a hint.
    pub fn error(&mut self, node: &Node, code: Code, message: impl Into<String>) -> Hint<'_> {
        self.push(Severity::Error, node, code, message.into())
    }

    /// Reports something that someone should look at, at `node`. The answer takes a hint.
    pub fn warning(&mut self, node: &Node, code: Code, message: impl Into<String>) -> Hint<'_> {
        self.push(Severity::Warning, node, code, message.into())
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether anything found refuses the policy.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.error_count() > 0
    }

    /// How many things found refuse the policy. When `compile` of a part raises it, the part is not whole.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.found.iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// Everything found, in the order of the text.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|found| (found.line, found.column));
        self.found
    }

    pub(super) fn syntax(&mut self, line: usize, column: usize, message: &str) {
        // serde_json repeats the position, which the diagnostic has in fields of its own.
        let message = message.split(" at line ").next().unwrap_or(message).to_owned();
        let (severity, code, pointer) = (Severity::Error, Code::Syntax, String::new());
        self.found.push(Diagnostic {
            severity,
            code,
            pointer,
            line: line.max(1),
            column: column.max(1),
            message,
            help: None,
        });
    }

    fn push(&mut self, severity: Severity, node: &Node, code: Code, message: String) -> Hint<'_> {
        let (line, column) = self.position(node.offset);
        let pointer = node.pointer.to_string();
        // A default that is wrong is wrong in every route that takes it; once is enough.
        let known = self.found.iter().position(|d| d.code == code && d.pointer == pointer && d.message == message);
        let index = known.unwrap_or_else(|| {
            self.found.push(Diagnostic { severity, code, pointer, line, column, message, help: None });
            self.found.len().saturating_sub(1)
        });
        Hint(self.found.get_mut(index))
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        (line, column.saturating_add(1))
    }
}

/// A diagnostic just reported, for a hint to be added.
pub struct Hint<'a>(Option<&'a mut Diagnostic>);

impl Hint<'_> {
    /// Says what to do about it.
    pub fn help(self, help: impl Into<String>) {
        if let Some(diagnostic) = self.0 {
            diagnostic.help = Some(help.into());
        }
    }

    /// Suggests the candidate that looks most like `word`, if one does.
    pub fn nearest<'c>(self, word: &str, candidates: impl IntoIterator<Item = &'c str>) {
        if let Some(near) = nearest(word, candidates) {
            self.help(format!("did you mean `{near}`?"));
        }
    }
}

/// Keys whose values are secrets, name them, or stand where a key could be pasted.
const SECRET_KEYS: &[&str] = &["secret", "client_secret", "shared_key", "authorization", "previous", "jwks", "keys"];

/// Keys that are so behind another alone: `key` also says where a redaction rule looks.
const SECRET_BELOW: &[(&str, &str)] = &[("hash", "key"), ("shift_dates", "key"), ("audit", "key")];

/// Whether what stands at this pointer may be a secret: who writes one where its name belongs must not read it in a log.
#[must_use]
pub fn holds_secret(pointer: &str) -> bool {
    let steps = || pointer.split(['/', '#']).filter(|step| step.parse::<usize>().is_err());
    steps().any(|step| SECRET_KEYS.contains(&step)) || steps().zip(steps().skip(1)).any(|pair| SECRET_BELOW.contains(&pair))
}

/// Whether a line of a policy may hold a secret in clear, wherever the problem on it is: a string right behind such a key,
/// or an address with who logs in there.
#[must_use]
pub fn shows_secret(line: &str) -> bool {
    let is_string = |rest: &str| rest.trim_start().strip_prefix(':').is_some_and(|rest| rest.trim_start().starts_with('"'));
    let mut keys = SECRET_KEYS.iter().filter(|key| **key != "previous");
    keys.any(|key| line.split(&format!("\"{key}\"")).skip(1).any(is_string))
        || line.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
}

/// An address for a message; without what it says where that may be who logs in (RFC 3986 section 3.2.1).
pub(crate) fn quoted_address(address: &str) -> String {
    if address.contains('@') { "what stands here".to_owned() } else { format!("`{address}`") }
}

/// The name of an environment variable for a message; what is none may be the secret itself.
pub(crate) fn quoted_variable(name: &str) -> String {
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_name = is_word && name.len() <= 64 && name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    if is_name { format!("`{name}`") } else { "the variable named here".to_owned() }
}

/// The candidate that looks most like `word`, if one does.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let likeness = |candidate: &str| strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase());
    let best = candidates.into_iter().map(|candidate| (likeness(candidate), candidate));
    best.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_and_column_count_characters_from_one() {
        let text = "{\n  \"é\": 1, \"b\": 2}";
        let mut report = Report::new(text);
        let root = Node::parse(text, &mut report).unwrap();
        report.error(root.key("b"), Code::InvalidValue, "wrong").help("right it");
        let found = report.into_vec();
        assert_eq!(found[0].to_string(), "2:16: error[invalid-value]: wrong at /b (help: right it)");
    }

    #[test]
    fn a_name_is_suggested_only_when_it_is_near() {
        assert_eq!(nearest("authorise", ["authorize", "match"]), Some("authorize"));
        assert_eq!(nearest("zzz", ["authorize", "match"]), None);
    }

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        for pointer in [
            "/authentication/idp/secret/env",
            "/authentication/partners/keys/0/sha256",
            "/redaction/p/rules/0/action/hash/key",
            "/audit/key",
            "/audit/delivery/authorization",
            "/a/b#/authentication/idp/jwks",
        ] {
            assert!(holds_secret(pointer), "{pointer}");
        }
        for pointer in ["", "/redaction/p/rules/0/key", "/authentication/partners/header", "/routes/0/secrets"] {
            assert!(!holds_secret(pointer), "{pointer}");
        }
        for line in [r#""x": 1, "secret" : "s""#, r#""uri": "https://u:p@idp.example/""#] {
            assert!(shows_secret(line), "{line}");
        }
        for line in [r#""secret": { "env": "KEY" }"#, r#""uri": "https://idp.example/", "secret": 1"#] {
            assert!(!shows_secret(line), "{line}");
        }
        assert_eq!(quoted_address("https://u:p@idp.example"), "what stands here");
        assert_eq!((quoted_variable("_KEY1"), quoted_variable("")), ("`_KEY1`".into(), "the variable named here".into()));
        for name in ["1KEY", "a b", "a-b", "a=", &"a".repeat(65)] {
            assert!(!quoted_variable(name).contains(name), "{name}");
        }
    }
}
