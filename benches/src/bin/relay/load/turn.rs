//! A TURN client up to its channel: Allocate with the 401 round, CreatePermission, ChannelBind.

use super::sockets::CHANNEL_PEER;
use crate::subject::{PASSWORD, USER};
use anyhow::{Context as _, Result, anyhow, bail};
use std::net::{SocketAddr, SocketAddrV4};
use stun_codec::{ChannelNumber, Class, Message, MessageWriter, Method, TransactionId};
use turn_auth::ClientAuth;

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
    auth: ClientAuth,
    relayed: Option<SocketAddrV4>,
}

impl TurnClient {
    pub(super) fn new(number: u16, channel: ChannelNumber) -> Self {
        let auth = ClientAuth::new(USER, PASSWORD.into());
        Self { number, channel, steps: FIRST, transaction: 0, auth, relayed: None }
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
        self.auth.complete(&mut writer);
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
        self.auth.check(&message).with_context(|| format!("{:?} has an unsigned answer", message.method()))?;
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
            401 if !self.auth.is_challenged() => {}
            438 => {}
            _ => bail!("{:?} was refused with {code}", message.method()),
        }
        self.auth.challenged(message).with_context(|| format!("cannot answer a {code}"))?;
        Ok(Progress::Next)
    }

    fn transaction_id(&self) -> TransactionId {
        let mut id = [0; 12];
        id[..2].copy_from_slice(&self.number.to_be_bytes());
        id[8..].copy_from_slice(&self.transaction.to_be_bytes());
        TransactionId(id)
    }
}
