//! The servers under test: finding and starting them.

use crate::cli::{Kind, Options};
use crate::cpu;
use crate::netns::{Namespaces, server_address};
use anyhow::{Context as _, Result, bail, ensure};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "pass";
const PORT: u16 = 3478;

/// A server that can be started.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) label: String,
    path: PathBuf,
}

/// The servers to measure. One that was asked for and is missing is an error; one that was not is left out with a line.
pub(crate) fn find(options: &Options) -> Result<Vec<Subject>> {
    let mut found: Vec<Subject> = Vec::new();
    let own = std::env::current_exe().context("where is this binary?")?;
    let asked = |kind| options.subjects.contains(&kind) || (kind == Kind::Stunnerd && !options.stunnerd.is_empty());
    for kind in Kind::ALL.into_iter().filter(|&kind| options.subjects.is_empty() || asked(kind)) {
        let candidates = match kind {
            Kind::Stunnerd if options.stunnerd.is_empty() => vec![("stunnerd".into(), own.with_file_name("stunnerd"))],
            Kind::Stunnerd => options.stunnerd.clone(),
            Kind::Coturn => vec![("coturn".into(), options.coturn.clone())],
            Kind::Raw => vec![("raw".into(), own.clone())],
        };
        for (label, path) in candidates {
            if path.is_file() {
                ensure!(found.iter().all(|other| other.label != label), "two servers are called {label}: label them");
                found.push(Subject { kind, label, path });
            } else if asked(kind) {
                bail!("{}: no such file", path.display());
            } else {
                println!("{label} is left out: there is no {}", path.display());
            }
        }
    }
    ensure!(!found.is_empty(), "nothing to measure");
    Ok(found)
}

/// A started server; ended when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) label: String,
    pub(crate) address: SocketAddrV4,
    child: Child,
}

impl Server {
    /// Starts `subject` as the `index`th server, in a session of its own, pinned to `cpu`.
    pub(crate) fn start(
        subject: &Subject,
        index: usize,
        namespaces: &Namespaces,
        cpu: usize,
        options: &Options,
    ) -> Result<Self> {
        let address = SocketAddrV4::new(server_address(index), PORT);
        let mut command = Command::new("ip");
        // Each of these replaces itself by the next, so that the child's id is the server's in the end.
        command.args(["netns", "exec", &namespaces.server(), "setsid", "setpriv", "--pdeathsig=KILL"]);
        command.args(["taskset", "-c", &cpu.to_string()]).arg(&subject.path);
        arguments(&mut command, subject.kind, address, namespaces.scratch(), &options.stunnerd_arg);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", subject.path.display()))?;
        Ok(Self { kind: subject.kind, label: subject.label.clone(), address, child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// To be called once the server answers and thus is the program it is meant to be.
    pub(crate) fn raise(&self) {
        cpu::raise_autogroup(&self.pid().to_string());
    }

    /// Fails if the process has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended by itself: {status}", self.label),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn arguments(command: &mut Command, kind: Kind, address: SocketAddrV4, scratch: &Path, stunnerd_arguments: &[String]) {
    match kind {
        Kind::Stunnerd => {
            command.args(stunnerd_arguments).arg(format!("turn://{USER}:{PASSWORD}@{address}"));
        }
        Kind::Raw => {
            command.arg("raw-forwarder").arg(format!("--listen={address}"));
        }
        Kind::Coturn => {
            // One relay thread for one CPU; its default of one per CPU of the machine would only add switches here.
            command.args(["-n", "-m", "1", "--no-tls", "--no-dtls", "--no-tcp", "--no-cli", "--no-rfc5780"]);
            command.args(["--no-software-attribute", "--no-dynamic-ip-list", "--no-dynamic-realms"]);
            command.args(["--no-stdout-log", "--simple-log", "--log-file=/dev/null", "--allow-loopback-peers"]);
            command.args(["--lt-cred-mech", "--realm=bench.example", "--user"]).arg(format!("{USER}:{PASSWORD}"));
            // Not the ones of a coturn that serves this machine.
            command.arg(format!("--pidfile={}", scratch.join("coturn.pid").display()));
            command.arg(format!("--userdb={}", scratch.join("coturn.db").display()));
            let ip = address.ip();
            command.arg(format!("--listening-port={PORT}"));
            command.arg(format!("--listening-ip={ip}")).arg(format!("--relay-ip={ip}"));
        }
    }
}
