//! See `carewarden_fuzz::tree`.
#![no_main]

use carewarden_fuzz::{fuzz, plant, tree};

libfuzzer_sys::fuzz_target!(init: plant(tree::DECISIONS, 1), |data: &[u8]| fuzz::<tree::Case>(data));
