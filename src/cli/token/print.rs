//! An explanation, for people and for programs.
//!
//! A token says what it likes, to a terminal too: whatever could move its cursor or turn its writing around is escaped.

use std::io::Write;

use serde_json::{Value, json};

use crate::cli::CannotRun;
use crate::cli::style::{BAD, DIM, GOOD, WARN, paint, printable};
use crate::identity::{Explanation, Finding, KeyUsed, Principal, SignatureFound, Step};

pub(super) fn text(explanation: &Explanation, unusable: &[(usize, String)]) -> Result<(), CannotRun> {
    let Explanation { header, payload, provider, key, signature, steps, verdict } = explanation;
    let mut out = std::io::stdout().lock();
    let mut line = |name: &str, says: &str| writeln!(out, "{} {}", paint(DIM, &format!("{name:<10}")), printable(says));
    line("header", &header.as_ref().map_or("not read".to_owned(), |header| Value::from(header.clone()).to_string()))?;
    line("payload", &payload.as_ref().map_or("not read".to_owned(), Value::to_string))?;
    if let Some(provider) = provider {
        line("provider", provider)?;
    }
    line("key", &key.as_ref().map_or("none was found".to_owned(), describe))?;
    line("signature", word(*signature))?;
    writeln!(out)?;
    let width = steps.iter().map(|step| step.check.chars().count()).max().unwrap_or_default();
    for Step { check, finding, says } in steps {
        let label = match finding {
            Finding::Passed => paint(GOOD, "ok  "),
            Finding::Failed(_) => paint(BAD, "FAIL"),
            Finding::NotJudged => paint(DIM, "-   "),
        };
        writeln!(out, "{label} {}  {}", printable(&format!("{check:<width$}")), printable(says))?;
    }
    for (index, fault) in unusable {
        writeln!(out, "{} keys/{index}: {fault}", paint(WARN, "note"))?;
    }
    match verdict {
        Ok(_) => writeln!(out, "\n{}", paint(GOOD, "accepted"))?,
        Err(refusal) => writeln!(out, "\n{}: {}", paint(BAD, "refused"), refusal.reason())?,
    }
    Ok(())
}

pub(super) fn json(explanation: &Explanation, unusable: &[(usize, String)]) -> Result<(), CannotRun> {
    let Explanation { header, payload, provider, key, signature, steps, verdict } = explanation;
    let check = |Step { check, finding, says }: &Step| {
        let (result, reason) = match finding {
            Finding::Passed => ("passed", None),
            Finding::Failed(refusal) => ("failed", Some(refusal.reason())),
            Finding::NotJudged => ("not_judged", None),
        };
        json!({ "check": check, "result": result, "reason": reason, "detail": says })
    };
    let unusable: Vec<_> = unusable.iter().map(|(index, why)| json!({ "index": index, "reason": why })).collect();
    let document = json!({
        "accepted": verdict.is_ok(),
        "reason": verdict.as_ref().err().map(|refusal| refusal.reason()),
        "header": header,
        "payload": payload,
        "provider": provider.as_deref(),
        "key": key.as_ref().map(|KeyUsed { kid, kind }| json!({ "kid": kid, "type": kind })),
        "signature": word(*signature).replace(' ', "_"),
        "checks": steps.iter().map(check).collect::<Vec<_>>(),
        "unusable_keys": unusable,
        "caller": verdict.as_ref().ok().and_then(|caller| caller.as_deref()).map(caller),
    });
    Ok(writeln!(std::io::stdout().lock(), "{document}")?)
}

fn caller(principal: &Principal) -> Value {
    let roles: Vec<&str> = principal.roles.iter().map(|role| &**role).collect();
    json!({
        "subject": principal.subject.as_deref(),
        "client": principal.client.as_deref(),
        "patient": principal.patient.as_deref(),
        "roles": roles,
    })
}

fn describe(KeyUsed { kid, kind }: &KeyUsed) -> String {
    kid.as_ref().map_or_else(|| (*kind).to_owned(), |kid| format!("`{kid}` ({kind})"))
}

fn word(signature: SignatureFound) -> &'static str {
    match signature {
        SignatureFound::Good => "good",
        SignatureFound::Bad => "bad",
        SignatureFound::NotChecked => "not checked",
    }
}
