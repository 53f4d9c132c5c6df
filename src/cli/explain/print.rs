//! Steps and decision, for people and for programs.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::conclusion::{nearest, refusing};
use super::is_allowed;
use super::place::Places;
use crate::cli::CannotRun;
use crate::cli::simulation::{Outcome as Exchanged, Request};
use crate::cli::style::{BAD, DIM, GOOD, WARN, paint, printable};
use crate::exchange::explain::{Detail, Found, Mark, Part, Step};

/// The width of what a step is about.
const WIDTH: usize = 26;

/// The most details that a step has for people.
const MOST_DETAILS: usize = 40;

pub(super) fn text(
    request: &Request,
    exchanged: &Exchanged,
    places: &Places,
    out: &mut impl Write,
) -> Result<(), CannotRun> {
    writeln!(out, "{}\n", printable(&request.title()))?;
    let mut untried: Option<(Part, usize)> = None;
    for step in &exchanged.steps {
        // Of a thousand routes behind the one that matched there is nothing to say.
        if step.found == Found::NotTried && matches!(step.part, Part::Route | Part::Rule | Part::View) {
            match &mut untried {
                Some((part, count)) if *part == step.part => *count = count.saturating_add(1),
                _ => {
                    say_untried(untried.take(), out)?;
                    untried = Some((step.part, 1));
                }
            }
            continue;
        }
        say_untried(untried.take(), out)?;
        say(step, out)?;
    }
    say_untried(untried, out)?;
    conclude(exchanged, places, out)?;
    writeln!(out, "\n{} {}", paint(DIM, "record"), exchanged.record.to_line())?;
    Ok(())
}

fn say_untried(untried: Option<(Part, usize)>, out: &mut impl Write) -> Result<(), CannotRun> {
    if let Some((part, count)) = untried {
        let what = match part {
            Part::Route => "route",
            Part::Rule => "rule",
            _ => "entry of `redact`",
        };
        let says = match count {
            1 => format!("one more {what} was not tried"),
            _ if part == Part::View => format!("{count} more entries of `redact` were not tried"),
            _ => format!("{count} more {what}s were not tried"),
        };
        writeln!(out, "{}", paint(DIM, &format!("     {:<WIDTH$} {says}", "")))?;
    }
    Ok(())
}

fn title(Step { part, name, .. }: &Step) -> String {
    match part {
        Part::Request => name.clone(),
        _ => format!("{} {name}", part.as_str()).trim_end().to_owned(),
    }
}

fn say(step: &Step, out: &mut impl Write) -> Result<(), CannotRun> {
    let is_token = step.part == Part::Provider;
    // Colour is for what refuses.
    let is_loud = matches!(step.found, Found::Refuses(_));
    // Of a token's checks those that failed are what is looked for.
    let shown = step.details.iter().filter(|detail| !is_token || detail.mark == Mark::Bad);
    let mut lines: Vec<String> = shown.clone().take(MOST_DETAILS).map(|detail| describe(detail, is_loud)).collect();
    let more = shown.count().saturating_sub(MOST_DETAILS);
    if more > 0 {
        lines.push(paint(DIM, &format!("{more} more; --format json has them all")));
    }
    let passed = step.details.iter().filter(|detail| detail.mark == Mark::Good).count();
    if is_token && passed > 0 {
        lines.push(paint(DIM, &format!("{passed} checks of the token passed")));
    }
    // What does not hold stands for that it does not.
    let says = match step.found {
        Found::DoesNotHold if !lines.is_empty() && says_no_more(step) => lines.remove(0),
        _ => printable(&step.says),
    };
    let title = printable(&format!("{:<WIDTH$}", title(step)));
    match step.found {
        Found::Holds => writeln!(out, "{} {title} {says}", paint(GOOD, "ok  "))?,
        Found::Refuses(_) => writeln!(out, "{} {} {says}", paint(BAD, "FAIL"), paint(BAD, &title))?,
        Found::DoesNotHold => writeln!(out, "{} {says}", paint(DIM, &format!("-    {title}")))?,
        Found::NotTried => writeln!(out, "{}", paint(DIM, &format!("     {title} {says}")))?,
        Found::Noted => writeln!(out, "     {title} {says}")?,
    }
    for line in lines {
        writeln!(out, "{:5}{:WIDTH$} {line}", "", "")?;
    }
    Ok(())
}

/// Whether the words of a step say no more than that it does not hold.
fn says_no_more(step: &Step) -> bool {
    matches!(step.part, Part::Route | Part::View) || step.says == "does not hold"
}

