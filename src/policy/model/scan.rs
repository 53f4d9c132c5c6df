//! `scan`: what is looked for inside text.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// What `scan` looks for, each by name. Where two find overlapping text, it is masked as one.
#[derive(Clone, Debug, serde::Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ScanOptions(#[schemars(length(min = 1))] pub Vec<Detector>);

/// One thing to look for: its name, or an object that configures it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Detector {
    /// As it comes.
    Named(DetectorName),
    /// With options.
    Configured(Configured),
}

/// A kind of text that tells who someone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DetectorName {
    /// A US Social Security number: `123-45-6789`, or nine digits in any groups after a word such as `SSN`.
    UsSsn,
    /// A telephone number of the North American plan, or any other with a `+` or after a word such as `phone`.
    Phone,
    /// An e-mail address.
    Email,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A URL with `://`, or a host name that begins with `www.` or has a path: `example.org/ann`.
    Url,
    /// A date in digits or with an English month, or a month and a year; eight digits after a word such as `DOB`.
    Date,
    /// A US ZIP code with its four more digits, or one after a state or the word `ZIP`.
    UsZip,
    /// A medical record number: what follows `MRN` or `medical record number`, or a pattern.
    Mrn,
    /// A US National Provider Identifier.
    Npi,
    /// A Medicare Beneficiary Identifier.
    Mbi,
    /// A payment card number.
    PaymentCard,
}

/// A detector with options.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Configured {
    /// Medical record numbers of an institution's own form.
    pub mrn: MrnOptions,
}

/// How medical record numbers look.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MrnOptions {
    /// A regular expression, in the syntax of Rust's `regex` without Unicode classes: `MRN[- ]?[0-9]{6,8}`. What it
    /// matches has to have an end (`{1,8}` instead of `+`) and may not be empty. When absent, the digits that follow
    /// `MRN` or `medical record number`.
    #[schemars(length(min = 1, max = 256))]
    pub pattern: Option<String>,
}

impl<'de> Deserialize<'de> for Detector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Detector;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a detector, or {\"mrn\": {\"pattern\": …}}")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Detector, E> {
                DetectorName::deserialize(StrDeserializer::new(name)).map(Detector::Named)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Detector, A::Error> {
                Configured::deserialize(MapAccessDeserializer::new(map)).map(Detector::Configured)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::decode::decode;
    use crate::policy::diagnostic::Report;
    use crate::policy::document::Node;

    #[test]
    fn a_detector_is_a_name_or_an_object() {
        let read = |text: &str| serde_json::from_str::<ScanOptions>(text).map(|options| options.0);
        let pattern = Some("M[0-9]{6}".to_owned());
        let configured = Detector::Configured(Configured { mrn: MrnOptions { pattern } });
        let named = read(r#"["us_ssn", "mrn", {"mrn": {"pattern": "M[0-9]{6}"}}]"#).unwrap();
        assert_eq!(named, [Detector::Named(DetectorName::UsSsn), Detector::Named(DetectorName::Mrn), configured]);
        assert!(read("{}").is_err());
    }

    #[test]
    fn a_stranger_is_reported_where_it_stands() {
        for (text, wanted) in [
            (
                r#"["us_ssn", "phnoe"]"#,
                "1:12: error[invalid-value]: unknown value `phnoe` at /1 (help: did you mean `phone`?)",
            ),
            (
                r#"[{"phone": {}}]"#,
                "1:2: error[missing-key]: key `mrn` is missing at /0\n1:12: error[unknown-key]: unknown key `phone` at /0/phone (help: known here: mrn)",
            ),
            (
                r#"[{"mrn": {"patern": "a"}}]"#,
                "1:21: error[unknown-key]: unknown key `patern` at /0/mrn/patern (help: did you mean `pattern`?)",
            ),
            (r#"[{"mrn": {}, "x": 1}]"#, "1:19: error[unknown-key]: unknown key `x` at /0/x (help: known here: mrn)"),
            (
                "[5]",
                "1:2: error[invalid-value]: a number stands here, expected the name of a detector, or {\"mrn\": {\"pattern\": …}} at /0",
            ),
        ] {
            let mut report = Report::new(text);
            let node = Node::parse(text, &mut report).unwrap();
            decode::<ScanOptions>(&node, &mut report);
            let found: Vec<_> = report.into_vec().iter().map(ToString::to_string).collect();
            assert_eq!(found.join("\n"), wanted, "{text}");
        }
    }
}
