//! The daemon's life: open listeners, start workers, watch over them, end.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info, warn};
use turn_core::Quotas;

use crate::{
    banner,
    clock::Clock,
    net::{ListenError, ListenerGroup, ListenerSocket, PortPool, raise_descriptor_limit},
    plan::Plan,
    report::Drops,
    worker::{self, MAILBOX, Seat, Shared, Summary},
};

/// A worker that does not turn once in so many seconds is taken for stalled; its timers alone turn it once a second.
const STALLED_AFTER: u32 = 15;

/// The most workers that a CONNECTION-ID can tell apart.
const MAX_WORKERS: usize = 256;

/// How many workers to run: one per CPU that this process may use (by affinity and cgroup quota), or fewer if asked for.
pub fn worker_count(asked: usize) -> usize {
    let cpus = thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    if asked == 0 { cpus } else { asked.min(cpus) }
}

/// Runs the plan until a signal ends it.
///
/// # Errors
/// What could not be opened, or which worker failed; the text says what to do.
pub fn run(plan: &Plan, workers: usize) -> anyhow::Result<()> {
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build().context("no runtime for the main thread")?;
    // Watched before anything is open, so that a signal always finds an orderly end.
    let signals = {
        let _inside = runtime.enter();
        Signals::watch().context("SIGTERM and SIGINT cannot be watched")?
    };
    let descriptors = raise_descriptor_limit();
    let groups = open_listeners(plan, workers)?;
    let local =
        local_addresses().context("the host's addresses cannot be listed, so its own sockets cannot be protected")?;
    let snapshot = plan.compile(1, Quotas::new(), &local)?;
    banner::print(plan, &snapshot, &groups, workers, descriptors);
    let (_configure, snapshot) = watch::channel(Arc::new(snapshot));
    let (stop, stopped) = watch::channel(false);
    let running = spawn_workers(plan, workers, groups, &snapshot, &stopped)?;
    // A failed worker is not waited for, a stalled one would never come: the end of the process ends them all.
    runtime.block_on(watch_over(&running, signals))?;
    // Workers that are gone do not listen any more, which is as good.
    let _ = stop.send(true);
    let summaries: Vec<Summary> = running.into_iter().filter_map(|worker| worker.thread.join().ok()?).collect();
    farewell(&summaries);
    Ok(())
}

/// The signals that end the daemon.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn watch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The name of the next one.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

struct Running {
    number: usize,
    heartbeat: Arc<AtomicU64>,
    /// Why the worker ended, once it has.
    failure: Arc<Mutex<Option<String>>>,
    thread: thread::JoinHandle<Option<Summary>>,
}

fn open_listeners(plan: &Plan, workers: usize) -> anyhow::Result<Vec<Option<ListenerGroup>>> {
    let open = |listener: &crate::plan::ListenerPlan| match ListenerGroup::open(listener.address, workers) {
        Ok(group) => Some(group),
        Err(failure) => {
            error!(target: "stunnerd", "listener {:?} stays closed: {}", listener.name, explain(&failure));
            None
        }
    };
    let groups: Vec<_> = plan.listeners.iter().map(open).collect();
    if !groups.is_empty() && groups.iter().all(Option::is_none) {
        bail!("no listener could be opened; the lines above say why");
    }
    if groups.is_empty() {
        warn!(target: "stunnerd", "the configuration has no listener that this version serves: nothing is open");
    }
    Ok(groups)
}

/// What to do about a listener that cannot be opened.
fn explain(failure: &ListenError) -> String {
    match failure {
        ListenError::InUse(address) => format!(
            "UDP {address} is in use by another process or listener (ss -ulnp 'sport = :{}' names it). End that one, or choose another port",
            address.port()
        ),
        ListenError::Io(address, error) if error.kind() == io::ErrorKind::PermissionDenied => format!(
            "UDP {address}: permission denied. Ports below 1024 need CAP_NET_BIND_SERVICE (or sysctl \
             net.ipv4.ip_unprivileged_port_start); or choose a higher port"
        ),
        other => other.to_string(),
    }
}

