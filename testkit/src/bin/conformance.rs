//! Plays the conformance suite against a server and prints the verdicts.
//!
//! `cargo run -p stunner-testkit --bin conformance -- --subject HOST:PORT --user NAME --password WORD [FILTER...]`
#![forbid(unsafe_code)]

use std::process::ExitCode;
use stunner_testkit::conformance::{self, Subject};
use stunner_testkit::harness::Account;

const USAGE: &str = "\
Plays the conformance suite against a server and prints the verdicts.

usage: conformance [--subject stunnerd|stunnerd-uri|coturn|HOST:PORT] [--user NAME] [--password WORD] [--jobs N] [--list] [FILTER...]

stunnerd is the default; its binary is looked for in STUNNERD_BIN and the target folder. A server at HOST:PORT must know the
user and admit peers at this host's address. A FILTER is a part of a case's name. Exit 1 if any case fails.";

#[derive(Default)]
struct Options {
    subject: String,
    account: Account,
    jobs: usize,
    list: bool,
    filters: Vec<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options { subject: "stunnerd".into(), jobs: 8, ..Options::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--subject" => options.subject = value()?,
            "--user" => options.account.username = value()?,
            "--password" => options.account.password = value()?,
            "--jobs" => options.jobs = value()?.parse().map_err(|_| "--jobs wants a number".to_owned())?,
            "--list" => options.list = true,
            flag if flag.starts_with('-') => return Err(USAGE.into()),
            filter => options.filters.push(filter.into()),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    match options().and_then(play) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn play(options: Options) -> Result<bool, String> {
    let mut cases = conformance::cases();
    if !options.filters.is_empty() {
        cases.retain(|case| options.filters.iter().any(|filter| case.name.contains(filter)));
    }
    if options.list {
        for case in &cases {
            println!("{:64} {}", case.name, case.section);
        }
        return Ok(true);
    }
    let lab = Subject::parse(&options.subject, options.account)?.open();
    let outcomes = conformance::run(&lab, &cases, options.jobs);
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for outcome in &outcomes {
        println!("{outcome}");
        *counts.entry(outcome.verdict.word()).or_default() += 1;
    }
    println!("{} cases: {counts:?}", outcomes.len());
    Ok(counts.keys().all(|word| ["pass", "skip"].contains(word)))
}
