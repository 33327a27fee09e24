//! The client side of one five-tuple.

use super::peer::{PATIENCE, receive};
use super::reply::Reply;
use super::signer::{Account, Scheme, Signer};
use super::wire::{Class, Draft, attr, method};
use super::{Check, Fault, crypto, drafts};
use crate::ensure;
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When an unanswered request is sent again; a loaded machine loses a datagram now and then.
const RETRANSMIT: Duration = Duration::from_millis(600);

/// What an Allocate gave.
#[derive(Debug, Clone)]
pub struct Allocation {
    /// Relayed transport addresses, one or two.
    pub relayed: Vec<SocketAddr>,
    /// LIFETIME in seconds.
    pub lifetime: u32,
    /// The whole answer.
    pub reply: Reply,
}

impl Allocation {
    /// The first relayed transport address.
    pub fn address(&self) -> SocketAddr {
        self.relayed[0]
    }
}

/// A client socket and what it knows of the server.
#[derive(Debug)]
pub struct Client {
    socket: UdpSocket,
    server: SocketAddr,
    account: Account,
    scheme: Scheme,
    signer: Option<Signer>,
    pub(super) inbox: VecDeque<Vec<u8>>,
    allocated: bool,
}

impl Client {
    /// A client on a port of its own at `local`.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if this host has no such address.
    pub fn new(local: IpAddr, server: SocketAddr, account: Account) -> Check<Self> {
        let socket = bind(local).map_err(|error| Fault::Unavailable(format!("no client at {local}: {error}")))?;
        let (scheme, inbox) = (Scheme::Classic, VecDeque::new());
        Ok(Self { socket, server, account, scheme, signer: None, inbox, allocated: false })
    }

    /// The same client with another way to authenticate.
    #[must_use]
    pub fn with_scheme(mut self, scheme: Scheme) -> Self {
        (self.scheme, self.signer) = (scheme, None);
        self
    }

    /// Its own address.
    ///
    /// # Errors
    /// What the socket says.
    pub fn address(&self) -> Check<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// The server's address.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// What the socket says.
    pub fn send(&self, bytes: &[u8]) -> Check {
        self.socket.send_to(bytes, self.server)?;
        Ok(())
    }

    /// Sends a request as it is and gives the answer to it; what else comes meanwhile is kept for [`Client::incoming`].
    ///
    /// # Errors
    /// [`Fault::Silent`] without an answer.
    pub fn exchange(&mut self, request: &Draft) -> Check<Reply> {
        let started = Instant::now();
        let mut sent = 0;
        while started.elapsed() < PATIENCE {
            if started.elapsed() >= RETRANSMIT * sent {
                self.send(request.as_bytes())?;
                sent += 1;
            }
            let wait = (RETRANSMIT * sent).min(PATIENCE).saturating_sub(started.elapsed());
            let Some(bytes) = self.datagram(wait)? else { continue };
            match Reply::parse(&bytes) {
                Ok(reply) if reply.id() == request.id() && reply.class() != Class::Indication => {
                    cross_check(&reply)?;
                    return Ok(reply);
                }
                _ => self.inbox.push_back(bytes),
            }
        }
        Err(Fault::Silent(name_of(request)))
    }

    /// What to sign requests with, learned from the server's challenge.
    ///
    /// # Errors
    /// If the server does not challenge as RFC 8489 §9.2.4 has it.
    pub fn signer(&mut self) -> Check<Signer> {
        if let Some(signer) = &self.signer {
            return Ok(signer.clone());
        }
        let challenge = self.exchange(&drafts::allocate())?;
        ensure!(challenge.code() == 401, "an Allocate without credentials got {challenge}, not error 401");
        let signer = self.answer_to(&challenge)?;
        self.signer = Some(signer.clone());
        Ok(signer)
    }