fn spawn_workers(
    plan: &Plan,
    workers: usize,
    groups: Vec<Option<ListenerGroup>>,
    snapshot: &watch::Receiver<Arc<crate::snapshot::Snapshot>>,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<Vec<Running>> {
    let mut shares: Vec<Vec<(u16, ListenerSocket)>> = (0..workers).map(|_| Vec::new()).collect();
    for (number, group) in groups.into_iter().enumerate() {
        let sockets = group.into_iter().flat_map(|group| group.sockets);
        for (share, socket) in shares.iter_mut().zip(sockets) {
            share.push((u16::try_from(number).context("more than 65,535 listeners")?, socket));
        }
    }
    let (mailboxes, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| mpsc::channel(MAILBOX)).unzip();
    let mailboxes: Arc<[_]> = mailboxes.into();
    let (clock, ports) = (Clock::start(), PortPool::new(plan.relay_ports.clone()));
    let mut running = Vec::with_capacity(workers);
    for (number, (share, mailbox)) in shares.into_iter().zip(receivers).enumerate() {
        let heartbeat = Arc::new(AtomicU64::new(0));
        let shared = Shared {
            snapshot: snapshot.clone(),
            stop: stop.clone(),
            mailboxes: Arc::clone(&mailboxes),
            heartbeat: Arc::clone(&heartbeat),
            ports: Arc::clone(&ports),
            clock,
        };
        let seat = Seat { number: number as u16, sockets: share, mailbox, seeds: [seed()?, seed()?], shared };
        let failure = Arc::default();
        let thread = start(seat, Arc::clone(&failure)).with_context(|| format!("worker {number} cannot be started"))?;
        running.push(Running { number, heartbeat, failure, thread });
    }
    Ok(running)
}

fn start(seat: Seat, failure: Arc<Mutex<Option<String>>>) -> io::Result<thread::JoinHandle<Option<Summary>>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name(format!("worker-{}", seat.number)).spawn(move || {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(worker::run(seat))));
        let (summary, why) = match outcome {
            Ok(Ok(summary)) => (Some(summary), None),
            Ok(Err(error)) => (None, Some(error.to_string())),
            // The panic hook has printed where and why.
            Err(_) => (None, Some("panic".to_owned())),
        };
        *failure.lock().unwrap_or_else(PoisonError::into_inner) = why;
        summary
    })
}

/// Waits for a signal, or for a worker to fail: its share of five-tuples would be dead, so that the process must end.
async fn watch_over(workers: &[Running], mut signals: Signals) -> anyhow::Result<()> {
    let mut tick = interval(Duration::from_secs(1));
    // A suspended machine must not look like stalled workers: only seconds in which this thread ran are counted.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen: Vec<(u64, u32)> = vec![(0, 0); workers.len()];
    loop {
        tokio::select! {
            name = signals.next() => {
                info!(target: "stunnerd", "{name}: ending");
                return Ok(());
            }
            _ = tick.tick() => {
                for (worker, (last, still)) in workers.iter().zip(&mut seen) {
                    check(worker, last, still)?;
                }
            }
        }
    }
}

fn check(worker: &Running, last: &mut u64, still: &mut u32) -> anyhow::Result<()> {
    let number = worker.number;
    if worker.thread.is_finished() {
        let why = worker.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        bail!(
            "worker {number} ended ({}); its clients would be dead, so the process ends. Please report this",
            why.unwrap_or_default()
        );
    }
    let beat = worker.heartbeat.load(Ordering::Relaxed);
    *still = if beat == *last { *still + 1 } else { 0 };
    *last = beat;
    if *still >= STALLED_AFTER {
        bail!(
            "worker {number} has not turned for {STALLED_AFTER} s; its clients are dead, so the process ends. Please report this"
        );
    }
    Ok(())
}

fn farewell(summaries: &[Summary]) {
    let (mut received, mut dropped, mut open) = (0, Drops::default(), 0);
    for summary in summaries {
        received += summary.io.from_clients + summary.io.from_peers;
        dropped.add(&summary.drops);
        open += summary.allocations;
    }
    info!(target: "stunnerd", "ended; allocations still open: {open}; datagrams received: {received}, dropped: {dropped}");
}

/// The addresses of the host's interfaces.
fn local_addresses() -> io::Result<Vec<IpAddr>> {
    let interfaces = nix::ifaddrs::getifaddrs()?;
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let storage = interface.address?;
        let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    Ok(interfaces.filter_map(address).collect())
}

/// 32 bytes from the operating system.
fn seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| anyhow::anyhow!("the operating system gives no random numbers: {error}"))?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(body: impl FnOnce() -> Option<Summary> + Send + 'static, why: Option<&str>) -> Running {
        let failure = Arc::new(Mutex::new(why.map(str::to_owned)));
        Running { number: 3, heartbeat: Arc::new(AtomicU64::new(7)), failure, thread: thread::spawn(body) }
    }

    #[test]
    fn a_worker_that_ended_ends_the_process_and_says_which_and_why() {
        let ended = worker(|| None, Some("panic"));
        while !ended.thread.is_finished() {
            thread::yield_now();
        }
        let said = check(&ended, &mut 0, &mut 0).expect_err("it ended").to_string();
        assert!(said.contains("worker 3 ended (panic)"), "{said}");
    }

    #[test]
    fn a_worker_that_stalls_ends_the_process_and_one_that_turns_does_not() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let stalled = worker(move || held.recv().ok().and(None), None);
        let (mut last, mut still) = (0, 0);
        for _ in 0..=STALLED_AFTER {
            stalled.heartbeat.fetch_add(1, Ordering::Relaxed);
            check(&stalled, &mut last, &mut still).expect("it turns");
        }
        for _ in 1..STALLED_AFTER {
            check(&stalled, &mut last, &mut still).expect("it may only be slow");
        }
        let said = check(&stalled, &mut last, &mut still).expect_err("it stalls").to_string();
        assert!(said.contains("worker 3 has not turned for 15 s"), "{said}");
        drop(release);
    }
}
