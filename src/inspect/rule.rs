//! A rule as it is written: a serde mirror of `pack/*.json`, and of its examples in `pack/examples`.

use serde::{Deserialize, Serialize};

use super::settings::Level;
use super::transform::Transform;

/// What kind of attack a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// SQL injection.
    Sqli,
    /// Cross-site scripting.
    Xss,
    /// Path traversal, and files that nobody asks for by name.
    Traversal,
    /// Commands of a shell, and code of an interpreter.
    Command,
    /// LDAP filters.
    Ldap,
    /// `XPath` and `XQuery` expressions.
    Xpath,
    /// Operators of document databases.
    Nosql,
    /// Expressions of template engines and expression languages.
    Template,
    /// Requests that the server is made to send.
    Ssrf,
    /// XML entities and inclusions.
    Xxe,
    /// Line breaks in headers and logs.
    Crlf,
    /// Serialised objects.
    Deserialisation,
    /// Prototypes of JavaScript objects.
    Prototype,
    /// Tools that look for holes.
    Scanner,
}

/// Where in a request a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The path, whole and as segments.
    Path,
    /// The name of a query parameter.
    QueryName,
    /// Its value.
    Query,
    /// The value of a header.
    Header,
    /// The name of a cookie.
    CookieName,
    /// Its value.
    Cookie,
    /// A key of a JSON body.
    JsonKey,
    /// A string of a JSON body.
    Json,
    /// The name of a form field.
    FormName,
    /// Its value.
    Form,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 10] = [
        Self::Path,
        Self::QueryName,
        Self::Query,
        Self::Header,
        Self::CookieName,
        Self::Cookie,
        Self::JsonKey,
        Self::Json,
        Self::FormName,
        Self::Form,
    ];

    /// Its name in rules and results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::QueryName => "query_name",
            Self::Query => "query",
            Self::Header => "header",
            Self::CookieName => "cookie_name",
            Self::Cookie => "cookie",
            Self::JsonKey => "json_key",
            Self::Json => "json",
            Self::FormName => "form_name",
            Self::Form => "form",
        }
    }

    pub(super) fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// How a rule judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The pattern occurs.
    Regex,
    /// One of the literals occurs.
    Contains,
    /// libinjection takes it for SQL.
    LibinjectionSqli,
    /// libinjection takes it for script in HTML.
    LibinjectionXss,
    /// An XHTML narrative has the fault that the pattern names.
    Narrative,
}

/// Texts that show what a rule holds for. Tests run them.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Examples {
    /// It holds.
    #[serde(rename = "match")]
    pub matches: Vec<String>,
    /// It does not.
    pub pass: Vec<String>,
}

/// A rule.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A stable id: it stands in policies and records.
    pub id: String,
    /// What it finds, in a few words.
    pub name: String,
    /// What kind of attack it is about.
    pub class: Class,
    /// The targets it judges; all when empty.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// What is done to a value before it is judged.
    #[serde(default)]
    pub transforms: Vec<Transform>,
    /// How it judges.
    pub operator: Operator,
    /// The regular expression: bytes, case ignored unless it says `(?-i)`. Of a narrative the fault's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Texts of which one has to occur, case ignored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub literals: Vec<String>,
    /// Bytes of which one has to occur, for rules without literals.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bytes: String,
    /// What it adds to a value's score.
    pub score: u32,
    /// From which level on it judges.
    #[serde(default)]
    pub level: Level,
    /// Words to find it by; `code` marks those that do not judge elements that hold code by definition.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What it holds for, of `pack/examples`: nothing in the module for Envoy, where nobody asks.
    #[serde(skip_deserializing)]
    pub examples: Examples,
}