    /// A signer for the challenge in a 401 or 438.
    ///
    /// # Errors
    /// If it lacks REALM or NONCE, or the algorithm that this client's scheme wants.
    pub fn answer_to(&self, challenge: &Reply) -> Check<Signer> {
        let Account { username, password } = &self.account;
        let realm = challenge.text(attr::REALM).ok_or_else(|| Fault::Wrong("a challenge without REALM".into()))?;
        let nonce = challenge.get(attr::NONCE).ok_or_else(|| Fault::Wrong("a challenge without NONCE".into()))?;
        let offered = challenge.get(attr::PASSWORD_ALGORITHMS).map(<[u8]>::to_vec);
        let chosen = self.scheme.algorithm().map(|algorithm| algorithm.to_vec());
        if let Some(chosen) = &chosen {
            let known = offered.iter().flat_map(|list| list.chunks(4)).any(|entry| entry == chosen);
            ensure!(known, "the challenge does not offer password algorithm {}", chosen[1]);
        }
        Ok(Signer {
            username: Some(username.clone()),
            userhash: false,
            realm: Some(realm.into()),
            nonce: Some(nonce.to_vec()),
            offered: offered.filter(|_| chosen.is_some()),
            chosen,
            key: match self.scheme {
                Scheme::Sha256 => crypto::sha256_key(username, realm, password),
                Scheme::Classic | Scheme::Md5 => crypto::md5_key(username, realm, password),
            },
            scheme: self.scheme,
        })
    }

    /// [`Client::exchange`] of an Allocate; should it succeed, the allocation is not left behind.
    ///
    /// # Errors
    /// [`Fault::Silent`] without an answer.
    pub fn exchange_allocate(&mut self, request: &Draft) -> Check<Reply> {
        let reply = self.exchange(request)?;
        self.allocated |= reply.class() == Class::Success;
        Ok(reply)
    }

    /// Makes an allocation with a signer of the caller's.
    ///
    /// # Errors
    /// If the answer is no success, or not signed.
    pub fn allocate_with(&mut self, signer: &Signer, request: &Draft) -> Check<Reply> {
        self.signer = Some(signer.clone());
        let reply = self.exchange_allocate(&signer.sign(request.clone()))?;
        ensure!(reply.class() == Class::Success, "Allocate got {reply}, not success");
        ensure!(signer.vouches(&reply) == Some(true), "a success without valid integrity");
        Ok(reply)
    }

    /// Signs a request, sends it and gives the answer. A stale nonce is renewed once. A success must be signed by the server.
    ///
    /// # Errors
    /// Without an answer, or if a success lacks valid integrity.
    pub fn call(&mut self, request: &Draft) -> Check<Reply> {
        let mut signer = self.signer()?;
        let mut reply = self.exchange(&signer.sign(request.clone()))?;
        if reply.code() == 438 {
            signer = self.answer_to(&reply)?;
            self.signer = Some(signer.clone());
            reply = self.exchange(&signer.sign(request.clone()))?;
        }
        if reply.class() == Class::Success {
            ensure!(signer.vouches(&reply) == Some(true), "a success without valid integrity");
            self.allocated |= reply.method() == method::ALLOCATE;
        }
        Ok(reply)
    }

    /// [`Client::call`], of which success is expected.
    ///
    /// # Errors
    /// If the answer is an error or none.
    pub fn succeed(&mut self, request: &Draft) -> Check<Reply> {
        let reply = self.call(request)?;
        ensure!(reply.class() == Class::Success, "{} got {reply}, not success", name_of(request));
        Ok(reply)
    }

    /// [`Client::call`], of which this error is expected; any of several if the specification leaves the choice.
    ///
    /// # Errors
    /// If the answer is another or none.
    pub fn refused(&mut self, request: &Draft, codes: &[u16]) -> Check<Reply> {
        let reply = self.call(request)?;
        ensure!(codes.contains(&reply.code()), "{} got {reply}, not error {codes:?}", name_of(request));
        Ok(reply)
    }

    /// Makes an allocation.
    ///
    /// # Errors
    /// If the answer is no success or lacks what RFC 8656 §7.3 demands.
    pub fn allocate(&mut self) -> Check<Allocation> {
        self.allocate_by(&drafts::allocate())
    }

