//! See `carewarden_fuzz::detectors`.
#![no_main]

use carewarden_fuzz::{detectors, fuzz, plant};

libfuzzer_sys::fuzz_target!(init: plant(detectors::DECISIONS, 4), |data: &[u8]| fuzz::<detectors::Case>(data));
