//! The client against hand-made answers.

mod auth;
mod data;
mod keepalive;
mod requests;

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use stun_codec::{AttributeType, Class, Message, MessageWriter, PasswordAlgorithm};
use turn_auth::{Credential, IntegrityAlgorithm, PasswordAlgorithmKind};

use super::*;

pub(super) const REALM: &str = "example.org";
pub(super) const RELAYED: &str = "203.0.113.1:50000";
pub(super) const MAPPED: &str = "198.51.100.9:1234";
/// A nonce cookie that says "password algorithms".
pub(super) const COOKIE: &str = "obMatJos2gAAArest";

pub(super) fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn at(seconds: u64) -> Instant {
    Instant::ZERO + secs(seconds)
}

pub(super) fn credential(algorithm: PasswordAlgorithmKind) -> Credential {
    Credential::long_term("alice", REALM, "secret", algorithm)
}

/// Signs like the server of alice, whose password is "secret".
pub(super) fn sign(writer: &mut MessageWriter<'_>) {
    credential(PasswordAlgorithmKind::Md5).sign(writer, IntegrityAlgorithm::Sha1);
}

/// An answer to `request`; its method and transaction id are taken from there.
pub(super) fn answer(request: &[u8], class: Class, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let request = Message::parse(request).expect("a request");
    let mut buf = [0; 1024];
    let mut writer = MessageWriter::new(&mut buf, class, request.method(), request.transaction_id());
    fill(&mut writer);
    let len = writer.finish().expect("short enough");
    buf[..len].to_vec()
}

pub(super) fn challenge(request: &[u8], code: u16, nonce: &str) -> Vec<u8> {
    answer(request, Class::Error, |w| {
        w.error_code(code, "").realm(REALM).nonce(nonce);
    })
}

pub(super) fn refusal(request: &[u8], code: u16) -> Vec<u8> {
    answer(request, Class::Error, |w| {
        w.error_code(code, "");
        sign(w);
    })
}

pub(super) fn success(request: &[u8]) -> Vec<u8> {
    answer(request, Class::Success, sign)
}

pub(super) fn allocated(w: &mut MessageWriter<'_>) {
    w.xor_relayed_address(addr(RELAYED)).xor_mapped_address(addr(MAPPED)).lifetime(600);
}

pub(super) fn config() -> ClientConfig {
    ClientConfig { credentials: Some(Credentials::new("alice", "secret")), ..ClientConfig::default() }
}

/// A client and the time.
pub(super) struct Rig {
    pub(super) client: Client,
    pub(super) now: Instant,
}

impl Rig {
    pub(super) fn new(config: ClientConfig) -> Self {
        Self { client: Client::new(config, [3; 32]), now: Instant::ZERO }
    }

    /// A client that has sent its first, unauthenticated Allocate.
    pub(super) fn allocating(config: ClientConfig) -> (Self, Vec<u8>) {
        let mut rig = Self::new(config);
        rig.client.allocate(rig.now).expect("idle");
        let request = rig.sent();
        (rig, request)
    }

    /// A client with an allocation, by MD5 and SHA-1.
    pub(super) fn allocated(config: ClientConfig) -> Self {
        let (mut rig, request) = Self::allocating(config);
        rig.receive(&challenge(&request, 401, "nonce-1"));
        let request = rig.sent();
        rig.receive(&answer(&request, Class::Success, |w| {
            allocated(w);
            sign(w);
        }));
        assert!(matches!(rig.client.poll_event(), Some(Event::Allocated(_))));
        rig
    }

    /// The one message that is to be sent now.
    pub(super) fn sent(&mut self) -> Vec<u8> {
        let bytes = self.client.poll_transmit().expect("a request").bytes.to_vec();
        assert!(self.client.poll_transmit().is_none(), "only one request was expected");
        bytes
    }

    pub(super) fn is_silent(&mut self) -> bool {
        self.client.poll_transmit().is_none()
    }

    pub(super) fn receive(&mut self, message: &[u8]) {
        assert_eq!(self.client.handle_input(self.now, message), Input::Nothing);
    }

    pub(super) fn event(&mut self) -> Option<Event> {
        self.client.poll_event()
    }

    /// Lets time pass up to `now`, each timer at its time; whatever is sent meanwhile goes nowhere. Answers when something was sent.
    pub(super) fn run_to(&mut self, now: Instant) -> Vec<Instant> {
        let mut sent = Vec::new();
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= now) {
            assert!(due >= self.now, "a timer in the past");
            self.now = due;
            self.client.handle_timeout(due);
            while self.client.poll_transmit().is_some() {
                sent.push(due);
            }
        }
        self.now = now;
        sent
    }

    /// Goes to a time at which something is due, and does it.
    pub(super) fn go_to(&mut self, now: Instant) {
        assert!(self.client.poll_timeout().is_none_or(|due| due >= now), "something was due before");
        self.now = now;
        self.client.handle_timeout(now);
    }

    pub(super) fn permit(&mut self, host: IpAddr) {
        self.client.create_permission(self.now, &[host]).expect("allocated");
        let request = self.sent();
        self.receive(&success(&request));
        assert_eq!(self.event(), Some(Event::PermissionGranted(host)));
    }

    pub(super) fn bind(&mut self, peer: SocketAddr) -> ChannelNumber {
        let number = self.client.bind_channel(self.now, peer).expect("allocated");
        let request = self.sent();
        self.receive(&success(&request));
        assert_eq!(self.event(), Some(Event::ChannelBound { number, peer }));
        number
    }
}

pub(super) fn offers(w: &mut MessageWriter<'_>, algorithms: &[PasswordAlgorithm<'_>]) {
    w.error_code(401, "").realm(REALM).nonce(COOKIE).password_algorithms(algorithms);
}

pub(super) fn has(message: &[u8], typ: AttributeType) -> bool {
    Message::parse(message).expect("a message").has(typ)
}
