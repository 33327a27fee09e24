//! Running servers, and what a scenario needs to know of them.

use crate::harness::process::Process;
use crate::harness::{Account, Check, Client, Fault, Peer, crypto};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The ways in which servers are set up for the scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One user name and password; peers at loopback addresses are reachable; listens and relays on IPv4 and IPv6.
    Open,
    /// The same, but routed to everything (`0.0.0.0/0`, `::/0`) with no word about special ranges.
    Guarded,
    /// User names made of a secret, two allocations for each; relays on IPv4 only.
    Rest,
    /// Relays on IPv4 only, from a range of four ports that begins with an even one; nonces are short-lived.
    Narrow,
}

/// Why scenarios with IPv6 are skipped.
pub const NO_IPV6: &str = "no IPv6 on this host";

/// 127.0.0.1 and, if this host has IPv6, ::1.
pub fn loopbacks() -> Vec<IpAddr> {
    let both = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    both.into_iter().filter(|ip| ip.is_ipv4() || Peer::at(*ip).is_ok()).collect()
}

/// How many allocations a user of [`Kind::Rest`] may have.
pub(super) const QUOTA: usize = 2;

/// How many permissions an allocation of [`Kind::Rest`] may have, if the server can limit them.
pub(super) const PERMISSIONS: usize = 8;

/// How many channels an allocation of [`Kind::Rest`] may have, if the server can limit them.
pub(super) const CHANNELS: u16 = 4;

/// How many relay ports [`Kind::Narrow`] has.
pub(super) const PORTS: u16 = 4;

/// A running server.
#[derive(Debug)]
pub struct Site {
    /// Where it listens on IPv4.
    pub v4: SocketAddr,
    /// Where it listens on IPv6.
    pub v6: Option<SocketAddr>,
    /// A user it knows.
    pub account: Account,
    /// Where from user names are made, if they are.
    pub secret: Option<String>,
    /// Where peers can live; clients too.
    pub here_v4: IpAddr,
    /// The same for IPv6, if this host has it.
    pub here_v6: Option<IpAddr>,
    /// How long a nonce of [`Kind::Narrow`] lasts.
    pub nonce_lifetime: Duration,
    /// Whether it relays both families even where one would do.
    pub relays_every_family: bool,
    alone: Mutex<()>,
}

impl Site {
    /// A server on this host at a port of its loopback addresses; clients and peers are at loopback too.
    pub fn local(port: u16, account: Account) -> Self {
        let [v4, v6] = [loopbacks().first().copied(), loopbacks().get(1).copied()];
        let here_v4 = v4.unwrap_or(Ipv4Addr::LOCALHOST.into());
        Self {
            v4: (here_v4, port).into(),
            v6: v6.map(|ip| (ip, port).into()),
            account,
            secret: None,
            here_v4,
            here_v6: v6,
            nonce_lifetime: Duration::from_secs(1),
            relays_every_family: false,
            alone: Mutex::new(()),
        }
    }

    /// A client on IPv4.
    ///
    /// # Errors
    /// If it cannot have a socket.
    pub fn client(&self) -> Check<Client> {
        Client::new(self.here_v4, self.v4, self.account.clone())
    }

    /// A client on IPv6.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if the server does not listen there.
    pub fn client6(&self) -> Check<Client> {
        let here = self.ipv6()?;
        let server = self.v6.ok_or_else(|| Fault::Unavailable("the server has no IPv6 address".into()))?;
        Client::new(here, server, self.account.clone())
    }

    /// A client on IPv4 under another name.
    ///
    /// # Errors
    /// If it cannot have a socket.
    pub fn client_as(&self, account: Account) -> Check<Client> {
        Client::new(self.here_v4, self.v4, account)
    }

    /// A user of a secret's, valid for `seconds` from now.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if user names are not made from a secret here.
    pub fn user(&self, name: &str, seconds: i64) -> Check<Account> {
        let secret = self.secret.as_deref().ok_or_else(|| Fault::Unavailable("no shared secret".into()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let username = format!("{}:{name}", now.saturating_add_signed(seconds));
        let password = crypto::rest_password(secret, &username);
        Ok(Account { username, password })
    }

    /// A peer on IPv4.
    ///
    /// # Errors
    /// If it cannot have a socket.
    pub fn peer(&self) -> Check<Peer> {
        Peer::at(self.here_v4)
    }

    /// A peer on IPv6.
    ///
    /// # Errors
    /// If it cannot have a socket.
    pub fn peer6(&self) -> Check<Peer> {
        Peer::at(self.ipv6()?)
    }

    /// Where peers can live on IPv6: for scenarios in which the server relays it.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if this host has no IPv6.
    pub fn ipv6(&self) -> Check<IpAddr> {
        self.here_v6.ok_or_else(|| Fault::Unavailable(NO_IPV6.into()))
    }

    /// Every address where the server listens.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        std::iter::once(self.v4).chain(self.v6).collect()
    }

    /// A peer on IPv4 at another address than [`Site::peer`]'s.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] unless peers live at loopback, where there are many addresses.
    pub fn other_peer(&self) -> Check<Peer> {
        if !self.here_v4.is_loopback() {
            return Err(Fault::Unavailable("only one address for peers".into()));
        }
        Peer::at(Ipv4Addr::new(127, 0, 0, 2).into())
    }

    /// The scenario needs a server of [`Kind::Rest`] that really relays on IPv4 only.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if it does not.
    pub fn lacks_ipv6_relays(&self) -> Check {
        if self.relays_every_family {
            return Err(Fault::Unavailable("on loopback the server relays both families".into()));
        }
        Ok(())
    }

    /// Keeps other scenarios that want the server for themselves waiting.
    pub fn alone(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The servers of a subject, and the processes behind them, which end with this.
#[derive(Debug, Default)]
pub struct Lab {
    sites: BTreeMap<Kind, Check<Site>>,
    processes: Vec<Process>,
}

impl Lab {
    /// Adds a server, or why there is none.
    pub fn add(&mut self, kind: Kind, site: Check<Site>) {
        self.sites.insert(kind, site);
    }

    /// Adds a server that runs as a process of this lab.
    pub fn start(&mut self, kind: Kind, started: Check<(Site, Process)>) {
        let site = started.map(|(site, process)| {
            self.processes.push(process);
            site
        });
        self.add(kind, site);
    }

    /// The server of that kind.
    ///
    /// # Errors
    /// Why there is none.
    pub fn site(&self, kind: Kind) -> Check<&Site> {
        match self.sites.get(&kind) {
            Some(site) => site.as_ref().map_err(Clone::clone),
            None => Err(Fault::Unavailable(format!("no server of kind {kind:?}"))),
        }
    }

    /// The processes behind it.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }
}
