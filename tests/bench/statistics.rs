//! Medians and quartiles.

use serde_json::{Value, json};

/// What a number of samples say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// The quartiles of some samples; `None` without any.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_unstable_by(f64::total_cmp);
        let at = |quarters: usize| samples.get((samples.len().checked_sub(1)? * quarters + 2) / 4).copied();
        Some(Self { low: at(1)?, median: at(2)?, high: at(3)? })
    }

    /// How wide the middle half is, in per cent of the median.
    pub(crate) fn noise(&self) -> f64 {
        if self.high > self.low { (self.high - self.low) / self.median * 100.0 } else { 0.0 }
    }

    pub(crate) fn to_json(self) -> Value {
        json!({ "median": rounded(self.median), "quartiles": [rounded(self.low), rounded(self.high)] })
    }
}

/// Four digits are more than any of this is good for.
fn rounded(number: f64) -> f64 {
    let digits = 10_f64.powi(3 - number.abs().max(f64::MIN_POSITIVE).log10().floor() as i32);
    (number * digits).round() / digits
}
