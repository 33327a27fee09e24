//! From the configuration document to a plan: resolves names, and says what this version leaves closed.

use std::{collections::HashMap, net::SocketAddr};

use stunner_config::{
    ClusterProtocol, Config, Credentials as Configured, Endpoints, HttpEndpoint, Listener, OffloadEngine, OnRemoval,
    Protocol,
};
use turn_auth::{Credentials, Expiry, NonceKey, Secret};
use turn_core::Limits;

use crate::{
    plan::{ListenerPlan, Plan, RoutePlan},
    relay_address::RelayAddress,
};

/// RFC 8656 §7.2: relayed ports come from the dynamic range unless something else is configured.
const RELAY_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// A plan, and one line for each thing that the document asks for and this version does not serve.
#[derive(Debug)]
pub struct Compiled {
    /// What is served.
    pub plan: Plan,
    /// What is not; each line names the field.
    pub left_closed: Vec<String>,
}

/// Resolves a document. `random` makes the nonce key of a document that has none.
pub fn compile(config: &Config, random: [u8; 32]) -> Compiled {
    let mut left_closed = Vec::new();
    let clusters = clusters(config, &mut left_closed);
    let mut listeners = Vec::new();
    for (at, listener) in config.listeners.iter().enumerate() {
        if listener.protocol != Protocol::TurnUdp {
            let (name, protocol) = (&listener.name, listener.protocol);
            left_closed.push(format!(
                "listeners[{at}].protocol: this version serves TURN-UDP only; the {protocol} listener {name:?} stays closed"
            ));
            continue;
        }
        match listener_plan(listener, &clusters) {
            Some(plan) => listeners.push(plan),
            None => left_closed.push(format!(
                "listeners[{at}].address: {} is not an address yet; the listener {:?} stays closed",
                listener.address, listener.name
            )),
        }
    }
    unserved_settings(config, &mut left_closed);
    let auth = &config.auth;
    let key = auth.nonce_key.as_ref();
    let plan = Plan {
        realm: auth.realm.clone(),
        credentials: credentials(config),
        auth_type: auth.credentials.type_name(),
        nonce_key: key.map_or(NonceKey::new(random), |key| NonceKey::from_shared_secret(key.reveal().as_bytes())),
        nonce_lifetime: auth.nonce_lifetime,
        limits: limits(config),
        relay_ports: config.admin.relay_port_range.map_or(RELAY_PORTS, |range| range.first()..=range.last()),
        listeners,
    };
    Compiled { plan, left_closed }
}

fn clusters(config: &Config, left_closed: &mut Vec<String>) -> HashMap<String, RoutePlan> {
    let mut served = HashMap::new();
    for (at, cluster) in config.clusters.iter().enumerate() {
        let name = cluster.name.clone();
        match (&cluster.endpoints, cluster.protocol) {
            (Endpoints::Static(endpoints), ClusterProtocol::Udp) => {
                let plan = RoutePlan { id: at as u32, name: name.clone(), endpoints: endpoints.clone() };
                served.insert(name, plan);
            }
            (_, ClusterProtocol::Tcp) => left_closed.push(format!(
                "clusters[{at}].protocol: this version relays UDP only; the TCP cluster {name:?} admits nobody"
            )),
            (Endpoints::StrictDns(_), ClusterProtocol::Udp) => left_closed.push(format!(
                "clusters[{at}].type: this version resolves no names; the STRICT_DNS cluster {name:?} admits nobody"
            )),
        }
    }
    served
}

fn listener_plan(listener: &Listener, clusters: &HashMap<String, RoutePlan>) -> Option<ListenerPlan> {
    let relay = |address: &stunner_config::RelayAddress| RelayAddress {
        bind: address.bind(),
        advertised: address.advertised(),
    };
    Some(ListenerPlan {
        name: listener.name.clone(),
        address: SocketAddr::new(listener.address.ip()?.to_canonical(), listener.port),
        public: listener.public_address.clone(),
        public_port: listener.public_port,
        relay_addresses: listener.relay_addresses.iter().map(relay).collect(),
        // A route that names no cluster admits nobody, and is no error: objects of a cluster come and go in any order.
        routes: listener.routes.iter().filter_map(|name| clusters.get(name)).cloned().collect(),
    })
}

/// Settings beside listeners and clusters that ask for more than this version does.
fn unserved_settings(config: &Config, left_closed: &mut Vec<String>) {
    let admin = &config.admin;
    let mut note = |asked: bool, line: &str| {
        if asked {
            left_closed.push(line.to_owned());
        }
    };
    note(admin.metrics_endpoint.is_some(), "admin.metrics_endpoint: this version serves no metrics");
    // Served by default upstream, so that only an endpoint somebody chose deserves a line.
    let health = admin.healthcheck_endpoint.as_ref();
    let chosen = health.is_some_and(|endpoint| *endpoint != HttpEndpoint::default_health());
    note(chosen, "admin.healthcheck_endpoint: this version serves no health checks");
    note(
        admin.offload_engine != OffloadEngine::None,
        "admin.offload_engine: this version has none; every packet takes the usual path",
    );
    note(
        config.auth.on_removal != OnRemoval::Keep,
        "auth.on_removal: this version reads its configuration once, so that no user is ever removed",
    );
}

fn credentials(config: &Config) -> Credentials {
    match &config.auth.credentials {
        Configured::Static { username, password } => {
            Credentials::Static(vec![(username.clone(), password.reveal().into())])
        }
        Configured::Ephemeral { secrets } => Credentials::Ephemeral {
            secrets: secrets.iter().map(|secret| Secret::new(secret.reveal().as_bytes())).collect(),
            expiry: if config.auth.strict_expiry { Expiry::Strict } else { Expiry::AllocateOnly },
        },
        Configured::None => Credentials::None,
    }
}

fn limits(config: &Config) -> Limits {
    let (asked, default) = (&config.admin.limits, Limits::default());
    let size = |asked: Option<u32>, default: usize| asked.map_or(default, |n| n as usize);
    Limits {
        permissions: size(asked.permissions, default.permissions),
        channels: size(asked.channels, default.channels),
        connections: size(asked.connections, default.connections),
        allocations: asked.allocations.unwrap_or(default.allocations),
        allocations_per_user: config.admin.allocations_per_user().unwrap_or(default.allocations_per_user),
        allocations_per_source: asked.allocations_per_source.unwrap_or(default.allocations_per_source),
        unauthenticated_answers_per_second: asked
            .unauthenticated_answers_per_second
            .unwrap_or(default.unauthenticated_answers_per_second),
        strict_channel_numbers: config.admin.strict_channel_numbers,
    }
}
