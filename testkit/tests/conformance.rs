//! The conformance suite against servers that are not ours: coturn, whose verdicts are recorded, and whatever server the
//! environment names. Against stunnerd it runs in `stunnerd/tests/conformance.rs`.

use std::io::Write as _;
use std::path::Path;
use stunner_testkit::conformance::verdicts::Verdicts;
use stunner_testkit::conformance::{Lab, NO_IPV6, Outcome, Subject, Verdict, cases, loopbacks, run};

/// Cases at a time. They wait more than they work.
const JOBS: usize = 8;

/// Says why nothing was tested. Not by a macro: the test harness swallows what passing tests print with those.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "conformance: {line}");
}

fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| value == "1")
}

/// Plays those cases again, one at a time, that came out otherwise than recorded: a loaded host loses a datagram now and then, and
/// coturn is not ours to make robust.
fn replay(lab: &Lab, recorded: &Verdicts, outcomes: &mut [Outcome]) {
    for outcome in outcomes {
        if recorded.verdict(outcome.case.name) != Some(outcome.verdict.word())
            && let Some(again) = run(lab, &[outcome.case], 1).pop()
        {
            *outcome = again;
        }
    }
}

#[test]
fn coturn_verdicts_are_as_recorded() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/coturn.verdicts");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let recorded = Verdicts::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (demanded, renew) = (is_set("STUNNER_REAL_CLIENTS"), is_set("STUNNER_CONFORMANCE_RENEW"));

    let Some(version) = Subject::Coturn.version() else {
        assert!(!demanded, "STUNNER_REAL_CLIENTS=1 and no turnserver: install the Debian package coturn");
        return say("no turnserver in PATH, coturn is not tested");
    };
    if loopbacks().len() < 2 {
        assert!(!demanded, "STUNNER_REAL_CLIENTS=1 and {NO_IPV6}");
        return say(&format!("{NO_IPV6}: coturn is not tested"));
    }
    if version != recorded.version && !renew {
        let known = &recorded.version;
        assert!(!demanded, "turnserver is {version}, the verdicts are for {known}: renew them");
        return say(&format!("turnserver is {version}, the verdicts are for {known}: coturn is not tested"));
    }

    let lab = Subject::Coturn.open();
    let mut outcomes = run(&lab, &cases(), JOBS);
    replay(&lab, &recorded, &mut outcomes);
    if renew {
        std::fs::write(&file, recorded.renewed(&version, &outcomes)).expect("the verdicts can be written");
        return say(&format!("wrote {}", file.display()));
    }
    let differences = recorded.differences(&outcomes);
    assert!(differences.is_empty(), "coturn {version}:\n  {}", differences.join("\n  "));
}

#[test]
fn the_server_named_in_the_environment_passes() {
    let subject = match Subject::from_env() {
        None => return say("STUNNER_CONFORMANCE_SUBJECT names no server"),
        Some(subject) => subject.unwrap_or_else(|error| panic!("{error}")),
    };
    if subject == Subject::Coturn {
        return say("coturn is held against its recorded verdicts");
    }
    let outcomes = run(&subject.open(), &cases(), JOBS);
    let bad = |outcome: &&Outcome| !matches!(outcome.verdict, Verdict::Pass | Verdict::Skip(_));
    let failed: Vec<String> = outcomes.iter().filter(bad).map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), outcomes.len(), failed.join("\n"));
    let played = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Pass).count();
    assert!(played > 0, "no case could be played against {subject:?}");
}
