//! What a caller decides before the first request.

use core::fmt;
use core::time::Duration;

use stun_codec::AddressFamily;
use zeroize::Zeroizing;

/// User name and password of a long-term credential (RFC 8489 §9.2). `Debug` shows neither the password nor its length.
#[derive(Clone)]
pub struct Credentials {
    username: String,
    password: Zeroizing<String>,
}

impl Credentials {
    /// Credentials of a user; with time-limited ones `username` carries the time.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: Zeroizing::new(password.into()) }
    }

    /// USERNAME, as the server knows it.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).field("password", &"[redacted]").finish()
    }
}

/// Whether the transport under the client loses messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP or DTLS: requests are retransmitted (RFC 8489 §6.2.1).
    Datagram,
    /// TCP or TLS: a request is written once and given up after [`STREAM_TIMEOUT`](super::STREAM_TIMEOUT) (RFC 8489 §6.2.2),
    /// and ChannelData is padded to four bytes (RFC 8656 §12.5). Framing is the caller's (`stun_codec::stream`).
    Stream,
}

/// Address families of the relayed transport addresses that are asked for (RFC 8656 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Families {
    /// No attribute: the server's default, IPv4 by the RFC. It is what browsers send.
    #[default]
    ServerDefault,
    /// REQUESTED-ADDRESS-FAMILY with this family.
    One(AddressFamily),
    /// ADDITIONAL-ADDRESS-FAMILY: IPv4 and IPv6 in one allocation.
    Both,
}

/// What kind of relayed transport address is asked for. Combinations that RFC 8656 §7.1 forbids cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayRequest {
    /// Any port.
    AnyPort(Families),
    /// EVEN-PORT without reservation.
    EvenPort(Option<AddressFamily>),
    /// EVEN-PORT with the R bit: the next higher port is held back, a RESERVATION-TOKEN names it.
    EvenPortAndReserveNext(Option<AddressFamily>),
    /// RESERVATION-TOKEN: the port that an earlier allocation held back.
    Reserved([u8; 8]),
}

impl Default for RelayRequest {
    fn default() -> Self {
        Self::AnyPort(Families::ServerDefault)
    }
}

/// How the hash of password and message integrity is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HashPolicy {
    /// The first algorithm of the server's PASSWORD-ALGORITHMS that is known here (RFC 8489 §9.2.5).
    #[default]
    ServerOrder,
    /// SHA-256 wherever it is offered, whatever the order.
    PreferSha256,
    /// A client of RFC 5389: PASSWORD-ALGORITHMS is not looked at, MD5 and MESSAGE-INTEGRITY always. It has no protection
    /// against a bid-down; it is there to try servers with.
    Rfc5389,
}

/// Everything a [`Client`](super::Client) is told when it is made.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// None: a challenge of the server is a failure.
    pub credentials: Option<Credentials>,
    /// Datagrams or a stream.
    pub transport: Transport,
    /// Which relayed transport address.
    pub relay: RelayRequest,
    /// LIFETIME to ask for; none leaves the choice to the server.
    pub lifetime: Option<Duration>,
    /// DONT-FRAGMENT in the Allocate request and in every Send indication (RFC 8656 §14).
    pub dont_fragment: bool,
    /// MD5 or SHA-256.
    pub hash: HashPolicy,
    /// FINGERPRINT at the end of each request (RFC 8489 §7).
    pub fingerprint: bool,
    /// First retransmission timeout, 500 ms by RFC 8489 §6.2.1; it doubles with each retransmission.
    pub rto: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            credentials: None,
            transport: Transport::Datagram,
            relay: RelayRequest::default(),
            lifetime: None,
            dont_fragment: false,
            hash: HashPolicy::default(),
            fingerprint: false,
            rto: super::INITIAL_RTO,
        }
    }
}
