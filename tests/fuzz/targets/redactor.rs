//! See `carewarden_fuzz::redactor`.
#![no_main]

use carewarden_fuzz::{fuzz, plant, redactor};

libfuzzer_sys::fuzz_target!(init: plant(redactor::DECISIONS, 16), |data: &[u8]| fuzz::<redactor::Case>(data));
