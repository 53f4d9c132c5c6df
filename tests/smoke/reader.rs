//! What somebody who may read sees, where the environment brings their credential.

use std::env;
use std::error::Error;

use crate::support::message::Request;
use crate::trial::Trial;

pub(crate) fn attempt(trial: &mut Trial<'_>) -> Result<(), Box<dyn Error>> {
    let request = Request::get(&trial.target.path);
    let request = match (env::var("TOKEN"), env::var("API_KEY")) {
        (Ok(token), _) => request.bearer(&token),
        (_, Ok(key)) => request.key(&key),
        _ => return Ok(()),
    };
    trial.chapter("Your reader")?;
    let response = trial.request("it may read", &request, &[200], None)?;
    let text = response.text();
    let hidden = env::var("HIDDEN").unwrap_or_default();
    for (number, word) in hidden.split(',').map(str::trim).filter(|word| !word.is_empty()).enumerate() {
        // What was found is not shown.
        let claim = format!("the answer does not hold word {} of HIDDEN", number + 1);
        trial.check(&claim, !text.contains(word), "it holds it: the route's profile lacks a rule")?;
    }
    let forged = request.header("x-http-method-override", "DELETE");
    trial.request("it may not hide a method in a header", &forged, &[400], Some("method_override"))?;
    Ok(())
}
