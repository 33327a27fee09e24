//! End-to-end relay bench: what one relayed packet costs a server, in CPU time of all its threads.
//!
//! Client, server and peer live in three network namespaces joined by veth pairs. Every server under test is pinned to one CPU,
//! the load generator to another. Figures are run time of the server's threads (`/proc/PID/task/*/schedstat`) divided by the
//! packets that arrived at the far end, so that neither losses nor a slow load generator flatter anybody.
//!
//! ```text
//! cargo build --release -p stunnerd -p stunner-benches
//! sudo target/release/relay                 # stunnerd, coturn and the raw forwarder, under three minutes
//! sudo target/release/relay --quick         # a rough look in some seconds
//! sudo target/release/relay --stunnerd old=/tmp/old/stunnerd --stunnerd new=target/release/stunnerd
//! ```

#![forbid(unsafe_code)]

use clap::Parser as _;
use std::process::ExitCode;

mod batch;
mod bench;
mod cli;
mod cpu;
mod load;
mod netns;
mod raw_forwarder;
mod report;
mod subject;
mod supervise;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let outcome = match (&cli.command, &cli.options.inside) {
        (Some(cli::Command::RawForwarder { listen }), _) => raw_forwarder::run(*listen),
        (None, None) => supervise::run(),
        (None, Some(prefix)) => bench::run(&cli.options, prefix),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("relay: {error:#}");
        ExitCode::FAILURE
    })
}
