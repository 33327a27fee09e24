//! Three network namespaces, client - server - peer, joined by two veth pairs with static neighbours.

use anyhow::{Context as _, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the peer's sockets are.
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(10, 133, 2, 1);
const NAME_START: &str = "stbench-";
const MOUNTS: &str = "/run/netns";

/// Address of the `index`th client. All of 10.134.0.0/16 is local in the client namespace, so that one socket serves thousands
/// of five-tuples.
pub(crate) fn client_address(index: u16) -> Ipv4Addr {
    let [high, low] = index.to_be_bytes();
    Ipv4Addr::new(10, 134, high, low)
}

/// Address of the `index`th server, for its listener and its relayed sockets.
pub(crate) fn server_address(index: usize) -> Ipv4Addr {
    let index = u8::try_from(index).expect("a handful of servers");
    Ipv4Addr::new(10, 133, 0, index + 1)
}

/// The namespaces of one run.
#[derive(Debug)]
pub(crate) struct Namespaces {
    prefix: String,
    scratch: PathBuf,
}

impl Namespaces {
    /// A prefix that no other running bench uses.
    pub(crate) fn prefix() -> String {
        format!("{NAME_START}{}", std::process::id())
    }

    /// Makes the namespaces, links, addresses and routes; `servers` is the number of server addresses.
    ///
    /// The supervising process removes them.
    pub(crate) fn create(prefix: &str, servers: usize) -> Result<Self> {
        let this = Self { prefix: prefix.to_owned(), scratch: scratch(prefix) };
        fs::create_dir(&this.scratch).with_context(|| format!("creating {}", this.scratch.display()))?;
        let (client, server, peer) = (this.client(), this.server(), this.peer());
        ip(&[], &format!("netns add {client}\nnetns add {server}\nnetns add {peer}\n"))?;
        let pair = |near: &str, far: &str, net: u8| {
            format!(
                "link add bench{net} address 02:00:00:00:0{net}:01 netns {far} type veth \
                 peer name bench{net} address 02:00:00:00:0{net}:02 netns {near}\n"
            )
        };
        ip(&[], &(pair(&server, &client, 1) + &pair(&server, &peer, 2)))?;
        for namespace in [&client, &server, &peer] {
            this.quiet(namespace)?;
        }
        let edge = |net: u8| {
            format!(
                "link set lo up\naddr add 10.133.{net}.1/24 dev bench{net}\nlink set bench{net} up\n\
                 neigh replace 10.133.{net}.2 lladdr 02:00:00:00:0{net}:02 dev bench{net} nud permanent\n\
                 route add 10.133.0.0/24 via 10.133.{net}.2\n"
            )
        };
        ip(&["-n", &client], &(edge(1) + "route add local 10.134.0.0/16 dev lo\n"))?;
        ip(&["-n", &peer], &edge(2))?;
        let mut middle = "link set lo up\n".to_owned();
        for net in [1, 2] {
            middle += &format!(
                "addr add 10.133.{net}.2/24 dev bench{net}\nlink set bench{net} up\n\
                 neigh replace 10.133.{net}.1 lladdr 02:00:00:00:0{net}:01 dev bench{net} nud permanent\n"
            );
        }
        for index in 0..servers {
            middle += &format!("addr add {}/32 dev bench1\n", server_address(index));
        }
        ip(&["-n", &server], &(middle + "route add 10.134.0.0/16 via 10.133.1.1\n"))?;
        Ok(this)
    }

    pub(crate) fn client(&self) -> String {
        format!("{}-c", self.prefix)
    }

    pub(crate) fn server(&self) -> String {
        format!("{}-s", self.prefix)
    }

    /// A directory for servers' files, removed with the namespaces.
    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch
    }

    pub(crate) fn peer(&self) -> String {
        format!("{}-p", self.prefix)
    }

    /// No IPv6 chatter, no reverse path filter: the relayed addresses are not on the link to the peer.
    fn quiet(&self, namespace: &str) -> Result<()> {
        let script = "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done; \
                      [ ! -e /proc/sys/net/ipv6 ] || echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6";
        let status = Command::new("ip").args(["netns", "exec", namespace, "sh", "-c", script]).status()?;
        if !status.success() {
            bail!("cannot set sysctls in namespace {namespace}");
        }
        Ok(())
    }
}

/// Runs `f` on a thread of its own inside `namespace`; sockets that it opens stay there.
pub(crate) fn inside<T: Send>(namespace: &str, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let file = File::open(Path::new(MOUNTS).join(namespace)).with_context(|| format!("no namespace {namespace}"))?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            setns(&file, CloneFlags::CLONE_NEWNET).context("entering a network namespace")?;
            f()
        });
        thread.join().map_err(|_| anyhow!("a helper thread panicked"))?
    })
}

/// Ends whatever runs in the namespaces of `prefix` and deletes them and the scratch directory.
pub(crate) fn remove(prefix: &str) {
    for name in names().filter(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-'))) {
        if let Ok(output) = Command::new("ip").args(["netns", "pids", &name]).output() {
            // These are ours: nobody else knows the namespace.
            for pid in String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.trim().parse().ok()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
        let _ = Command::new("ip").args(["netns", "del", &name]).status();
    }
    let _ = fs::remove_dir_all(scratch(prefix));
}

fn scratch(prefix: &str) -> PathBuf {
    std::env::temp_dir().join(prefix)
}

/// Removes what runs that were killed outright have left behind.
pub(crate) fn remove_stale() {
    for name in names() {
        let pid = name.strip_prefix(NAME_START).and_then(|rest| rest.split('-').next());
        if let Some(pid) = pid.filter(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()) {
            remove(&format!("{NAME_START}{pid}"));
        }
    }
}

fn names() -> impl Iterator<Item = String> {
    let entries = fs::read_dir(MOUNTS).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

/// Feeds `commands` to one `ip -batch`.
fn ip(arguments: &[&str], commands: &str) -> Result<()> {
    let mut child = Command::new("ip")
        .args(arguments)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot run `ip`: the package iproute2 is needed")?;
    child.stdin.take().expect("piped").write_all(commands.as_bytes())?;
    if !child.wait()?.success() {
        bail!("`ip` could not make the namespaces (is this root, outside of a restricted container?)");
    }
    Ok(())
}
