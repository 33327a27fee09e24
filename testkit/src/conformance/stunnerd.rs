//! This project's daemon, started with configuration files of the suite's own.

use super::coturn::even_ports;
use super::site::{CHANNELS, Kind, Lab, PERMISSIONS, PORTS, QUOTA, Site, loopbacks};
use crate::harness::process::{Process, free_ports};
use crate::harness::{Account, Check};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SECRET: &str = "a secret that many share";

/// The binary that STUNNERD_BIN names, or else one in the folder where the running program was built.
pub(super) fn find_binary() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("STUNNERD_BIN") {
        let named = PathBuf::from(named);
        return if named.is_file() {
            Ok(named)
        } else {
            Err(format!("STUNNERD_BIN={}: no such file", named.display()))
        };
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut candidates = program.ancestors().skip(1).take(2).map(|folder| folder.join("stunnerd"));
    candidates.find(|candidate| candidate.is_file()).ok_or_else(|| {
        "no stunnerd next to this program: build it with cargo build -p stunnerd, or name it in STUNNERD_BIN".into()
    })
}

/// One process for each kind of site.
pub(super) fn open(binary: &Path) -> Lab {
    let mut lab = Lab::default();
    for kind in [Kind::Open, Kind::Guarded, Kind::Rest, Kind::Narrow] {
        lab.start(kind, start(binary, kind));
    }
    lab
}

/// A process that serves a TURN URI: what the quick start does.
pub(super) fn open_uri(binary: &Path) -> Lab {
    let serve = || {
        let port = free_ports(&loopbacks(), 1)?;
        let mut site = Site::local(port, account());
        site.v6 = None;
        let uri = format!("turn://{}:wonder%3Aland%24@127.0.0.1:{port}", site.account.username);
        let mut command = Command::new(binary);
        command.arg(uri);
        let mut process = Process::start(&mut command, Process::folder("stunnerd")?)?;
        process.answers_at(&[site.v4])?;
        Ok((site, process))
    };
    let mut lab = Lab::default();
    lab.start(Kind::Open, serve());
    lab
}

fn account() -> Account {
    // A colon and a dollar sign: what a URI must escape, and what a configuration must not expand.
    Account { username: "alice".into(), password: "wonder:land$".into() }
}

fn start(binary: &Path, kind: Kind) -> Check<(Site, Process)> {
    let port = free_ports(&loopbacks(), 1)?;
    let mut site = Site::local(port, account());
    // The other loopback address would be the relay of the other family, whatever the configuration says.
    site.relays_every_family = true;
    if kind == Kind::Rest {
        site.secret = Some(SECRET.into());
        site.account = site.user("alice", 3600)?;
    }
    if kind == Kind::Narrow {
        site.nonce_lifetime = Duration::from_secs(10);
    }
    let folder = Process::folder("stunnerd")?;
    std::fs::write(folder.join("stunnerd.yaml"), document(kind, &site, port)?)?;
    let mut command = Command::new(binary);
    command.args(["-c", "stunnerd.yaml"]).env_remove("STUNNER_CONFIG_ORIGIN");
    let mut process = Process::start(&mut command, folder)?;
    process.answers_at(&site.listeners())?;
    Ok((site, process))
}

/// The configuration document for a kind of site.
fn document(kind: Kind, site: &Site, port: u16) -> Check<String> {
    let mut admin = format!("  name: conformance/{kind:?}\n  healthcheck_endpoint: \"\"\n");
    let mut auth = format!(
        "  type: static\n  credentials: {{username: '{}', password: '{}'}}\n",
        site.account.username, site.account.password
    );
    let mut endpoints = "['0.0.0.0/0', '::/0', '127.0.0.0/8', '::1']";
    match kind {
        Kind::Open => {}
        Kind::Guarded => endpoints = "['0.0.0.0/0', '::/0']",
        Kind::Rest => {
            let _ = write!(
                admin,
                "  user_quota: {QUOTA}\n  limits: {{permissions: {PERMISSIONS}, channels: {CHANNELS}}}\n"
            );
            auth = format!("  type: ephemeral\n  credentials: {{secret: '{SECRET}'}}\n");
        }
        Kind::Narrow => {
            let first = even_ports(site.v4.ip())?;
            let _ = writeln!(admin, "  relay_port_range: {first}-{}", first + PORTS - 1);
            let _ = writeln!(auth, "  nonce_lifetime: {}", site.nonce_lifetime.as_secs());
        }
    }
    let listener = |address: &SocketAddr| {
        let ip = address.ip();
        format!("- {{name: '{ip}', protocol: TURN-UDP, address: '{ip}', port: {port}, routes: [peers]}}\n")
    };
    let listeners: String = site.listeners().iter().map(listener).collect();
    Ok(format!(
        "version: v1\nadmin:\n{admin}auth:\n{auth}listeners:\n{listeners}clusters:\n\
         - {{name: peers, type: STATIC, endpoints: {endpoints}}}\n"
    ))
}
