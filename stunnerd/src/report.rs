//! What the log tells of a worker: reports of its server, counts of what was dropped, warnings that do not flood.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use tracing::{debug, info, warn};
use turn_core::{Now, Report};

/// Counts by reason. The reasons are constants of the code, so the map is small.
#[derive(Debug, Default)]
pub struct Drops(BTreeMap<&'static str, u64>);

impl Drops {
    pub(crate) fn count(&mut self, reason: &'static str) {
        *self.0.entry(reason).or_insert(0) += 1;
    }

    /// Adds another worker's counts.
    pub fn add(&mut self, other: &Self) {
        for (reason, count) in &other.0 {
            *self.0.entry(reason).or_insert(0) += count;
        }
    }
}

impl std::fmt::Display for Drops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (at, (reason, count)) in self.0.iter().enumerate() {
            write!(f, "{}{count} {reason}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// A warning that is repeated at most every ten seconds, with a count of what was left out.
#[derive(Default)]
pub(crate) struct Throttled {
    next: Option<turn_core::Instant>,
    left_out: u64,
}

impl Throttled {
    pub(crate) fn warn(&mut self, now: Now, line: &str) {
        if self.next.is_some_and(|next| now.mono < next) {
            self.left_out += 1;
            return;
        }
        warn!(target: "relay", "{line} ({} more since the last such line)", self.left_out);
        *self = Self { next: Some(now.mono + Duration::from_secs(10)), left_out: 0 };
    }
}

/// Writes the line that a report is worth.
pub(crate) fn log(report: &Report) {
    match report {
        Report::AllocationOpened { user, client, relayed } => {
            debug!(target: "turn", user = user.as_str(), client = %client.address(), relayed = %Relayed(relayed), "allocation opened");
        }
        Report::AllocationEnded { user, client, relayed, duration, traffic, reason } => info!(
            target: "turn",
            user = user.as_str(),
            client = %client.address(),
            relayed = %Relayed(relayed),
            seconds = duration.as_secs(),
            bytes_to_peers = traffic.bytes_to_peer,
            bytes_to_client = traffic.bytes_to_client,
            reason = reason.name(),
            "allocation ended",
        ),
        // Normal with browsers, which ask for every candidate of the other side; so not a warning.
        Report::PeerRefused { user, client, peer, method } => {
            debug!(target: "turn", user = user.as_str(), client = %client.address(), %peer, ?method, "no route admits this peer");
        }
        Report::Revoked { user, client, entries } => {
            info!(target: "turn", user = user.as_str(), client = %client.address(), entries, "permissions and channels revoked");
        }
        other => debug!(target: "turn", "{other:?}"),
    }
}

struct Relayed<'r>(&'r [Option<SocketAddr>; 2]);

impl std::fmt::Display for Relayed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, addr) in self.0.iter().flatten().enumerate() {
            write!(f, "{}{addr}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