    /// Makes an allocation with this request.
    ///
    /// # Errors
    /// As [`Client::allocate`].
    pub fn allocate_by(&mut self, request: &Draft) -> Check<Allocation> {
        let reply = self.succeed(request)?;
        let relayed = reply.xor_addresses(attr::XOR_RELAYED_ADDRESS);
        let lifetime = reply.number(attr::LIFETIME);
        ensure!(!relayed.is_empty(), "an Allocate success without XOR-RELAYED-ADDRESS");
        ensure!(lifetime.is_some(), "an Allocate success without LIFETIME");
        ensure!(
            reply.xor_address(attr::XOR_MAPPED_ADDRESS) == Some(self.address()?),
            "an Allocate success whose XOR-MAPPED-ADDRESS is not the client's"
        );
        Ok(Allocation { relayed, lifetime: lifetime.unwrap_or_default(), reply })
    }

    /// Creates a permission for each peer.
    ///
    /// # Errors
    /// If the answer is no success.
    pub fn permit(&mut self, peers: &[SocketAddr]) -> Check {
        self.succeed(&drafts::create_permission(peers)).map(drop)
    }

    /// Binds a channel.
    ///
    /// # Errors
    /// If the answer is no success.
    pub fn bind(&mut self, number: u16, peer: SocketAddr) -> Check {
        self.succeed(&drafts::channel_bind(number, peer)).map(drop)
    }

    /// Sends a payload to a peer by a Send indication.
    ///
    /// # Errors
    /// What the socket says.
    pub fn send_to(&self, peer: SocketAddr, payload: &[u8]) -> Check {
        self.send(drafts::send(peer, payload).as_bytes())
    }

    pub(super) fn datagram(&self, wait: Duration) -> Check<Option<Vec<u8>>> {
        let Some((bytes, from)) = receive(&self.socket, wait)? else {
            return Ok(None);
        };
        ensure!(from == self.server, "an answer from {from}, which nobody asked");
        Ok(Some(bytes))
    }
}

/// Leaves no allocation behind: other scenarios want the ports.
impl Drop for Client {
    fn drop(&mut self) {
        if self.allocated && !std::thread::panicking() {
            let _ = self.call(&drafts::refresh(0));
        }
    }
}

/// Binds a port that no client of this process had before: a server may remember a five-tuple for a while.
fn bind(local: IpAddr) -> std::io::Result<UdpSocket> {
    static USED: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
    // Sockets on used ports stay open until a fresh one is found, or the kernel would offer them again.
    let mut passed = Vec::new();
    loop {
        let socket = UdpSocket::bind((local, 0))?;
        let fresh = USED.lock().unwrap_or_else(PoisonError::into_inner).insert(socket.local_addr()?);
        // In a process that used up thousands of ports an old one is better than none.
        if fresh || passed.len() > 500 {
            return Ok(socket);
        }
        passed.push(socket);
    }
}

/// Checks that the project's own codec reads the message as this harness does.
pub(super) fn cross_check(reply: &Reply) -> Check {
    let message = stun_codec::Message::parse(reply.as_bytes());
    let message = message.map_err(|error| Fault::Wrong(format!("stun-codec refuses {reply:?}: {}", error.name())))?;
    let agree = message.method().to_u16() == reply.method()
        && message.transaction_id().0 == reply.id()
        && message.class() as u8 == reply.class() as u8
        && message.error_code().ok().flatten().map(|error| error.code) == reply.error().map(|(code, _)| code)
        && message.xor_mapped_address().ok().flatten() == reply.xor_address(attr::XOR_MAPPED_ADDRESS)
        && message.xor_relayed_address().ok().flatten() == reply.xor_address(attr::XOR_RELAYED_ADDRESS)
        && message.xor_peer_address().ok().flatten() == reply.xor_address(attr::XOR_PEER_ADDRESS)
        && message.lifetime().ok().flatten() == reply.number(attr::LIFETIME)
        && (message.fingerprint() == stun_codec::Fingerprint::Valid) == (reply.fingerprint() == Some(true));
    ensure!(agree, "stun-codec reads {reply:?} otherwise");
    Ok(())
}

/// A request's name in a fault.
fn name_of(request: &Draft) -> String {
    let method = Reply::parse(request.as_bytes()).map_or(0, |read| read.method());
    match method {
        method::BINDING => "Binding".into(),
        method::ALLOCATE => "Allocate".into(),
        method::REFRESH => "Refresh".into(),
        method::CREATE_PERMISSION => "CreatePermission".into(),
        method::CHANNEL_BIND => "ChannelBind".into(),
        other => format!("a request of method {other:#05x}"),
    }
}
