//! The document's types.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use route_policy::{Endpoint, PortRange};

use crate::{
    Cluster, ClusterProtocol, Endpoints, HttpEndpoint, Listener, ListenerAddress, LogLevels, Secret, TurnUri,
    TurnUriError,
};

/// `admin.name` if the document has none.
pub const DEFAULT_NAME: &str = "default-stunnerd";
/// `auth.realm` if the document has none.
pub const DEFAULT_REALM: &str = "stunner.l7mp.io";
/// The port of TURN over UDP and TCP.
pub const DEFAULT_PORT: u16 = 3478;
/// The port of a TURN URI over TLS and DTLS.
pub const DEFAULT_TLS_PORT: u16 = 443;
/// `auth.nonce_lifetime` if the document has none: an hour, as RFC 8656 §5 recommends at most.
pub const DEFAULT_NONCE_LIFETIME: Duration = Duration::from_secs(3600);
/// The listener of a configuration made of a TURN URI.
pub const DEFAULT_LISTENER: &str = "default-listener";
/// The cluster of a configuration made of a TURN URI.
pub const OPEN_CLUSTER: &str = "allow-any";

/// RFC 8489 §14.3: USERNAME holds fewer than 509 bytes.
pub(crate) const MAX_USERNAME_BYTES: usize = 508;

const ZERO_USERNAME: &str = "dummy-username";
const ZERO_PASSWORD: &str = "dummy-password";

/// A whole configuration. `Serialize` and `Debug` mask its secrets; `Deserialize` reads it as from a config discovery service
/// ([`ParseOptions::discovered`](crate::ParseOptions::discovered)), without an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `admin`: the process.
    pub admin: Admin,
    /// `auth`: who may use it.
    pub auth: Auth,
    /// `listeners`: where clients come in; names are unique.
    pub listeners: Vec<Listener>,
    /// `clusters`: what they can reach; names are unique.
    pub clusters: Vec<Cluster>,
}

impl Config {
    /// The configuration that a config discovery service sends for one that was deleted: nobody can do anything with it.
    #[must_use]
    pub fn zero(id: &str) -> Self {
        let credentials = Credentials::Static { username: ZERO_USERNAME.to_owned(), password: ZERO_PASSWORD.into() };
        Self {
            admin: Admin { name: id.to_owned(), ..Admin::default() },
            auth: Auth::new(credentials),
            listeners: Vec::new(),
            clusters: Vec::new(),
        }
    }

    /// Whether this is what [`zero`](Self::zero) makes, for whatever id.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        let dummy = matches!(&self.auth.credentials, Credentials::Static { username, password }
            if username == ZERO_USERNAME && password.reveal() == ZERO_PASSWORD);
        dummy && self.listeners.is_empty() && self.clusters.is_empty()
    }

    /// A gateway that is nothing but a TURN URI: one listener, static credentials, routes to everywhere that a route can open.
    /// To loopback too if the listener itself is bound there, so that a first try on one machine works.
    ///
    /// TLS and DTLS listeners come without certificate: stunnerd makes one.
    ///
    /// # Errors
    /// [`TurnUriError`] if the URI lacks user name or password, or its host is no address of this host's own.
    pub fn from_uri(uri: &TurnUri) -> Result<Self, TurnUriError> {
        let (Some(username), Some(password)) = (&uri.username, &uri.password) else {
            return Err(TurnUriError::NoCredentials);
        };
        let address = match uri.host.parse::<IpAddr>() {
            Ok(ip) => ListenerAddress::Ip(ip),
            Err(_) if uri.host.eq_ignore_ascii_case("localhost") => ListenerAddress::Localhost,
            Err(_) => return Err(TurnUriError::NoListenerAddress),
        };
        let prefix = |ip: IpAddr, length| Endpoint::new(ip, length, PortRange::ALL).ok();
        let mut endpoints = vec![prefix(Ipv4Addr::UNSPECIFIED.into(), 0), prefix(Ipv6Addr::UNSPECIFIED.into(), 0)];
        if address.ip().is_some_and(|ip| ip.to_canonical().is_loopback()) {
            endpoints.extend([prefix(Ipv4Addr::new(127, 0, 0, 0).into(), 8), prefix(Ipv6Addr::LOCALHOST.into(), 128)]);
        }
        let mut endpoints: Vec<Endpoint> = endpoints.into_iter().flatten().collect();
        endpoints.sort_unstable();
        let listener = Listener {
            protocol: uri.protocol,
            address,
            port: uri.port,
            routes: vec![OPEN_CLUSTER.to_owned()],
            ..Listener::new(DEFAULT_LISTENER)
        };
        let cluster = Cluster {
            name: OPEN_CLUSTER.to_owned(),
            endpoints: Endpoints::Static(endpoints),
            protocol: ClusterProtocol::Udp,
        };
        Ok(Self {
            admin: Admin::default(),
            auth: Auth::new(Credentials::Static { username: username.clone(), password: password.clone() }),
            listeners: vec![listener],
            clusters: vec![cluster],
        })
    }
}

