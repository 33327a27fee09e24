//! What RFC 8489 and RFC 8656 demand of a TURN server over UDP, and what this project demands on top, as scenarios that can be
//! played against any server.
//!
//! A [`Case`] is a function that gets a [`Site`] (a running server set up in one of the ways of [`Kind`]) and plays one scenario
//! on sockets of its own; cases run side by side. A [`Subject`] says whose servers are tested and starts them. [`verdicts`] holds
//! what another server is known to do differently, and why.
//!
//! ```no_run
//! use stunner_testkit::conformance::{self, Subject};
//!
//! let lab = Subject::Coturn.open();
//! for outcome in conformance::run(&lab, &conformance::cases(), 8) {
//!     println!("{outcome}");
//! }
//! ```

mod cases;
mod coturn;
mod site;
mod stunnerd;
mod subject;
pub mod verdicts;

pub use cases::cases;
pub use site::{Kind, Lab, NO_IPV6, Site, loopbacks};
pub use subject::Subject;

use crate::harness::{Check, Fault};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// One scenario.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Names the requirement.
    pub name: &'static str,
    /// Where it is written down.
    pub section: &'static str,
    /// How the server must be set up.
    pub kind: Kind,
    /// Plays it.
    pub play: fn(&Site) -> Check,
}

/// How a scenario came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As specified.
    Pass,
    /// Otherwise; says how.
    Fail(String),
    /// The server was silent where it owed an answer; says to what.
    NoAnswer(String),
    /// Not played: the server at hand is not set up for it; says what is missing.
    Skip(String),
}

impl Verdict {
    /// The verdict without its explanation.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::NoAnswer(_) => "no-answer",
            Self::Skip(_) => "skip",
        }
    }

    /// The explanation; empty for a pass.
    pub fn explanation(&self) -> &str {
        match self {
            Self::Pass => "",
            Self::Fail(why) | Self::NoAnswer(why) | Self::Skip(why) => why,
        }
    }
}

impl From<Check> for Verdict {
    fn from(check: Check) -> Self {
        match check {
            Ok(()) => Self::Pass,
            Err(Fault::Wrong(why)) => Self::Fail(why),
            Err(Fault::Silent(what)) => Self::NoAnswer(what),
            Err(Fault::Unavailable(why)) => Self::Skip(why),
        }
    }
}

/// A case and how it came out.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The scenario.
    pub case: Case,
    /// How it came out.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, verdict, took } = self;
        write!(f, "{:9} {} ({}, {} ms)", verdict.word(), case.name, case.section, took.as_millis())?;
        if *verdict == Verdict::Pass { Ok(()) } else { write!(f, "\n          {}", verdict.explanation()) }
    }
}

/// Plays the cases, `jobs` at a time, and gives the outcomes in the order of the cases.
pub fn run(lab: &Lab, cases: &[Case], jobs: usize) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some((index, case)) = take(&next, cases) {
            done.push((index, play(lab, case)));
        }
        done
    };
    let mut outcomes: Vec<(usize, Outcome)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(worker)).collect();
        let joined = workers.into_iter().map(|worker| worker.join().expect("a case's panic is caught"));
        joined.flatten().collect()
    });
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn take<'a>(next: &AtomicUsize, cases: &'a [Case]) -> Option<(usize, &'a Case)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    cases.get(index).map(|case| (index, case))
}

fn play(lab: &Lab, case: &Case) -> Outcome {
    let started = Instant::now();
    let verdict = match lab.site(case.kind) {
        Err(fault) => Err(fault).into(),
        Ok(site) => match catch_unwind(AssertUnwindSafe(|| (case.play)(site))) {
            Ok(check) => check.into(),
            Err(_) => Verdict::Fail("the scenario itself panicked".into()),
        },
    };
    Outcome { case: *case, verdict, took: started.elapsed() }
}
