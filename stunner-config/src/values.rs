//! Small values with a grammar of their own.

use std::fmt;
use std::str::FromStr;

/// A log level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing at all.
    Disable,
    /// What failed.
    Error,
    /// What may become a failure.
    Warn,
    /// What happened.
    Info,
    /// What was decided.
    Debug,
    /// What was seen.
    Trace,
}

impl LogLevel {
    const ALL: [Self; 6] = [Self::Disable, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The upper-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disable => "DISABLE",
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }
}

/// Log levels by scope, as in `all:INFO,turn:DEBUG`. `all` is every scope that is not named.
///
/// Scopes and levels may come in any case; a level alone means `all`. A scope that comes twice: the last one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevels(Vec<(String, LogLevel)>);

impl LogLevels {
    /// Scope and level, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, LogLevel)> {
        self.0.iter().map(|(scope, level)| (scope.as_str(), *level))
    }

    /// The level of a scope: its own, else that of `all`, else `INFO`.
    #[must_use]
    pub fn of(&self, scope: &str) -> LogLevel {
        let find = |wanted: &str| self.0.iter().rev().find(|(scope, _)| scope.eq_ignore_ascii_case(wanted));
        find(scope).or_else(|| find("all")).map_or(LogLevel::Info, |(_, level)| *level)
    }
}

impl Default for LogLevels {
    fn default() -> Self {
        Self(vec![("all".to_owned(), LogLevel::Info)])
    }
}

impl fmt::Display for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (scope, level)) in self.0.iter().enumerate() {
            write!(f, "{}{scope}:{}", if at == 0 { "" } else { "," }, level.name())?;
        }
        Ok(())
    }
}

impl FromStr for LogLevels {
    type Err = LogLevelError;

    fn from_str(text: &str) -> Result<Self, LogLevelError> {
        let parse = |part: &str| {
            // The last colon, since a scope may be `listener-` and a name with colons.
            let (scope, level) = part.rsplit_once(':').unwrap_or(("all", part));
            let (scope, level) = (scope.trim(), level.trim());
            let level = LogLevel::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(level));
            let plain = !scope.is_empty() && !scope.contains(char::is_control);
            level.filter(|_| plain).map(|level| (scope.to_owned(), level)).ok_or(LogLevelError)
        };
        text.split(',').map(parse).collect::<Result<_, _>>().map(Self)
    }
}

/// Not a list of log levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLevelError;

impl fmt::Display for LogLevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a list as `all:INFO,turn:DEBUG`, of levels DISABLE, ERROR, WARN, INFO, DEBUG, TRACE")
    }
}

impl std::error::Error for LogLevelError {}

/// Where an HTTP server listens and what it serves: `http://[host][:port][/path]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpEndpoint {
    /// An IP address without brackets, or a name; empty for every address of the host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path, with its leading slash.
    pub path: String,
}

impl HttpEndpoint {
    /// The port of the health server where the URL has none.
    pub const HEALTH_PORT: u16 = 8086;
    /// The port of the metrics server where the URL has none.
    pub const METRICS_PORT: u16 = 8080;

    /// The health server if the configuration does not mention it: `http://:8086`.
    #[must_use]
    pub fn default_health() -> Self {
        Self { host: String::new(), port: Self::HEALTH_PORT, path: "/".to_owned() }
    }

    /// Parses the URL; `port` is for one that has none.
    ///
    /// # Errors
    /// [`HttpEndpointError`], which says what was expected.
    pub fn parse(text: &str, port: u16) -> Result<Self, HttpEndpointError> {
        let (scheme, rest) = text.split_once("://").ok_or(HttpEndpointError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(HttpEndpointError::Scheme);
        }
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '%' | '@');
        if !rest.chars().all(plain) {
            return Err(HttpEndpointError::Extra);
        }
        let (host, port) = split_authority(authority, port).ok_or(HttpEndpointError::Authority)?;
        Ok(Self { host: host.to_owned(), port, path: path.to_owned() })
    }
}

impl fmt::Display for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path == "/" { "" } else { &self.path };
        if self.host.contains(':') {
            write!(f, "http://[{}]:{}{path}", self.host, self.port)
        } else {
            write!(f, "http://{}:{}{path}", self.host, self.port)
        }
    }
}

/// What is wrong with the URL of an HTTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpEndpointError {
    /// Not `http://`.
    Scheme,
    /// The host or port is none.
    Authority,
    /// User, query, fragment or characters that have no place in a URL.
    Extra,
}

impl fmt::Display for HttpEndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "expected a URL that begins with `http://`, as in `http://:8080/metrics`",
            Self::Authority => {
                "expected `[host][:port]` with an IP address or name (IPv6 in brackets) and a port of 1..65535"
            }
            Self::Extra => "expected only host, port and path",
        })
    }
}

impl std::error::Error for HttpEndpointError {}

/// `host`, `host:port`, `[v6]`, `[v6]:port`, with an empty host allowed: the host without brackets and the port.
pub(crate) fn split_authority(text: &str, default_port: u16) -> Option<(&str, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            let port = if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) };
            (host, port)
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if !host.chars().all(plain) {
        return None;
    }
    let port = match port {
        None => default_port,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().filter(|port| *port != 0)?,
        Some(_) => return None,
    };
    Some((host, port))
}
