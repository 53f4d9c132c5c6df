//! What the answer to a batch says.

use serde_json::Value;

use crate::audit::queue::{Outcome, Verdict};
use crate::http::Headers;
use crate::identity::{Answer, json_object};

/// The status in a head.
pub(super) fn status(head: &Headers) -> Option<u16> {
    std::str::from_utf8(head.single(":status").ok()??).ok()?.parse().ok()
}

/// What became of a batch.
pub(super) fn read(answer: Answer) -> Outcome {
    let body = answer.body.as_deref().map_or(Body::Other, body);
    match (status(&answer.head), body) {
        (Some(200..=299), Body::Verdicts(verdicts)) => Outcome::Verdicts(verdicts),
        // Too long to be read: that of fewer events is shorter.
        (Some(200..=299), _) if answer.body.is_none() => Outcome::Unfit { is_proven: false },
        // Not a fault of the repository's, and not of its address or of who asks.
        (Some(400 | 413 | 422), body) => Outcome::Unfit { is_proven: matches!(body, Body::Outcome) },
        // What says nothing of each event proves nothing.
        _ => Outcome::Failed(retry_after(&answer.head)),
    }
}

/// Seconds: a date would need a clock that both agree on.
fn retry_after(head: &Headers) -> Option<u64> {
    let seconds: u64 = std::str::from_utf8(head.single("retry-after").ok()??).ok()?.parse().ok()?;
    Some(seconds.saturating_mul(1_000))
}

/// What an answer holds.
enum Body {
    /// A Bundle of type `batch-response`: what it says of each entry, in order.
    Verdicts(Vec<Verdict>),
    /// An OperationOutcome.
    Outcome,
    Other,
}

fn body(body: &[u8]) -> Body {
    let Some(read) = json_object(body) else { return Body::Other };
    let text = |key: &str| read.get(key).and_then(Value::as_str);
    match (text("resourceType"), text("type")) {
        (Some("Bundle"), Some("batch-response")) => {
            let entries = read.get("entry").and_then(Value::as_array);
            Body::Verdicts(entries.into_iter().flatten().map(verdict).collect())
        }
        (Some("OperationOutcome"), _) => Body::Outcome,
        _ => Body::Other,
    }
}

/// What an entry says. A status stands at the beginning: `201 Created`. An entry that says nothing is none that was taken.
fn verdict(entry: &Value) -> Verdict {
    let status = entry.get("response").and_then(|response| response.get("status")).and_then(Value::as_str);
    match status.and_then(|status| status.get(..3)?.parse::<u16>().ok()) {
        Some(200..=299) => Verdict::Delivered,
        Some(400..=428 | 430..=499) => Verdict::Rejected,
        _ => Verdict::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(fields: &[(&str, &str)], body: &str) -> Outcome {
        read(Answer { head: Headers::from_pairs(fields.iter().copied()), body: Some(body.into()) })
    }

    #[test]
    fn an_answer_says_what_became_of_each_event() {
        use Verdict::{Again, Delivered, Rejected};
        let of = |entries: &str| {
            let body = format!(r#"{{"entry":[{entries}],"resourceType":"Bundle","type":"batch-response"}}"#);
            answer(&[(":status", "200")], &body)
        };
        for (entries, expected) in [
            (r#"{"response":{"status":"201 Created"}},{"response":{"status":"422"}}"#, vec![Delivered, Rejected]),
            (r#"{"response":{"status":"429 x"}},{"response":{"status":"503"}},{}"#, vec![Again, Again, Again]),
            // Neither another member's nor what stands deeper is the status.
            (r#"{"resource":{"status":"201"}},{"response":{"outcome":{"status":"201"}}}"#, vec![Again, Again]),
            (r#"{"response":{"status":201}},{"response":{"status":""}},{"response":[]}"#, vec![Again, Again, Again]),
            (r#"{"response":{"status":"304"}}"#, vec![Again]),
            ("", vec![]),
        ] {
            assert_eq!(of(entries), Outcome::Verdicts(expected), "{entries}");
        }
    }

    #[test]
    fn what_proves_nothing_is_a_failure() {
        let whole = r#"{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"201"}}]}"#;
        assert!(matches!(answer(&[(":status", "200")], whole), Outcome::Verdicts(_)));
        let other = whole.replace("batch-response", "searchset");
        let no_bundle = whole.replace("Bundle", "Parameters");
        let cut = whole.get(..whole.len() - 1).unwrap();
        for body in ["", "{}", "[]", "<html>", cut, &other, &no_bundle] {
            assert_eq!(answer(&[(":status", "200")], body), Outcome::Failed(None), "{body}");
        }
        let too_long = Answer { head: Headers::from_pairs([(":status", "200")]), body: None };
        assert_eq!(read(too_long), Outcome::Unfit { is_proven: false });
        for status in ["", "302", "401", "403", "404", "429", "500", "503"] {
            assert_eq!(answer(&[(":status", status)], whole), Outcome::Failed(None), "{status}");
        }
        for status in ["400", "413", "422"] {
            let unfit = |body| answer(&[(":status", status)], body);
            assert_eq!(unfit(whole), Outcome::Unfit { is_proven: false }, "{status}");
            assert_eq!(unfit("<html>"), Outcome::Unfit { is_proven: false }, "{status}");
            assert_eq!(unfit(r#"{"resourceType":"OperationOutcome"}"#), Outcome::Unfit { is_proven: true }, "{status}");
        }
        let asked = |after: &str| answer(&[(":status", "503"), ("retry-after", after)], "");
        assert_eq!(asked("7"), Outcome::Failed(Some(7_000)));
        assert_eq!(asked("Fri, 27 Nov 2026 04:00:00 GMT"), Outcome::Failed(None));
    }
}
