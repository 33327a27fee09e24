//! TURN URIs: the command line's, which names a server with its credentials, and RFC 7065's, which browsers take.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::config::MAX_USERNAME_BYTES;
use crate::values::split_authority;
use crate::{DEFAULT_PORT, DEFAULT_TLS_PORT, Protocol, Secret, check_domain};

/// `turn://user:pass@host:port?transport=udp|tcp|tls|dtls`, or `turns://`, which is TLS unless `transport=udp` makes it DTLS.
///
/// User name and password may be percent-encoded (`%40` is `@`, `%25` is `%`); the last `@` ends them, the first `:` parts
/// them. The slashes may be missing, as in RFC 7065. The port defaults to 3478, over TLS and DTLS to 443.
///
/// ```
/// use stunner_config::{Protocol, TurnUri};
/// let uri: TurnUri = "turn://alice:pa%40ss@[2001:db8::1]?transport=dtls".parse()?;
/// assert_eq!((uri.host.as_str(), uri.port, uri.protocol), ("2001:db8::1", 443, Protocol::TurnDtls));
/// assert_eq!(uri.password.as_ref().map(|password| password.reveal()), Some("pa@ss"));
/// assert!(!format!("{uri:?} {uri}").contains("pa@ss"));
/// assert_eq!(uri.to_string(), "turns:[2001:db8::1]:443?transport=udp");
/// # Ok::<(), stunner_config::TurnUriError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnUri {
    /// What is spoken.
    pub protocol: Protocol,
    /// An IP address without brackets, or a host name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user name, decoded.
    pub username: Option<String>,
    /// The password, decoded.
    pub password: Option<Secret>,
}

impl FromStr for TurnUri {
    type Err = TurnUriError;

    fn from_str(text: &str) -> Result<Self, TurnUriError> {
        let (scheme, rest) = text.split_once(':').ok_or(TurnUriError::Scheme)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("turn") => false,
            _ if scheme.eq_ignore_ascii_case("turns") => true,
            _ => return Err(TurnUriError::Scheme),
        };
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (authority, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let protocol = protocol(secure, query)?;
        let default_port = if protocol.is_secure() { DEFAULT_TLS_PORT } else { DEFAULT_PORT };
        let (host, port) = authority_of(authority.strip_suffix('/').unwrap_or(authority), default_port)?;
        let (username, password) =
            match user.map(|user| user.split_once(':').map_or((user, None), |(u, p)| (u, Some(p)))) {
                None => (None, None),
                Some((user, password)) => (Some(decode(user)?), password.map(decode).transpose()?),
            };
        if username.as_ref().is_some_and(|username| username.len() > MAX_USERNAME_BYTES) {
            return Err(TurnUriError::Username);
        }
        Ok(Self { protocol, host, port, username, password: password.map(Secret::from) })
    }
}

/// The RFC 7065 form, which has no credentials.
impl fmt::Display for TurnUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ice_uri(&self.host, self.port, self.protocol))
    }
}

/// An RFC 7065 URI for a browser's list of ICE servers: `turn:host:port?transport=udp`.
///
/// ```
/// use stunner_config::{Protocol, ice_uri};
/// assert_eq!(ice_uri("192.0.2.1", 3478, Protocol::TurnTcp), "turn:192.0.2.1:3478?transport=tcp");
/// assert_eq!(ice_uri("2001:db8::1", 443, Protocol::TurnTls), "turns:[2001:db8::1]:443?transport=tcp");
/// assert_eq!(ice_uri("turn.example.org", 443, Protocol::TurnDtls), "turns:turn.example.org:443?transport=udp");
/// ```
#[must_use]
pub fn ice_uri(host: &str, port: u16, protocol: Protocol) -> String {
    let (scheme, transport) = match protocol {
        Protocol::TurnUdp => ("turn", "udp"),
        Protocol::TurnTcp => ("turn", "tcp"),
        Protocol::TurnTls => ("turns", "tcp"),
        Protocol::TurnDtls => ("turns", "udp"),
    };
    match host.contains(':') {
        true => format!("{scheme}:[{host}]:{port}?transport={transport}"),
        false => format!("{scheme}:{host}:{port}?transport={transport}"),
    }
}

fn protocol(secure: bool, query: Option<&str>) -> Result<Protocol, TurnUriError> {
    let mut transport = None;
    for parameter in query.unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("transport", value)) if transport.is_none() => transport = Some(value.to_ascii_lowercase()),
            _ => return Err(TurnUriError::Parameter),
        }
    }
    match (transport.as_deref(), secure) {
        (None | Some("udp"), false) => Ok(Protocol::TurnUdp),
        (Some("tcp"), false) => Ok(Protocol::TurnTcp),
        (None | Some("tcp"), true) | (Some("tls"), _) => Ok(Protocol::TurnTls),
        (Some("udp"), true) | (Some("dtls"), _) => Ok(Protocol::TurnDtls),
        _ => Err(TurnUriError::Transport),
    }
}

fn authority_of(text: &str, default_port: u16) -> Result<(String, u16), TurnUriError> {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(TurnUriError::BareIpv6);
    }
    let (host, port) = split_authority(text, default_port).ok_or(TurnUriError::Authority)?;
    let good = host.parse::<std::net::IpAddr>().is_ok() || check_domain(host).is_ok();
    if good { Ok((host.to_owned(), port)) } else { Err(TurnUriError::Authority) }
}

fn decode(text: &str) -> Result<String, TurnUriError> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        // The decoder would pass a lone `%` on.
        let hex = after.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if !hex {
            return Err(TurnUriError::Encoding);
        }
        rest = after;
    }
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| TurnUriError::Encoding)
}

/// What is wrong with a TURN URI. The message never repeats the URI, since that may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TurnUriError {
    /// Neither `turn:` nor `turns:`.
    Scheme,
    /// No host, or one that is neither address nor name, or a bad port.
    Authority,
    /// An IPv6 address without brackets.
    BareIpv6,
    /// A transport that is none.
    Transport,
    /// Something else than one `transport=`.
    Parameter,
    /// User name or password is no valid percent-encoded UTF-8.
    Encoding,
    /// A user name of more than 508 bytes, which no STUN message carries (RFC 8489 §14.3).
    Username,
    /// For a server: no user name or no password.
    NoCredentials,
    /// For a server: a host name other than `localhost`.
    NoListenerAddress,
}

impl fmt::Display for TurnUriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "expected a URI of the form `turn://user:password@host:port?transport=udp`",
            Self::Authority => "the URI has no valid `host:port`: expected an IP address or host name, and a port of 1..65535",
            Self::BareIpv6 => "an IPv6 address in a URI needs brackets, as in `turn://user:password@[::1]:3478`",
            Self::Transport => "the URI's transport is unknown: expected `transport=` with udp, tcp, tls or dtls (turns: tls or dtls)",
            Self::Parameter => "the URI has an unknown parameter: expected nothing but one `?transport=`",
            Self::Encoding => {
                "the URI's user name or password is not percent-encoded: write `%` as `%25`, `@` as `%40`, `:` in the user name as `%3A`"
            }
            Self::Username => "the URI's user name is too long: expected at most 508 bytes",
            Self::NoCredentials => "the URI has no user name or no password: expected `turn://user:password@host:port`",
            Self::NoListenerAddress => "the URI's host must be an IP address to listen on, or `localhost`",
        })
    }
}

impl std::error::Error for TurnUriError {}
