//! Whose servers are tested.

use super::site::{Kind, Lab, Site};
use super::{coturn, stunnerd};
use crate::harness::{Account, Check, Fault};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::PathBuf;

/// A server, or how to start one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// This project's daemon: the binary at this path.
    Stunnerd(PathBuf),
    /// The same, started with nothing but a TURN URI. Scenarios that need another set-up are skipped.
    StunnerdUri(PathBuf),
    /// coturn's `turnserver`, found in PATH.
    Coturn,
    /// A server that runs already. Scenarios that need another set-up are skipped.
    Running {
        /// Where it listens.
        server: SocketAddr,
        /// A user it knows.
        account: Account,
    },
}

impl Subject {
    /// Reads `stunnerd`, `stunnerd-uri`, `coturn` or `HOST:PORT`; the last with the user and password given.
    ///
    /// # Errors
    /// Says what cannot be understood.
    pub fn parse(text: &str, account: Account) -> Result<Self, String> {
        match text {
            "stunnerd" => stunnerd::find_binary().map(Self::Stunnerd),
            "stunnerd-uri" => stunnerd::find_binary().map(Self::StunnerdUri),
            "coturn" => Ok(Self::Coturn),
            address => {
                let mut found = address.to_socket_addrs().map_err(|error| {
                    format!("subject {address:?} is neither stunnerd nor coturn nor HOST:PORT: {error}")
                })?;
                let server = found.next().ok_or_else(|| format!("{address} has no address"))?;
                Ok(Self::Running { server, account })
            }
        }
    }

    /// Reads STUNNER_CONFORMANCE_SUBJECT and, for a running server, STUNNER_CONFORMANCE_USER and STUNNER_CONFORMANCE_PASSWORD. The
    /// realm is the one the server names.
    ///
    /// # Errors
    /// Says what cannot be understood.
    pub fn from_env() -> Option<Result<Self, String>> {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        let account =
            Account { username: var("STUNNER_CONFORMANCE_USER"), password: var("STUNNER_CONFORMANCE_PASSWORD") };
        let subject = var("STUNNER_CONFORMANCE_SUBJECT");
        (!subject.is_empty()).then(|| Self::parse(&subject, account))
    }

    /// Starts what has to be started. What cannot be is skipped by the cases that want it.
    pub fn open(&self) -> Lab {
        match self {
            Self::Stunnerd(binary) => stunnerd::open(binary),
            Self::StunnerdUri(binary) => stunnerd::open_uri(binary),
            Self::Coturn => coturn::open(),
            Self::Running { server, account } => {
                let mut lab = Lab::default();
                lab.add(Kind::Open, running(*server, account));
                lab
            }
        }
    }

    /// What the server calls itself, if it is a program that can be asked.
    pub fn version(&self) -> Option<String> {
        (*self == Self::Coturn).then(coturn::version).flatten()
    }
}

/// Peers live where this host's packets to the server come from: what the server reaches back.
fn running(server: SocketAddr, account: &Account) -> Check<Site> {
    let any: IpAddr = if server.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let probe = UdpSocket::bind((any, 0))?;
    probe.connect(server)?;
    let here = probe.local_addr()?.ip();
    if !server.is_ipv4() {
        return Err(Fault::Unavailable("aim at an IPv4 address".into()));
    }
    let mut site = Site::local(server.port(), account.clone());
    if !here.is_loopback() {
        site.here_v6 = None;
    }
    (site.v4, site.v6, site.here_v4) = (server, None, here);
    Ok(site)
}
