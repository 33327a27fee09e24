//! coturn's `turnserver`, set up as near to what the scenarios want as it goes.

use super::site::{Kind, Lab, PORTS, QUOTA, Site, loopbacks};
use crate::harness::process::{Process, find_program, free_ports};
use crate::harness::{Account, Check, Fault};
use std::net::IpAddr;
use std::process::Command;

const REALM: &str = "stunner.l7mp.io";
const SECRET: &str = "a secret that many share";

/// The program's version as it prints it.
pub(super) fn version() -> Option<String> {
    let output = Command::new(find_program("turnserver")?).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().last().map(|line| line.trim().to_owned())
}

/// One process for each kind of site.
pub(super) fn open() -> Lab {
    let mut lab = Lab::default();
    for kind in [Kind::Open, Kind::Guarded, Kind::Rest, Kind::Narrow] {
        lab.start(kind, start(kind));
    }
    lab
}

fn start(kind: Kind) -> Check<(Site, Process)> {
    let program = find_program("turnserver").ok_or_else(|| Fault::Unavailable("no turnserver in PATH".into()))?;
    let port = free_ports(&loopbacks(), 1)?;
    let mut site = Site::local(port, Account { username: "alice".into(), password: "wonder:land$".into() });

    let folder = Process::folder("coturn")?;
    let mut command = Command::new(program);
    // No multicast: the nearest it has to our defaults. One relay thread: cases are many and short.
    command.args(["-n", "-m", "1", "--no-cli", "--no-tcp", "--no-tls", "--no-dtls", "--no-multicast-peers"]);
    command.args(["--log-file", "stdout", "--pidfile", "pid", "--db", "turndb", "--realm", REALM]);
    command.args(["--listening-port", &port.to_string(), "-L", "127.0.0.1", "-E", "127.0.0.1"]);
    if site.v6.is_some() {
        command.args(["-L", "::1"]);
    }
    let relay_v6 = if site.v6.is_some() { &["-E", "::1"][..] } else { &[] };
    match kind {
        Kind::Open => command.arg("--allow-loopback-peers").args(relay_v6),
        Kind::Guarded => command.args(relay_v6),
        Kind::Rest => command.args(["--allow-loopback-peers", "--user-quota", &QUOTA.to_string()]),
        Kind::Narrow => {
            let first = even_ports(site.here_v4)?;
            let (min, max) = (first.to_string(), (first + PORTS - 1).to_string());
            command.args(["--allow-loopback-peers", "--stale-nonce=1", "--min-port", &min, "--max-port", &max])
        }
    };
    if kind == Kind::Rest {
        command.args(["--use-auth-secret", "--static-auth-secret", SECRET]);
        site.secret = Some(SECRET.into());
        site.account = site.user("alice", 3600)?;
    } else {
        command.args(["--lt-cred-mech", "--user", &format!("{}:{}", site.account.username, site.account.password)]);
    }
    let mut process = Process::start(&mut command, folder)?;
    process.answers_at(&site.listeners())?;
    Ok((site, process))
}

/// A free range of [`PORTS`] ports that begins with an even one.
pub(super) fn even_ports(ip: IpAddr) -> Check<u16> {
    Ok(free_ports(&[ip], PORTS + 1)?.next_multiple_of(2))
}
