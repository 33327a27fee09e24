//! From a configuration back to text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::secret::MASK;
use crate::tree::Tree;
use crate::{
    Admin, Auth, Cluster, Config, Credentials, DEFAULT_NONCE_LIFETIME, Endpoints, Limits, Listener, OnRemoval, Secret,
};

/// Whether secrets are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// As `<masked>`.
    Masked,
    /// As they are: for whoever has to use the configuration.
    Shown,
}

impl Config {
    /// The document as one line of JSON. With [`Secrets::Shown`], parsing it gives an equal configuration.
    #[must_use]
    pub fn to_json(&self, secrets: Secrets) -> String {
        // A tree of text, numbers and switches cannot fail to print.
        serde_json::to_string(&self.tree(secrets)).unwrap_or_default()
    }

    /// The document as YAML. With [`Secrets::Shown`], parsing it gives an equal configuration.
    #[must_use]
    pub fn to_yaml(&self, secrets: Secrets) -> String {
        serde_saphyr::to_string(&self.tree(secrets)).unwrap_or_default()
    }

    fn tree(&self, secrets: Secrets) -> Tree {
        let printer = Printer { secrets };
        let listeners = self.listeners.iter().map(|listener| printer.listener(listener)).collect();
        let clusters = self.clusters.iter().map(cluster).collect();
        object([
            ("version", Some(text("v1"))),
            ("admin", Some(printer.admin(&self.admin))),
            ("auth", Some(printer.auth(&self.auth))),
            ("listeners", Some(Tree::List(listeners))),
            ("clusters", Some(Tree::List(clusters))),
        ])
    }
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tree(Secrets::Masked).serialize(serializer)
    }
}

struct Printer {
    secrets: Secrets,
}

impl Printer {
    fn secret(&self, secret: &Secret) -> Tree {
        text(if self.secrets == Secrets::Shown { secret.reveal() } else { MASK })
    }

    fn admin(&self, admin: &Admin) -> Tree {
        let health = admin.healthcheck_endpoint.as_ref().map(ToString::to_string);
        let license = admin.license_config.as_ref().map(|license| {
            object([("key", Some(self.secret(&license.key))), ("hmac", Some(self.secret(&license.hmac)))])
        });
        object([
            ("name", Some(text(&admin.name))),
            ("loglevel", Some(text(admin.loglevel.to_string()))),
            ("metrics_endpoint", admin.metrics_endpoint.as_ref().map(|url| text(url.to_string()))),
            // Empty is off; leaving it out would be the default.
            ("healthcheck_endpoint", Some(text(health.unwrap_or_default()))),
            ("user_quota", number(admin.user_quota).filter(|_| admin.user_quota != 0)),
            ("offload_engine", Some(text(admin.offload_engine.name()))),
            ("offload_interfaces", list(&admin.offload_interfaces)),
            ("license_config", license),
            ("relay_port_range", admin.relay_port_range.map(|range| text(range.to_string()))),
            ("strict_channel_numbers", admin.strict_channel_numbers.then_some(Tree::Bool(true))),
            ("limits", limits(&admin.limits)),
        ])
    }

    fn auth(&self, auth: &Auth) -> Tree {
        let (credentials, more) = match &auth.credentials {
            Credentials::Static { username, password } => {
                (Some(object([("username", Some(text(username))), ("password", Some(self.secret(password)))])), None)
            }
            Credentials::Ephemeral { secrets } => {
                let first = secrets.first().map(|secret| self.secret(secret));
                let more: Vec<Tree> = secrets.iter().skip(1).map(|secret| self.secret(secret)).collect();
                (Some(object([("secret", first)])), (!more.is_empty()).then_some(Tree::List(more)))
            }
            Credentials::None => (None, None),
        };
        let lifetime = (auth.nonce_lifetime != DEFAULT_NONCE_LIFETIME).then_some(auth.nonce_lifetime.as_secs());
        object([
            ("type", Some(text(auth.credentials.type_name()))),
            ("realm", Some(text(&auth.realm))),
            ("credentials", credentials),
            ("secrets", more),
            ("nonce_key", auth.nonce_key.as_ref().map(|key| self.secret(key))),
            ("nonce_lifetime", lifetime.and_then(number)),
            ("strict_expiry", auth.strict_expiry.then_some(Tree::Bool(true))),
            ("on_removal", (auth.on_removal != OnRemoval::Keep).then(|| text(auth.on_removal.name()))),
        ])
    }

    fn listener(&self, listener: &Listener) -> Tree {
        let relay: Vec<String> = listener.relay_addresses.iter().map(ToString::to_string).collect();
        let key = listener.key.as_ref().map(|key| match self.secrets {
            Secrets::Shown => text(STANDARD.encode(key.reveal())),
            Secrets::Masked => text(MASK),
        });
        object([
            ("name", Some(text(&listener.name))),
            ("protocol", Some(text(listener.protocol.name()))),
            ("address", Some(text(listener.address.to_string()))),
            ("port", number(listener.port)),
            ("public_address", listener.public_address.as_ref().map(text)),
            ("public_port", listener.public_port.and_then(number)),
            ("cert", listener.cert.as_ref().map(|pem| text(STANDARD.encode(pem)))),
            ("key", key),
            ("routes", list(&listener.routes)),
            ("relay_addresses", list(&relay)),
        ])
    }
}

fn limits(limits: &Limits) -> Option<Tree> {
    let fields = [
        ("allocations", limits.allocations),
        ("allocations_per_user", limits.allocations_per_user),
        ("allocations_per_source", limits.allocations_per_source),
        ("permissions", limits.permissions),
        ("channels", limits.channels),
        ("connections", limits.connections),
        ("unauthenticated_answers_per_second", limits.unauthenticated_answers_per_second),
    ];
    (*limits != Limits::default()).then(|| object(fields.map(|(name, limit)| (name, limit.and_then(number)))))
}

fn cluster(cluster: &Cluster) -> Tree {
    let endpoints = match &cluster.endpoints {
        Endpoints::Static(endpoints) => endpoints.iter().map(ToString::to_string).collect(),
        Endpoints::StrictDns(domains) => domains.clone(),
    };
    object([
        ("name", Some(text(&cluster.name))),
        ("type", Some(text(cluster.endpoints.type_name()))),
        ("protocol", Some(text(cluster.protocol.name()))),
        ("endpoints", Some(Tree::List(endpoints.into_iter().map(Tree::Text).collect()))),
    ])
}

fn object<const N: usize>(fields: [(&str, Option<Tree>); N]) -> Tree {
    let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Tree::Object(present.collect())
}

fn text(text: impl Into<String>) -> Tree {
    Tree::Text(text.into())
}

fn number(number: impl Into<i128>) -> Option<Tree> {
    Some(Tree::Integer(number.into()))
}

fn list(items: &[String]) -> Option<Tree> {
    (!items.is_empty()).then(|| Tree::List(items.iter().map(text).collect()))
}
