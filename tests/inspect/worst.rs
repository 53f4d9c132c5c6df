//! What the worst bodies cost, counted in passes over bytes. `make bench` measures how long they take.

use carewarden::inspect::Level;

use crate::support::{Verdict, body_with_work, settings};

#[path = "../worst/inspection.rs"]
mod bodies;

#[test]
fn the_worst_costs_what_the_budget_allows_and_no_more() {
    let settings = settings(Level::Standard);
    let (verdict, cost) = body_with_work(&settings, &bodies::ordinary(), true);
    assert_eq!(verdict, Verdict::Pass);
    assert!(cost < 8.0, "an ordinary body costs {cost} passes");
    for (name, body) in bodies::hostile() {
        let (verdict, cost) = body_with_work(&settings, &body, true);
        assert!(verdict == Verdict::OverBudget || cost <= 65.0, "{name} costs {cost} passes");
    }
}
