//! A record as a line of JSON, written without the detour through `serde`: each exchange needs one, and most of what it
//! holds is a fixed word, a digest or a name that needs no escape. What `serde` would write is what is written; a test
//! compares the two.

use std::rc::Rc;

use super::{Decision, Record};

/// Room for a record's line, so that writing it takes no more than one allocation.
const TYPICAL_LINE: usize = 1024;

/// The digits of the largest number.
const MAX_DIGITS: usize = 20;

/// Writes a record.
pub(super) fn write(record: &Record) -> String {
    // A new field has to be written here, too.
    let Record {
        time,
        sequence,
        request_id,
        trace_id,
        policy,
        policy_sha256,
        version,
        shadow,
        route,
        decision,
        reason,
        rule,
        providers,
        client,
        key_id,
        subject,
        resource,
        patient,
        method,
        interaction,
        resource_type,
        status,
        profile,
        redacted,
        request_profile,
        request_redacted,
        violation,
        inspected,
        unredacted_media_type,
        aborted,
        latency_ms,
    } = record;
    let mut line = Line(String::with_capacity(TYPICAL_LINE));
    line.0.push_str("{\"time\":");
    line.digits(*time);
    line.number("sequence", *sequence);
    line.optional("request_id", request_id.as_deref());
    line.optional("trace_id", trace_id.as_deref());
    line.text("policy", policy);
    line.text("policy_sha256", policy_sha256);
    line.text("version", version);
    line.word("shadow", if *shadow { "true" } else { "false" });
    line.optional("route", route.as_deref());
    let decision = match decision {
        Decision::Allow => "allow",
        Decision::Deny => "deny",
    };
    line.text("decision", decision);
    line.text("reason", reason);
    line.optional_number("rule", rule.and_then(|rule| u64::try_from(rule).ok()));
    line.list("providers", providers);
    line.optional("client", client.as_deref());
    line.optional("key_id", key_id.as_deref());
    line.optional("subject", subject.as_deref());
    line.optional("resource", resource.as_deref());
    line.optional("patient", patient.as_deref());
    line.optional("method", *method);
    line.optional("interaction", *interaction);
    line.optional("resource_type", *resource_type);
    line.optional_number("status", status.map(u64::from));
    line.optional("profile", profile.as_deref());
    line.optional_number("redacted", Some(*redacted).filter(|count| *count > 0));
    line.optional("request_profile", request_profile.as_deref());
    line.optional_number("request_redacted", Some(*request_redacted).filter(|count| *count > 0));
    line.optional("violation", violation.as_deref());
    line.list("inspected", inspected);
    line.flag("unredacted_media_type", *unredacted_media_type);
    line.flag("aborted", *aborted);
    line.number("latency_ms", *latency_ms);
    line.0.push('}');
    line.0
}

struct Line(String);

impl Line {
    fn key(&mut self, key: &str) {
        self.0.push_str(",\"");
        self.0.push_str(key);
        self.0.push_str("\":");
    }

    fn word(&mut self, key: &str, word: &str) {
        self.key(key);
        self.0.push_str(word);
    }

    /// Left out unless it holds.
    fn flag(&mut self, key: &str, holds: bool) {
        if holds {
            self.word(key, "true");
        }
    }

    fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        self.digits(number);
    }

    fn optional_number(&mut self, key: &str, number: Option<u64>) {
        if let Some(number) = number {
            self.number(key, number);
        }
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        self.string(text);
    }

    fn optional(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// Left out when it is empty.
    fn list(&mut self, key: &str, texts: &[Rc<str>]) {
        for (index, text) in texts.iter().enumerate() {
            if index == 0 {
                self.key(key);
                self.0.push('[');
            } else {
                self.0.push(',');
            }
            self.string(text);
        }
        if !texts.is_empty() {
            self.0.push(']');
        }
    }

    fn string(&mut self, text: &str) {
        // No early end, so that the compiler looks at many bytes at once.
        let is_plain = |byte: u8| (byte >= 0x20) & (byte != b'"') & (byte != b'\\');
        if text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
            self.0.push('"');
            self.0.push_str(text);
            self.0.push('"');
        } else {
            // Only names of a policy can hold such; text can always be written.
            self.0.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "null".to_owned()));
        }
    }

    fn digits(&mut self, mut number: u64) {
        let mut digits = [0; MAX_DIGITS];
        let mut used = 0;
        for place in digits.iter_mut().rev() {
            *place = b'0' | u8::try_from(number % 10).unwrap_or(0);
            used += 1;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        let digits = digits.iter().skip(MAX_DIGITS - used);
        self.0.extend(digits.map(|digit| char::from(*digit)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Record {
        let text = |text: &str| Some(text.to_owned());
        let name = |text: &str| Some(Rc::<str>::from(text));
        Record {
            time: u64::MAX,
            sequence: 10,
            request_id: text("8a7cf1f2-0000-4000-8000-0123456789ab"),
            trace_id: text("4bf92f3577b34da6a3ce929d0e0e4736"),
            policy: "clinic".into(),
            policy_sha256: "00ff".into(),
            version: "0.1.0",
            shadow: true,
            route: name("fhir"),
            decision: Decision::Allow,
            reason: "allowed",
            rule: Some(0),
            providers: vec!["smart".into(), "a \"quoted\" one".into()],
            client: name("back\\slash"),
            key_id: name("line\nbreak\u{0}\u{1f}\u{7f}"),
            subject: text("é\u{2028}😀"),
            resource: text(""),
            patient: text("p"),
            method: Some("GET"),
            interaction: Some("read"),
            resource_type: Some("Patient"),
            status: Some(200),
            profile: name("billing"),
            redacted: 99,
            request_profile: name("other"),
            request_redacted: 1,
            violation: text("max_count at _count"),
            inspected: vec!["sqli-1".into(), "xss-2".into()],
            unredacted_media_type: true,
            aborted: true,
            latency_ms: 1_234_567,
        }
    }

    #[test]
    fn a_line_is_what_serde_writes() {
        let one = Record { providers: vec!["smart".into()], rule: Some(usize::MAX), ..Record::default() };
        for record in [Record::default(), full(), one] {
            assert_eq!(write(&record), serde_json::to_string(&record).unwrap());
        }
    }
}
