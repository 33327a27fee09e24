//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::logging::{Format, Levels};

/// A STUN and TURN media gateway.
///
/// Give it a TURN URI to serve right away, or the origin of a configuration document. With a URI every peer may be reached except for
/// special addresses; with a document only what its routes name.
#[derive(Debug, Parser)]
#[command(name = "stunnerd", version, disable_help_subcommand = true)]
pub struct Args {
    /// The TURN URI to serve.
    #[arg(
        value_name = "TURN-URI",
        conflicts_with = "config",
        help = "Serve this TURN URI: turn://USER:PASSWORD@ADDRESS[:PORT][?transport=udp]. The port defaults to 3478"
    )]
    pub uri: Option<String>,

    /// Where the configuration comes from: file:///PATH or a plain path, YAML or JSON. Defaults to $STUNNER_CONFIG_ORIGIN.
    #[arg(short, long, value_name = "ORIGIN")]
    pub config: Option<String>,

    /// Log levels, as a list of SCOPE:LEVEL; the scope "all" sets the rest. Wins over the configuration's `admin.loglevel`.
    #[arg(short, long = "log", value_name = "SCOPE:LEVEL,...")]
    pub log: Option<Levels>,

    /// How log lines look.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub log_format: Format,

    /// This instance's id. Defaults to $STUNNER_NAMESPACE/$STUNNER_NAME, else default/stunnerd-HOSTNAME.
    #[arg(short, long, value_name = "NAMESPACE/NAME")]
    pub id: Option<String>,

    /// Worker threads, at most one per CPU that this process may use; 0 is one per CPU.
    #[arg(short = 'u', long = "udp-thread-num", value_name = "N", default_value_t = 0)]
    pub udp_thread_num: usize,

    /// Do everything but open sockets.
    #[arg(short, long)]
    pub dry_run: bool,

    /// The same as --log all:DEBUG.
    #[arg(short, long, conflicts_with = "log")]
    pub verbose: bool,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line's own TURN URI.
    Uri(String),
    /// A file.
    File(PathBuf),
}

/// What to do about a command line that names no usable origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Neither URI nor origin.
    #[error(
        "nothing to serve. Give a TURN URI, for example:\n\n    stunnerd 'turn://user:pass@127.0.0.1:3478'\n\n\
         or the path of a configuration file:\n\n    stunnerd -c /etc/stunnerd/stunnerd.yaml\n\n\
         (or set STUNNER_CONFIG_ORIGIN). stunnerd --help lists every option."
    )]
    Missing,
    /// An origin that this version cannot follow.
    #[error(
        "config origin {0:?}: this version reads file:///PATH or a plain path only; save the document there and name that"
    )]
    Unsupported(String),
    /// `file://` without an absolute path.
    #[error("config origin {0:?}: expected file:///ABSOLUTE/PATH with three slashes, or a plain path")]
    BadFileUrl(String),
}

impl Args {
    /// Where the configuration comes from: the command line, else the environment's `STUNNER_CONFIG_ORIGIN`.
    ///
    /// # Errors
    /// What is wrong with the command line, and what to write instead.
    pub fn origin(&self, env: impl Fn(&str) -> Option<String>) -> Result<Origin, OriginError> {
        if let Some(uri) = &self.uri {
            return Ok(Origin::Uri(uri.clone()));
        }
        let origin = self.config.clone().or_else(|| env("STUNNER_CONFIG_ORIGIN"));
        let origin = origin.as_deref().filter(|origin| !origin.is_empty()).ok_or(OriginError::Missing)?;
        if let Some(path) = origin.strip_prefix("file://") {
            let absolute = path.starts_with('/') && path.len() > 1;
            return if absolute { Ok(Origin::File(path.into())) } else { Err(OriginError::BadFileUrl(origin.into())) };
        }
        if origin == "k8s" || origin.contains("://") || is_discovery_server(origin) {
            return Err(OriginError::Unsupported(origin.into()));
        }
        Ok(Origin::File(origin.into()))
    }

    /// This instance's id.
    pub fn id(&self, env: impl Fn(&str) -> Option<String>, hostname: &str) -> String {
        if let Some(id) = &self.id {
            return id.clone();
        }
        match (env("STUNNER_NAMESPACE"), env("STUNNER_NAME")) {
            (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
            _ => format!("default/stunnerd-{hostname}"),
        }
    }
}

/// `host:port` without a scheme is a config discovery server: it ends in a colon and digits, and has no slash.
fn is_discovery_server(origin: &str) -> bool {
    let port = origin.rsplit_once(':').map(|(_, port)| port);
    !origin.contains('/') && port.is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &[&str]) -> Args {
        Args::try_parse_from(std::iter::once(&"stunnerd").chain(line)).expect("a command line")
    }

    #[test]
    fn an_origin_is_a_uri_a_file_or_refused_with_what_to_do() {
        let file = |path: &str| Ok(Origin::File(path.into()));
        assert_eq!(args(&["turn://a:b@h"]).origin(|_| None), Ok(Origin::Uri("turn://a:b@h".into())));
        assert_eq!(args(&["-c", "file:///etc/s.yaml"]).origin(|_| None), file("/etc/s.yaml"));
        assert_eq!(args(&["-c", "relative/s.yaml"]).origin(|_| None), file("relative/s.yaml"));
        assert_eq!(args(&["-c", "./a:80"]).origin(|_| None), file("./a:80"));
        assert_eq!(
            args(&["-c", "file://etc/s.yaml"]).origin(|_| None),
            Err(OriginError::BadFileUrl("file://etc/s.yaml".into()))
        );
        for unsupported in ["k8s", "cds:13478", ":13478", "http://cds", "wss://cds/api"] {
            assert_eq!(args(&["-c", unsupported]).origin(|_| None), Err(OriginError::Unsupported(unsupported.into())));
        }
        assert_eq!(args(&["-c", ""]).origin(|_| None), Err(OriginError::Missing));
        assert_eq!(args(&[]).origin(|_| None), Err(OriginError::Missing));
        let env = |name: &str| (name == "STUNNER_CONFIG_ORIGIN").then(|| "/e.yaml".to_owned());
        assert_eq!(args(&[]).origin(env), file("/e.yaml"));
        assert_eq!(args(&["-c", "/c.yaml"]).origin(env), file("/c.yaml"));
        assert_eq!(args(&["turn://a:b@h"]).origin(env), Ok(Origin::Uri("turn://a:b@h".into())));
    }

    #[test]
    fn the_id_comes_from_the_flag_the_environment_or_the_host() {
        let env = |name: &str| Some(name.replace("STUNNER_", "").to_lowercase());
        assert_eq!(args(&["--id", "a/b", "-c", "x"]).id(env, "h"), "a/b");
        assert_eq!(args(&["-c", "x"]).id(env, "h"), "namespace/name");
        assert_eq!(args(&["-c", "x"]).id(|_| None, "h"), "default/stunnerd-h");
    }

    #[test]
    fn a_uri_and_an_origin_exclude_each_other() {
        assert!(Args::try_parse_from(["stunnerd", "-c", "x", "turn://a:b@h"]).is_err());
    }
}
