//! The outer process: it outlives the bench proper and cleans up after it, whatever ended it.

use crate::netns::{self, Namespaces};
use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::geteuid;
use std::process::{Command, ExitCode};

/// Runs the bench in a child of its own session and removes its namespaces and servers afterwards, also on failure or Ctrl-C.
pub(crate) fn run() -> Result<ExitCode> {
    ensure!(geteuid().is_root(), "the bench makes network namespaces: run it as root");
    netns::remove_stale();
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGCHLD]);
    signals.thread_block().context("blocking signals")?;
    let prefix = Namespaces::prefix();
    let mut child = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .arg(format!("--inside={prefix}"))
        .spawn()
        .context("starting the bench")?;
    let status = loop {
        // The child's end may have come before the wait: look first.
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if signals.wait()? != Signal::SIGCHLD {
            child.kill()?;
            child.wait()?;
            break None;
        }
    };
    netns::remove(&prefix);
    Ok(if status.is_some_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