/// The process: its name, its logs, its own servers, its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// `admin.name`; default `default-stunnerd`. The operator writes `<namespace>/<gateway>`.
    pub name: String,
    /// `admin.loglevel`; default `all:INFO`.
    pub loglevel: LogLevels,
    /// `admin.metrics_endpoint`: where Prometheus scrapes; empty, the default, is nowhere.
    pub metrics_endpoint: Option<HttpEndpoint>,
    /// `admin.healthcheck_endpoint`; default `http://:8086`. Here an empty string is not the default but off.
    pub healthcheck_endpoint: Option<HttpEndpoint>,
    /// `admin.user_quota`: allocations per user; 0, the default, is no quota, and so is a negative number.
    pub user_quota: u32,
    /// `admin.offload_engine`; default `None`.
    pub offload_engine: OffloadEngine,
    /// `admin.offload_interfaces`: names, sorted, without duplicates; empty is all.
    pub offload_interfaces: Vec<String>,
    /// `admin.license_config`: of upstream's paid tier. Kept and passed on, without effect.
    pub license_config: Option<License>,
    /// Our extension `admin.relay_port_range`, as `49152-65535`: ports of relayed transport addresses.
    pub relay_port_range: Option<PortRange>,
    /// Our extension `admin.strict_channel_numbers`: answer channel numbers of 0x5000 and above with 400, as RFC 8656 §12 has
    /// it; default false, because deployed clients use RFC 5766's range.
    pub strict_channel_numbers: bool,
    /// Our extension `admin.limits`.
    pub limits: Limits,
}

impl Admin {
    /// How many allocations one user may have: the smaller one of `user_quota` and `limits.allocations_per_user`, where given
    /// and not 0.
    #[must_use]
    pub fn allocations_per_user(&self) -> Option<u32> {
        let given = [Some(self.user_quota), self.limits.allocations_per_user];
        given.into_iter().flatten().filter(|quota| *quota != 0).min()
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            name: DEFAULT_NAME.to_owned(),
            loglevel: LogLevels::default(),
            metrics_endpoint: None,
            healthcheck_endpoint: Some(HttpEndpoint::default_health()),
            user_quota: 0,
            offload_engine: OffloadEngine::None,
            offload_interfaces: Vec::new(),
            license_config: None,
            relay_port_range: None,
            strict_channel_numbers: false,
            limits: Limits::default(),
        }
    }
}

/// `admin.limits`: each is optional, and without it the dataplane's own default holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Allocations of the whole process; 0 is no limit.
    pub allocations: Option<u32>,
    /// Allocations of one user; 0 is no limit. See [`Admin::allocations_per_user`].
    pub allocations_per_user: Option<u32>,
    /// Allocations from one source prefix; 0 is no limit.
    pub allocations_per_source: Option<u32>,
    /// Permissions of one allocation, at least 1.
    pub permissions: Option<u32>,
    /// Channels of one allocation, at least 1.
    pub channels: Option<u32>,
    /// TCP connections of one allocation (RFC 6062), at least 1.
    pub connections: Option<u32>,
    /// Answers to requests that carry no valid credential, per second, worker and source prefix, at least 1.
    pub unauthenticated_answers_per_second: Option<u32>,
}

/// `admin.offload_engine`, in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OffloadEngine {
    /// Everything goes through the process.
    #[default]
    None,
    /// XDP programs.
    Xdp,
    /// Traffic-control programs.
    Tc,
    /// Whichever works.
    Auto,
}

impl OffloadEngine {
    pub(crate) const ALL: [Self; 4] = [Self::None, Self::Xdp, Self::Tc, Self::Auto];

    /// The name as upstream writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Xdp => "XDP",
            Self::Tc => "TC",
            Self::Auto => "Auto",
        }
    }
}

/// `admin.license_config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct License {
    /// The licence key.
    pub key: Secret,
    /// Its signature.
    pub hmac: Secret,
}

/// Who may use the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// `auth.type`, `auth.credentials` and our extension `auth.secrets`.
    pub credentials: Credentials,
    /// `auth.realm`; default `stunner.l7mp.io`; fewer than 128 characters.
    pub realm: String,
    /// Our extension `auth.nonce_key`: at least 16 characters that nobody can guess, shared by servers that are to accept each
    /// other's nonces. Default: random at start.
    pub nonce_key: Option<Secret>,
    /// Our extension `auth.nonce_lifetime`: seconds, or with a unit as in `10m`; 10 seconds to a day, default an hour.
    pub nonce_lifetime: Duration,
    /// Our extension `auth.strict_expiry`: whether an expired ephemeral user name cannot even refresh; default false.
    pub strict_expiry: bool,
    /// Our extension `auth.on_removal`.
    pub on_removal: OnRemoval,
}

impl Auth {
    /// These credentials, and the default for everything else.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            realm: DEFAULT_REALM.to_owned(),
            nonce_key: None,
            nonce_lifetime: DEFAULT_NONCE_LIFETIME,
            strict_expiry: false,
            on_removal: OnRemoval::Keep,
        }
    }
}

/// `auth.type` (`static` or `plaintext`, `ephemeral` or `longterm`, `none`; exactly so; default `static`) and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// One user. Both keys must be there; an empty one gets a warning.
    Static {
        /// `auth.credentials.username`, at most 508 bytes.
        username: String,
        /// `auth.credentials.password`.
        password: Secret,
    },
    /// User names that carry their expiry, with passwords made from a shared secret ("TURN REST").
    Ephemeral {
        /// `auth.credentials.secret` first, then our extension `auth.secrets`, all good at once; at least one.
        secrets: Vec<Secret>,
    },
    /// Nobody: STUN only.
    None,
}

impl Credentials {
    /// `static`, `ephemeral` or `none`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Static { .. } => "static",
            Self::Ephemeral { .. } => "ephemeral",
            Self::None => "none",
        }
    }
}

/// What becomes of allocations whose user or secret left the configuration. New ones are refused at once in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnRemoval {
    /// They live for as long as they are refreshed.
    #[default]
    Keep,
    /// They live until their lifetime ends.
    RefuseRefresh,
    /// They end at once.
    Cut,
}

impl OnRemoval {
    pub(crate) const ALL: [Self; 3] = [Self::Keep, Self::RefuseRefresh, Self::Cut];

    /// `keep`, `refuse-refresh` or `cut`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::RefuseRefresh => "refuse-refresh",
            Self::Cut => "cut",
        }
    }
}
