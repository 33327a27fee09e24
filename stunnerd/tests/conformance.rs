//! The conformance suite against this build's stunnerd: every case passes.

use std::path::PathBuf;
use stunner_testkit::conformance::{NO_IPV6, Outcome, Subject, Verdict, cases, run};

/// Cases at a time. They wait more than they work.
const JOBS: usize = 8;

/// What cannot be set up with a listener on loopback, which relays both families; `stunnerd::relay_address` and turn-core's tests
/// have it.
const NOT_ON_LOOPBACK: &[&str] = &["family_the_server_lacks_440", "additional_family_the_server_lacks_is_reported"];

fn binary() -> PathBuf {
    env!("CARGO_BIN_EXE_stunnerd").into()
}

/// Plays all cases, of which only those may fail that the function excuses.
fn play(subject: &Subject, excused: impl Fn(&Outcome) -> bool) {
    let lab = subject.open();
    let outcomes = run(&lab, &cases(), JOBS);
    let failed: Vec<String> = outcomes
        .iter()
        .filter(|outcome| outcome.verdict != Verdict::Pass && !excused(outcome))
        .map(ToString::to_string)
        .collect();
    let passed = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Pass).count();
    let logs: Vec<String> = lab.processes().iter().map(|process| process.log()).collect();
    assert!(
        failed.is_empty(),
        "{} of {} cases:\n{}\n\nlogs:\n{}",
        failed.len(),
        outcomes.len(),
        failed.join("\n"),
        logs.join("\n")
    );
    assert!(passed > 150, "only {passed} of {} cases could be played", outcomes.len());
}

#[test]
fn stunnerd_passes_every_case() {
    play(
        &Subject::Stunnerd(binary()),
        |outcome| matches!(&outcome.verdict, Verdict::Skip(why) if why == NO_IPV6 || NOT_ON_LOOPBACK.contains(&outcome.case.name)),
    );
}

#[test]
fn stunnerd_with_a_turn_uri_passes_every_case_that_it_is_set_up_for() {
    play(&Subject::StunnerdUri(binary()), |outcome| matches!(outcome.verdict, Verdict::Skip(_)));
}
