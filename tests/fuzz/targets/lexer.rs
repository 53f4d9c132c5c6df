//! See `carewarden_fuzz::lexer`.
#![no_main]

use carewarden_fuzz::{fuzz, lexer, plant};

libfuzzer_sys::fuzz_target!(init: plant(lexer::DECISIONS, 4), |data: &[u8]| fuzz::<lexer::Case>(data));
