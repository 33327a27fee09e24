//! The dataplane configuration document of a STUNner gateway. No files, no environment, no network, no behaviour: text in,
//! values out, and back.
//!
//! [`parse`] reads a document of version `v1` (or `v1alpha1`, which becomes a `v1` one), JSON or YAML, and either returns a
//! [`Config`] in which nothing can be wrong any more, or says for each wrong field where it is, what it holds and what was
//! expected. [`TurnUri`] reads the command line's `turn://user:pass@host:port`, and [`Config::from_uri`] makes a configuration
//! of it.
//!
//! ```
//! use stunner_config::{Credentials, ParseOptions, Protocol, parse};
//!
//! let text = r#"
//! version: v1
//! auth:
//!   type: static
//!   credentials: {username: alice, password: pa$$word}
//! listeners:
//!   - name: udp
//!     protocol: turn-udp
//!     address: $STUNNER_ADDR
//!     routes: [sfu]
//! clusters:
//!   - name: sfu
//!     endpoints: ["10.1.2.3:<10000-20000>"]
//! "#;
//! let environment = |name: &str| (name == "STUNNER_ADDR").then(|| "192.0.2.1".to_owned());
//! let parsed = parse(text, &ParseOptions::file(&environment))?;
//! let listener = &parsed.config.listeners[0];
//! assert_eq!((listener.protocol, listener.port), (Protocol::TurnUdp, 3478));
//! assert_eq!(listener.address.ip(), Some("192.0.2.1".parse().unwrap()));
//! assert!(matches!(&parsed.config.auth.credentials, Credentials::Static { password, .. } if password.reveal() == "pa$$word"));
//! assert!(!format!("{:?}", parsed.config).contains("pa$$word")); // secrets do not print
//!
//! let wrong = text.replace("protocol: turn-udp", "prot: turn-udp\n    port: 70000");
//! let error = parse(&wrong, &ParseOptions::file(&environment)).unwrap_err().to_string();
//! assert!(error.contains("listeners[0].port: 70000 is not a port, expected 1..65535"));
//! assert!(error.contains("listeners[0].prot: unknown field, did you mean `protocol`?"));
//! # Ok::<(), stunner_config::ConfigError>(())
//! ```
//!
//! # Rules that hold for every field
//!
//! - `null` is the same as leaving the field out, and so is an empty string save where the field's documentation differs.
//! - `$VAR` and `${VAR}` are replaced in every value but those under `auth.credentials` and `auth.secrets`, where a `$` is a `$`. An
//!   unset variable is replaced by nothing, with a warning. Numbers and booleans may come from variables.
//! - A number is accepted as a string's value if it is a plain integer; other scalars need quotes.
//! - Secrets ([`Secret`]) print as `<masked>` in `Debug` and `Serialize`; only [`Config::to_json`] and [`Config::to_yaml`]
//!   with [`Secrets::Shown`] give them away. A static user name is not a secret: TURN sends it in clear.

#![forbid(unsafe_code)]

mod cluster;
mod config;
mod environment;
mod error;
mod listener;
mod print;
mod read;
mod secret;
mod tree;
mod uri;
mod values;

pub use cluster::{Cluster, ClusterProtocol, Endpoints, InvalidDomain, check_domain};
pub use config::{
    Admin, Auth, Config, Credentials, DEFAULT_LISTENER, DEFAULT_NAME, DEFAULT_NONCE_LIFETIME, DEFAULT_PORT,
    DEFAULT_REALM, DEFAULT_TLS_PORT, License, Limits, OPEN_CLUSTER, OffloadEngine, OnRemoval,
};
pub use error::{ConfigError, Problem};
pub use listener::{Listener, ListenerAddress, NODE_ADDRESS_PLACEHOLDER, Protocol, RelayAddress, RelayAddressError};
pub use print::Secrets;
pub use read::{Environment, ParseOptions, Parsed, UnknownFields, parse};
pub use secret::Secret;
pub use uri::{TurnUri, TurnUriError, ice_uri};
pub use values::{HttpEndpoint, HttpEndpointError, LogLevel, LogLevelError, LogLevels};

/// The endpoint grammar and its port ranges.
pub use route_policy::{Endpoint, EndpointError, PortRange};
