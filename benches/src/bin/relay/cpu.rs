//! CPUs: pinning, CPU time of other processes, and being heard on a busy machine.

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

/// CPUs for the servers and for the load generator: as asked, else the first two that this process may use.
pub(crate) fn choose(server: Option<usize>, load: Option<usize>) -> Result<(usize, usize)> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).context("reading the CPU affinity")?;
    let mut free = (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false) && Some(cpu) != load);
    let server = server.or_else(|| free.next()).context("no CPU for the servers")?;
    let load = load.or_else(|| free.find(|&cpu| cpu != server)).context("the bench needs two CPUs")?;
    ensure!(server != load, "servers and load generator need different CPUs");
    Ok((server, load))
}

/// Pins the calling thread, and what it starts later, to `cpu`.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).with_context(|| format!("no CPU {cpu}"))?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("pinning to CPU {cpu}"))
}

/// Raises the whole session of `pid` (`self` for the own one): with `sched_autogroup`, niceness counts only inside a session,
/// so that another login's load would else take half of the CPU whatever its niceness.
pub(crate) fn raise_autogroup(pid: &str) {
    // Absent without CONFIG_SCHED_AUTOGROUP, and then not needed.
    let _ = fs::write(format!("/proc/{pid}/autogroup"), "-15");
}

/// CPU time that all threads of `pid` have used.
///
/// Exact only while they sleep: the kernel adds a running thread's time at ticks and when it leaves the CPU.
pub(crate) fn run_time(pid: u32) -> Result<Duration> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid} is gone"))?;
    let mut sum = 0;
    for task in tasks {
        let path = task?.path().join("schedstat");
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let nanos = text.split_whitespace().next().and_then(|field| field.parse::<u64>().ok());
        sum += nanos.with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(Duration::from_nanos(sum))
}
