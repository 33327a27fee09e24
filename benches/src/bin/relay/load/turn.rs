//! A TURN client up to its channel: Allocate with the 401 round, CreatePermission, ChannelBind.

use super::sockets::CHANNEL_PEER;
use crate::subject::{PASSWORD, USER};
use anyhow::{Context as _, Result, anyhow, bail};
use std::net::{SocketAddr, SocketAddrV4};
use stun_codec::{ChannelNumber, Class, Message, MessageWriter, Method, TransactionId};
use turn_auth::{Credential, IntegrityAlgorithm, PasswordAlgorithmKind};

/// REQUESTED-TRANSPORT of RFC 8656 §7.1.
const UDP: u8 = 17;
const FIRST: &[Method] = &[Method::Allocate, Method::CreatePermission, Method::ChannelBind];
const REFRESH: &[Method] = &[Method::Refresh, Method::CreatePermission, Method::ChannelBind];

/// What a received message did to a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing: not the awaited answer.
    None,
    /// The next request is to be sent.
    Next,
    /// All is set up.
    Done,
}

/// One client.
#[derive(Debug)]
pub(super) struct TurnClient {
    number: u16,
    channel: ChannelNumber,
    steps: &'static [Method],
    transaction: u32,
    credential: Option<Credential>,
    nonce: String,
    relayed: Option<SocketAddrV4>,
}

impl TurnClient {
    pub(super) fn new(number: u16, channel: ChannelNumber) -> Self {
        let nonce = String::new();
        Self { number, channel, steps: FIRST, transaction: 0, credential: None, nonce, relayed: None }
    }

    pub(super) fn channel(&self) -> ChannelNumber {
        self.channel
    }

    pub(super) fn relayed(&self) -> Option<SocketAddrV4> {
        self.relayed
    }

    /// Begins the round of refreshes.
    pub(super) fn refresh(&mut self) {
        self.transaction += 1;
        self.steps = REFRESH;
    }

    /// Writes the request that is due.
    pub(super) fn request(&self, out: &mut [u8]) -> Result<usize> {
        let method = *self.steps.first().context("no request is due")?;
        let mut writer = MessageWriter::new(out, Class::Request, method, self.transaction_id());
        let peer = SocketAddr::V4(CHANNEL_PEER);
        match method {
            Method::Allocate => writer.requested_transport(UDP),
            Method::CreatePermission => writer.xor_peer_address(peer),
            Method::ChannelBind => writer.channel_number(self.channel).xor_peer_address(peer),
            _ => &mut writer,
        };
        if let Some(credential) = &self.credential {
            writer.username(USER).realm(credential.realm()).nonce(&self.nonce);
            credential.sign(&mut writer, IntegrityAlgorithm::Sha1);
        }
        writer.finish().map_err(|_| anyhow!("the request does not fit"))
    }

    /// Reads what came from the server.
    pub(super) fn response(&mut self, bytes: &[u8]) -> Result<Progress> {
        let Ok(message) = Message::parse(bytes) else {
            return Ok(Progress::None);
        };
        if message.transaction_id() != self.transaction_id() {
            return Ok(Progress::None);
        }
        self.transaction += 1;
        if message.class() == Class::Error {
            return self.error(&message);
        }
        if message.method() == Method::Allocate {
            match message.xor_relayed_address() {
                Ok(Some(SocketAddr::V4(relayed))) => self.relayed = Some(relayed),
                other => bail!("Allocate answered without a usable relayed address: {other:?}"),
            }
        }
        self.steps = &self.steps[1..];
        Ok(if self.steps.is_empty() { Progress::Done } else { Progress::Next })
    }

    fn error(&mut self, message: &Message<'_>) -> Result<Progress> {
        let code = message.error_code().ok().flatten().map_or(0, |error| error.code);
        match code {
            401 if self.credential.is_none() => {
                let realm = message.realm().ok().flatten().context("a 401 without REALM")?;
                self.credential = Some(Credential::long_term(USER, realm, PASSWORD, PasswordAlgorithmKind::Md5));
            }
            438 => {}
            _ => bail!("{:?} was refused with {code}", message.method()),
        }
        let nonce = message.nonce().ok().flatten().with_context(|| format!("a {code} without NONCE"))?;
        self.nonce = nonce.to_owned();
        Ok(Progress::Next)
    }

    fn transaction_id(&self) -> TransactionId {
        let mut id = [0; 12];
        id[..2].copy_from_slice(&self.number.to_be_bytes());
        id[8..].copy_from_slice(&self.transaction.to_be_bytes());
        TransactionId(id)
    }
}
