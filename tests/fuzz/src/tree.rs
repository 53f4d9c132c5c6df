//! The redactor against the slow one of `tests/redact`, which has the whole tree: answers and profiles are generated, each
//! decision from one of the fuzzer's bytes.

use std::fmt;

use crate::generate;
use crate::input::Input;
use crate::random::Random;

/// A generated profile, and answers that run under it.
pub struct Case {
    bytes: Vec<u8>,
    cases: Vec<generate::Case>,
}

/// How many answers run under a profile, which takes longer to load.
const ANSWERS: usize = 6;

/// All bytes are decisions.
pub const DECISIONS: usize = 0;

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cases.fmt(f)
    }
}

impl crate::Case for Case {
    fn read(input: Input<'_>) -> Option<Self> {
        let bytes = input.rest().0;
        let random = &mut Random::from_bytes(&bytes);
        let case = generate::Case::random(random)?;
        let mut cases: Vec<generate::Case> = (1..ANSWERS).map(|_| case.another(random)).collect();
        cases.push(case);
        Some(Self { bytes, cases })
    }

    fn run(&self) {
        // White space and cuts are decided by the same bytes, from the end.
        let reversed: Vec<u8> = self.bytes.iter().rev().copied().collect();
        let random = &mut Random::from_bytes(&reversed);
        for case in &self.cases {
            case.holds(random, &|| format!("{case:?}"));
        }
    }
}
