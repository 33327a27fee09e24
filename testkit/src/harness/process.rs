//! Servers that tests start: children that never outlive their test, on ports that nobody else has.

use super::client::Client;
use super::signer::Account;
use super::{Check, Fault, drafts};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(15);

/// A child process, killed and reaped when dropped, and a directory of its own that goes with it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    folder: PathBuf,
}

impl Process {
    /// A new directory for a process that is to be started.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn folder(name: &str) -> Check<PathBuf> {
        let unique = u64::from_be_bytes(super::wire::fresh_id()[..8].try_into().unwrap_or_default());
        let folder = std::env::temp_dir().join(format!("stunner-{name}-{}-{unique:016x}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Starts a program; its output goes to `folder/log`, and the folder is removed with the process.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if the program cannot be started.
    pub fn start(command: &mut Command, folder: PathBuf) -> Check<Self> {
        let log = std::fs::File::create(folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir(&folder);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| Fault::Unavailable(format!("cannot start {program}: {error}")))?;
        Ok(Self { child, folder })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until each of these addresses answers Binding requests.
    ///
    /// # Errors
    /// If the process ends or stays silent; the message has the end of its log.
    pub fn answers_at(&mut self, servers: &[SocketAddr]) -> Check {
        let started = Instant::now();
        for server in servers {
            while !is_served(*server) {
                let ended = self.child.try_wait()?.is_some();
                if ended || started.elapsed() > START {
                    let what = if ended { "ended" } else { "stays silent" };
                    let log = self.log();
                    let lines: Vec<&str> = log.lines().collect();
                    let tail = lines[lines.len().saturating_sub(12)..].join("\n");
                    return Err(Fault::Wrong(format!("the server for {server} {what}; its log ends:\n{tail}")));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A UDP port that is free at all these addresses, and the `count - 1` ones that follow it too.
///
/// # Errors
/// If none is found.
pub fn free_ports(ips: &[IpAddr], count: u16) -> Check<u16> {
    for _ in 0..200 {
        let first = UdpSocket::bind((ips[0], 0))?.local_addr()?.port();
        if first < 1024 || first.checked_add(count).is_none() {
            continue;
        }
        let all = ips.iter().all(|ip| (first..first + count).all(|port| UdpSocket::bind((*ip, port)).is_ok()));
        if all {
            return Ok(first);
        }
    }
    Err(Fault::Unavailable(format!("no {count} free ports in a row")))
}

/// Finds a program by PATH, or takes a path as it is.
pub fn find_program(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Path::new(name).is_file().then(|| name.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn is_served(server: SocketAddr) -> bool {
    let ask = || -> Check {
        let local: IpAddr = if server.is_ipv4() { [127, 0, 0, 1].into() } else { [0u16, 0, 0, 0, 0, 0, 0, 1].into() };
        let client = Client::new(local, server, Account::default())?;
        client.send(drafts::binding().as_bytes())?;
        let answer = client.datagram(Duration::from_millis(200))?;
        answer.map(drop).ok_or_else(|| Fault::Silent("Binding".into()))
    };
    ask().is_ok()
}
