//! How much one request may ask of a FHIR server.

use super::{Place, Violation};
use crate::http::query;
use crate::policy::model;

/// Parameters that bring along other resources.
const INCLUDES: &[&str] = &["_include", "_revinclude"];

/// Limits of a `fhir` route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FhirLimits {
    count: u64,
    entries: usize,
    includes: usize,
    chain: usize,
}

impl FhirLimits {
    /// Those that a policy writes, and built-in ones where it does not.
    #[must_use]
    pub fn new(written: &model::FhirLimits) -> Self {
        let model::FhirLimits { max_count, max_entries, max_includes, max_chain } = *written;
        Self {
            count: max_count.unwrap_or(1000),
            entries: max_entries.unwrap_or(1000),
            includes: max_includes.unwrap_or(10),
            chain: max_chain.unwrap_or(3),
        }
    }

    /// Checks a search: the query of a request or of a Bundle's entry, a form, a condition.
    pub fn check_search(&self, raw: &[u8]) -> Result<(), Violation> {
        let refuse = |name: &str, rule: &'static str| Err(Violation::new(Place::Parameter, name, rule));
        let mut includes = 0_usize;
        // What cannot be read was refused before this.
        for (name, value) in query::pairs(raw).flatten() {
            let base = name.split([':', '.']).next().unwrap_or_default();
            // What no digit of any script is in is no number to anybody.
            let is_number = base == "_count" && value.chars().any(char::is_numeric);
            if is_number && !value.parse::<u64>().is_ok_and(|count| count <= self.count) {
                return refuse("_count", "max_count");
            }
            if let Some(include) = INCLUDES.iter().find(|include| **include == base) {
                includes = includes.saturating_add(1);
                if includes > self.includes {
                    return refuse(include, "max_includes");
                }
            }
            let filters = base == "_filter" && paths(&value).any(|path| links(path) > self.chain);
            if filters
                || links(&name) > self.chain
                || (base == "_sort" && value.split(',').any(|key| links(key) > self.chain))
            {
                return refuse("", "max_chain");
            }
        }
        Ok(())
    }

    /// Checks the number of a Bundle's entries.
    pub fn check_entries(&self, entries: usize) -> Result<(), Violation> {
        if entries > self.entries {
            return Err(Violation::new(Place::Element, "Bundle.entry", "max_entries"));
        }
        Ok(())
    }
}

/// Operators of `_filter` (R4, search_filter.html).
const OPERATORS: &[&str] =
    &["eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr", "po", "ss", "sb", "in", "ni", "re"];

/// The paths of a `_filter`: what stands before an operator.
fn paths(filter: &str) -> impl Iterator<Item = &str> {
    let words = || filter.split([' ', '(', ')']).filter(|word| !word.is_empty());
    words().zip(words().skip(1)).filter(|(_, next)| OPERATORS.contains(next)).map(|(path, _)| path)
}

/// How many links a parameter follows: dots of a chain, and `_has`.
fn links(name: &str) -> usize {
    let reverse = name.split([':', '.']).filter(|part| *part == "_has").count();
    name.matches('.').count().saturating_add(reverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_holds_on_both_sides() {
        let written =
            model::FhirLimits { max_count: Some(100), max_entries: Some(2), max_includes: Some(2), max_chain: Some(2) };
        let limits = FhirLimits::new(&written);
        let check =
            |raw: &str| limits.check_search(raw.as_bytes()).map_err(|found| found.to_string()).err().unwrap_or_default();
        for (raw, expected) in [
            ("_count=100", ""),
            ("_count=101", "max_count at _count"),
            ("_count=1&%5Fcount=101", "max_count at _count"),
            ("_count=99999999999999999999", "max_count at _count"),
            ("_count=ten", ""),
            ("_count=%D9%A1", "max_count at _count"),
            ("_count=1e9", "max_count at _count"),
            ("_count=%201000", "max_count at _count"),
            ("_count=-1", "max_count at _count"),
            ("_include=A:b&_revinclude=C:d", ""),
            ("_include=A:b&_revinclude=C:d&_include:iterate=E:f", "max_includes at _include"),
            ("subject.organization.name=x", ""),
            ("subject:Patient.organization.partOf.name=x", "max_chain at (root)"),
            ("_has:A:b:_has:C:d:code=x", ""),
            ("_has:A:b:_has:C:d:subject.name=x", "max_chain at (root)"),
            ("_sort=a.b.c.d", "max_chain at (root)"),
            ("_filter=a.b.c.d+eq+x", "max_chain at (root)"),
            ("_filter=(a+eq+%221.2.3.4%22)+and+b.c+pr+true", ""),
            ("birthdate=2026.1.2.3", ""),
        ] {
            assert_eq!(check(raw), expected, "{raw}");
        }
        assert!(limits.check_entries(2).is_ok() && limits.check_entries(3).is_err());
    }
}
