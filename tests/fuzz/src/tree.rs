//! The redactor against the slow one of `tests/redact`, which has the whole tree: answers and profiles are generated, each
//! decision from one of the fuzzer's bytes.

use std::fmt;

use crate::generate;
use crate::input::Input;
use crate::random::Random;

/// A generated answer and profile.
pub struct Case {
    bytes: Vec<u8>,
    case: generate::Case,
}

/// All bytes are decisions.
pub const DECISIONS: usize = 0;

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.case.fmt(f)
    }
}

impl crate::Case for Case {
    fn read(input: Input<'_>) -> Option<Self> {
        let bytes = input.rest().0;
        let case = generate::Case::random(&mut Random::from_bytes(&bytes))?;
        Some(Self { bytes, case })
    }

    fn run(&self) {
        // White space and cuts are decided by the same bytes, from the end.
        let reversed: Vec<u8> = self.bytes.iter().rev().copied().collect();
        self.case.holds(&mut Random::from_bytes(&reversed), &|| "the case is above".to_owned());
    }
}