fn describe(Detail { name, mark, says }: &Detail, is_loud: bool) -> String {
    let style = match mark {
        Mark::Good => GOOD,
        Mark::Bad if is_loud => WARN,
        Mark::Bad | Mark::Neutral => DIM,
    };
    // A claim's key is a pointer in a pointer, which its words say again.
    let name = if name.starts_with("claims/") { "claims" } else { name };
    format!("{} {}", paint(style, &printable(&format!("{name}:"))), printable(says))
}

fn conclude(exchanged: &Exchanged, places: &Places, out: &mut impl Write) -> Result<(), CannotRun> {
    let Exchanged { record, status, steps, .. } = exchanged;
    let status = status.map(|status| format!(" {status}")).unwrap_or_default();
    let route = record.route.as_ref().map(|route| format!(", route {route}")).unwrap_or_default();
    if is_allowed(exchanged) {
        let rule = record.rule.map(|rule| format!(", by rule {rule}")).unwrap_or_default();
        let profile = record.profile.as_ref().map(|name| format!("; the answer is redacted by `{name}`"));
        let says = format!("{route}{rule}{}", profile.unwrap_or_default());
        writeln!(out, "\n{}{status}{says}", paint(GOOD, "ALLOW"))?;
        return Ok(());
    }
    writeln!(out, "\n{}{status} {}{route}", paint(BAD, "DENY"), paint(BAD, record.reason))?;
    if record.shadow {
        writeln!(out, "  {} in shadow mode this is only recorded, and the request goes on", paint(WARN, "note"))?;
    }
    let Some(step) = refusing(steps, record.reason) else { return Ok(()) };
    say_why("", step, places, out)?;
    for near in nearest(steps, step) {
        say_why(if near.part == Part::Provider { "asked: " } else { "nearest: " }, near, places, out)?;
    }
    Ok(())
}

/// A step that decided, or nearly did, with what of it does not hold and its place in the policy.
fn say_why(label: &str, step: &Step, places: &Places, out: &mut impl Write) -> Result<(), CannotRun> {
    let bad: Vec<_> = step.details.iter().filter(|detail| detail.mark == Mark::Bad).take(MOST_DETAILS).collect();
    let says = if says_no_more(step) && !bad.is_empty() { "would hold, but for" } else { &*step.says };
    let label = if label.is_empty() { String::new() } else { paint(DIM, label) };
    writeln!(out, "  {label}{}: {}", printable(&title(step)), printable(says))?;
    for detail in bad {
        writeln!(out, "      {}", describe(detail, true))?;
    }
    if let Some(place) = step.pointer.as_deref().and_then(|pointer| places.find(pointer)) {
        // Rules hold no secrets, as providers do.
        let quote = places.quote(&place).filter(|_| matches!(step.part, Part::Rule | Part::Route | Part::View));
        let quote = quote.filter(|_| !step.name.is_empty()).map(|quote| format!(" {quote}")).unwrap_or_default();
        writeln!(out, "      {}", paint(DIM, &printable(&format!("at {}{quote}", places.in_words(&place)))))?;
    }
    Ok(())
}

pub(super) fn json(exchanged: &Exchanged, places: &Places, out: &mut impl Write) -> Result<(), CannotRun> {
    let Exchanged { record, status, steps, .. } = exchanged;
    for step in steps {
        writeln!(out, "{}", step_to_json(step, places))?;
    }
    let line: Value = serde_json::from_str(&record.to_line()).unwrap_or_default();
    let decided_by = refusing(steps, record.reason).filter(|_| !is_allowed(exchanged));
    let decision = json!({
        "decision": record.decision,
        "status": status,
        "reason": record.reason,
        "shadow": record.shadow,
        "route": record.route.as_deref(),
        "rule": record.rule,
        "profile": record.profile.as_deref(),
        "refused_by": decided_by.map(|step| step_to_json(step, places)),
        "record": line,
    });
    Ok(writeln!(out, "{decision}")?)
}

fn step_to_json(step: &Step, places: &Places) -> Value {
    let Step { part, name, pointer, found, says, details } = step;
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("step", part.as_str().into());
    if !name.is_empty() {
        put("name", name.as_str().into());
    }
    put("result", found.as_str().into());
    if let Found::Refuses(reason) = found {
        put("reason", reason.code().into());
    }
    put("detail", says.as_str().into());
    if let Some(place) = pointer.as_deref().and_then(|pointer| places.find(pointer)) {
        put("pointer", place.pointer.into());
        put("line", place.line.into());
    }
    if !details.is_empty() {
        let detail = |Detail { name, mark, says }: &Detail| {
            let result = match mark {
                Mark::Good => "holds",
                Mark::Bad => "does_not_hold",
                Mark::Neutral => "noted",
            };
            json!({ "name": name, "result": result, "detail": says })
        };
        put("details", details.iter().map(detail).collect());
    }
    Value::Object(object)
}
