//! Fuzz targets. Each reads its [`Case`] from the fuzzer's bytes and panics where a property does not hold.
//!
//! A crash prints the case; running a target with the fuzzer's file as its argument prints it again. Once it is understood
//! it becomes a file of `tests/regressions`.

mod audit;
pub mod detectors;
mod input;
pub mod lexer;
mod once;
mod profiles;
pub mod redactor;
mod seeds;
pub mod tree;

// The slow redactor, and what makes cases for it.
#[path = "../../redact/conformance.rs"]
mod conformance;
#[path = "../../redact/generate/mod.rs"]
mod generate;
#[path = "../../redact/random.rs"]
#[expect(dead_code, reason = "decisions come from the fuzzer, not from a seed")]
mod random;
#[path = "../../redact/reference/mod.rs"]
mod reference;
#[path = "../../redact/support.rs"]
#[expect(dead_code, reason = "formats have names in fixtures alone")]
mod support;

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Once;

pub use input::Input;
pub use seeds::plant;

/// What a target does with the fuzzer's bytes.
pub trait Case: Debug + Sized {
    /// Reads a case; `None` if the bytes hold none.
    fn read(input: Input<'_>) -> Option<Self>;

    /// Holds the code to the target's properties.
    fn run(&self);
}

thread_local! {
    static DATA: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Runs one case. Whatever it allocates has to be free when it ends, but for what is made once.
pub fn fuzz<C: Case>(data: &[u8]) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let abort = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let data = DATA.with(|data| data.take());
            eprintln!("{:?}", C::read(Input::new(&data)));
            abort(panic);
        }));
    });
    DATA.with(|own| {
        let mut own = own.borrow_mut();
        own.clear();
        own.extend_from_slice(data);
    });
    let Some(case) = C::read(Input::new(data)) else { return };
    let left = || allocation_counter::measure(|| case.run()).count_current;
    // What is made once is made by the first run.
    assert!(left() <= 0 || left() <= 0, "memory leaks");
}
