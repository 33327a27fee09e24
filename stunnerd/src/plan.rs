//! What to run: the configuration document with everything resolved, before any socket is opened.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use route_policy::{Endpoint, RouteId, TableBuilder};
use turn_auth::{Authenticator, Credentials, NonceKey, RealmTooLong};
use turn_core::{Limits, Quotas};

use crate::{
    relay_address::{RelayAddress, RelayAddresses, default_sources, is_local},
    snapshot::{ListenerSnapshot, Snapshot},
};

/// Everything that a run needs to know.
#[derive(Debug)]
pub struct Plan {
    /// The authentication realm.
    pub realm: String,
    /// Who may allocate.
    pub credentials: Credentials,
    /// What to call that in a log line.
    pub auth_type: &'static str,
    /// Key of nonces; another process with the same key takes over this one's clients without a 438.
    pub nonce_key: NonceKey,
    /// How long a nonce lasts.
    pub nonce_lifetime: Duration,
    /// Caps.
    pub limits: Limits,
    /// Ports of relayed addresses.
    pub relay_ports: RangeInclusive<u16>,
    /// The listeners that can be served.
    pub listeners: Vec<ListenerPlan>,
}

/// A UDP listener.
#[derive(Clone, Debug)]
pub struct ListenerPlan {
    /// Its name.
    pub name: String,
    /// The address it names, which need not be one of the host's.
    pub address: SocketAddr,
    /// What clients use to reach it, if that is another address.
    pub public: Option<String>,
    /// The port that goes with it.
    pub public_port: Option<u16>,
    /// Relayed addresses, one per family at most.
    pub relay_addresses: Vec<RelayAddress>,
    /// What its clients may reach; nothing else.
    pub routes: Vec<RoutePlan>,
}

/// A route: a cluster's name and its endpoints.
#[derive(Clone, Debug)]
pub struct RoutePlan {
    /// Number of the route, stable for the life of the process.
    pub id: u32,
    /// Name of the cluster.
    pub name: String,
    /// What it names.
    pub endpoints: Vec<Endpoint>,
}

impl Plan {
    /// Compiles the plan; `local` are the addresses of the host's interfaces.
    ///
    /// # Errors
    /// The realm cannot be told to a client.
    pub fn compile(&self, version: u64, quotas: Arc<Quotas>, local: &[IpAddr]) -> Result<Snapshot, RealmTooLong> {
        let authenticator = Authenticator::builder(&self.realm, self.credentials.clone(), self.nonce_key.clone())
            .nonce_lifetime(self.nonce_lifetime)
            .build()?;
        let sources = default_sources();
        let listeners = self.listeners.iter().map(|listener| self.compile_listener(listener, local, sources)).collect();
        Ok(Snapshot { version, authenticator, listeners, limits: self.limits.clone(), quotas })
    }

    fn compile_listener(
        &self,
        listener: &ListenerPlan,
        local: &[IpAddr],
        sources: [Option<IpAddr>; 2],
    ) -> ListenerSnapshot {
        let mut table = TableBuilder::new();
        for route in &listener.routes {
            for endpoint in &route.endpoints {
                table.endpoint(RouteId(route.id), *endpoint);
            }
        }
        for socket in self.listeners.iter().flat_map(ListenerPlan::own_sockets) {
            table.own_socket(socket);
        }
        // Behind 1:1 NAT the host is also reached by the addresses that clients are told.
        let told = self.listeners.iter().flat_map(|listener| listener.told());
        for ip in local.iter().copied().chain(told) {
            table.local_address(ip);
        }
        let address = listener.address.ip();
        let relay = RelayAddresses {
            configured: listener.relay_addresses.clone(),
            listener: address,
            listener_is_local: address.is_unspecified() || is_local(address),
            default_sources: sources,
        };
        ListenerSnapshot { name: listener.name.clone(), table: table.build(), relay }
    }
}

impl ListenerPlan {
    /// The sockets by which this listener itself is reached: what it binds, and what stands for that outside.
    fn own_sockets(&self) -> impl Iterator<Item = SocketAddr> {
        let (ip, port) = (self.address.ip(), self.address.port());
        // An address that the host does not have is bound as the wildcard of its family.
        let any = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let bound = (!is_local(ip)).then_some(SocketAddr::new(any, port));
        let told = self.told().flat_map(move |ip| {
            let public = self.public_port.filter(|public| *public != port);
            [Some(port), public].into_iter().flatten().map(move |port| SocketAddr::new(ip, port))
        });
        std::iter::once(self.address).chain(bound).chain(told)
    }

    fn told(&self) -> impl Iterator<Item = IpAddr> {
        let public = self.public.as_deref().and_then(|public| public.parse().ok());
        let advertised = self.relay_addresses.iter().map(|address| address.advertised);
        advertised.chain(public).chain((!self.address.ip().is_unspecified()).then_some(self.address.ip()))
    }
}
