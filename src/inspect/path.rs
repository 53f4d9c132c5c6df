//! Places in JSON bodies, as exemptions name them: `$.note[*].text`.

/// Keys and elements from the root on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

/// A step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the member of this key.
    Key(String),
    /// To any element of an array.
    Element,
}

impl JsonPath {
    /// Reads `$`, then `.key` and `[*]` steps. A key has no `.` and no `[`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("[*]") {
                steps.push(Step::Element);
                rest = after;
                continue;
            }
            let key = rest.strip_prefix('.')?;
            let end = key.find(['.', '[']).unwrap_or(key.len());
            let (key, after) = key.split_at_checked(end)?;
            if key.is_empty() {
                return None;
            }
            steps.push(Step::Key(key.to_owned()));
            rest = after;
        }
        (!steps.is_empty()).then_some(Self(steps))
    }

    /// Whether these keys, `None` for an element, lead to the same place.
    pub(super) fn leads_to<'k>(&self, mut keys: impl Iterator<Item = Option<&'k str>>) -> bool {
        let same = |step: &Step| match (step, keys.next()) {
            (Step::Key(own), Some(Some(key))) => own == key,
            (Step::Element, Some(None)) => true,
            _ => false,
        };
        self.0.iter().all(same) && keys.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_place_alone() {
        let path = JsonPath::parse("$.note[*].text").unwrap();
        assert!(path.leads_to([Some("note"), None, Some("text")].into_iter()));
        for other in [&[Some("note"), None][..], &[Some("note"), Some("text")], &[Some("note"), None, Some("text"), None]] {
            assert!(!path.leads_to(other.iter().copied()), "{other:?}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "$", "note", "$note", "$..a", "$.a[0]", "$.", "$[*", ".a"] {
            assert_eq!(JsonPath::parse(text), None, "{text}");
        }
    }
}
