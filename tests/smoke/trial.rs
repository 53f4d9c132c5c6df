//! What is tried, one line each, and whether it came out as it has to.

use std::error::Error;
use std::io;

use crate::paper::{BAD, FAINT, GOOD, Paper, TITLE};
use crate::support::client::{Client, PROTOCOLS};
use crate::support::message::{Request, Response};
use crate::target::Target;

pub(crate) struct Trial<'t> {
    pub(crate) target: &'t Target,
    pub(crate) client: Client,
    paper: Paper,
    tried: usize,
    wrong: usize,
}

impl<'t> Trial<'t> {
    pub(crate) fn new(target: &'t Target) -> io::Result<Self> {
        let paper = Paper::new();
        paper.line(TITLE, &format!("{} at {}", target.host, target.address))?;
        Ok(Self { target, client: target.client(), paper, tried: 0, wrong: 0 })
    }

    pub(crate) fn chapter(&self, title: &str) -> io::Result<()> {
        self.paper.line(TITLE, &format!("\n{title}"))
    }

    /// A line that says what was tried, and whether it holds.
    pub(crate) fn check(&mut self, claim: &str, holds: bool, otherwise: &str) -> io::Result<()> {
        self.tried += 1;
        if holds {
            return self.paper.line(GOOD, &format!("  ok    {claim}"));
        }
        self.wrong += 1;
        self.paper.line(BAD, &format!("  WRONG {claim}"))?;
        self.paper.line(FAINT, &otherwise.lines().map(|line| format!("        {line}\n")).collect::<String>())
    }

    /// Sends a request over both protocols; each answer has to have one of these statuses and, where one is given, this
    /// reason. The last answer.
    pub(crate) fn request(
        &mut self,
        claim: &str,
        request: &Request,
        statuses: &[u16],
        reason: Option<&str>,
    ) -> Result<Response, Box<dyn Error>> {
        let request = request.clone().host(&self.target.host);
        let mut last = Response::default();
        let mut failure = None;
        for protocol in PROTOCOLS {
            last = self.client.send(protocol, &request);
            let fits = statuses.contains(&last.status) && reason.is_none_or(|reason| last.reason() == reason);
            if !fits && failure.is_none() {
                failure = Some(format!("{protocol:?}: expected {statuses:?} {}\n{last:?}", reason.unwrap_or_default()));
            }
        }
        let claim = format!("{claim}: {} {}", last.status, last.reason());
        self.check(claim.trim_end(), failure.is_none(), &failure.unwrap_or_default())?;
        Ok(last)
    }

    /// Says how it went; whether all was as it has to be.
    pub(crate) fn conclude(self) -> io::Result<bool> {
        let Self { tried, wrong, .. } = self;
        let (style, end) = match wrong {
            0 => (GOOD, "each as it has to be".to_owned()),
            _ => (BAD, format!("{wrong} NOT as they have to be")),
        };
        self.paper.line(style, &format!("\n{tried} attempts: {end}."))?;
        Ok(wrong == 0)
    }
}
