//! The bench proper: starts the servers, sets up their allocations and measures them in turn.

use crate::cli::{Case, Direction, Framing, Options};
use crate::cpu;
use crate::load::{Measured, Session, Sockets, measure, probe};
use crate::netns::Namespaces;
use crate::report::{self, Column};
use crate::subject::{self, Server};
use anyhow::{Context as _, Result};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::setsid;
use std::process::ExitCode;
use std::time::Instant;

/// Runs everything in the namespaces of `prefix`, which the supervising process removes.
pub(crate) fn run(options: &Options, prefix: &str) -> Result<ExitCode> {
    // A session of its own, so that its autogroup can be raised and Ctrl-C reaches the supervisor alone.
    setsid().context("starting a session")?;
    set_pdeathsig(Signal::SIGKILL).context("tying the bench to its supervisor")?;
    cpu::raise_autogroup("self");
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let (server_cpu, load_cpu) = cpu::choose(options.server_cpu, options.load_cpu)?;
    cpu::pin(load_cpu)?;

    let subjects = subject::find(options)?;
    let namespaces = Namespaces::create(prefix, subjects.len())?;
    let mut servers = Vec::new();
    for (index, subject) in subjects.iter().enumerate() {
        servers.push(Server::start(subject, index, &namespaces, server_cpu, options)?);
    }
    let mut sockets = Sockets::open(&namespaces)?;
    let mut sessions = Vec::new();
    for server in &mut servers {
        sessions.push(Session::open(&mut sockets, server, options.allocations)?);
        server.raise();
    }
    let mut marks = 1..;
    let mut mark = || marks.next().expect("fewer than 2^32 measurements");
    for session in &sessions {
        for framing in [Framing::Channel, Framing::Indication] {
            let case = Case { framing, size: 172, direction: Direction::Both };
            probe(&mut sockets, session, case, mark())?;
        }
    }
    let started = Instant::now();
    let mut columns: Vec<_> = servers.iter().map(|server| Column::new(server, options.cases().len())).collect();
    for round in 0..=options.counted_rounds() {
        eprint!("\rround {round} of {} ", options.counted_rounds());
        for (row, case) in options.cases().into_iter().enumerate() {
            for (column, session) in columns.iter_mut().zip(&mut sessions) {
                session.keep(&mut sockets)?;
                let measured = measure(&mut sockets, session, case, options, mark())?;
                if round > 0 {
                    column.push(row, measured);
                }
            }
        }
    }
    println!(
        "\r{} s of measurements, servers on CPU {server_cpu}, load on CPU {load_cpu}",
        started.elapsed().as_secs()
    );
    report::print(options, &columns);
    Ok(ExitCode::SUCCESS)
}

/// Figures that the table shows for one measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Microseconds of server CPU per delivered packet.
    pub(crate) cost: f64,
    /// Packets delivered per second.
    pub(crate) rate: f64,
    /// Share of packets sent that did not arrive.
    pub(crate) loss: f64,
    /// Share of the time that the server used its CPU.
    pub(crate) server_busy: f64,
    /// Share of the load generator's turns that found something to do.
    pub(crate) load_busy: f64,
}

impl From<Measured> for Figures {
    fn from(measured: Measured) -> Self {
        let (sent, delivered) = (measured.sent as f64, measured.delivered as f64);
        let (server, wall) = (measured.server.as_secs_f64(), measured.wall.as_secs_f64());
        Self {
            cost: server * 1e6 / delivered,
            rate: delivered / wall,
            loss: (sent - delivered).max(0.0) / sent,
            server_busy: server / wall,
            load_busy: measured.load_busy,
        }
    }
}
