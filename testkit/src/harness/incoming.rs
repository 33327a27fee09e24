//! What a client receives unasked, and how tests expect it.

use super::client::{Client, cross_check};
use super::peer::{PATIENCE, SILENCE};
use super::reply::Reply;
use super::wire::{Class, attr, method};
use super::{Check, Fault, drafts};
use crate::ensure;
use std::net::SocketAddr;
use std::time::Duration;

/// What the server sent of its own accord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A STUN message.
    Stun(Reply),
    /// A ChannelData message; what follows its declared length is `rest`.
    Channel {
        /// The channel number.
        number: u16,
        /// As many bytes as the header declares.
        payload: Vec<u8>,
        /// Padding, or what should not be there.
        rest: Vec<u8>,
    },
}

impl Client {
    /// What the server sends of its own accord next, if it comes in time.
    ///
    /// # Errors
    /// If it is neither STUN nor ChannelData.
    pub fn incoming(&mut self, wait: Duration) -> Check<Option<Incoming>> {
        let bytes = match self.inbox.pop_front() {
            Some(bytes) => bytes,
            None => match self.datagram(wait)? {
                Some(bytes) => bytes,
                None => return Ok(None),
            },
        };
        if matches!(bytes.first(), Some(0x40..=0x7F)) && bytes.len() >= 4 {
            let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
            ensure!(bytes.len() - 4 >= length, "ChannelData that declares more than it has");
            let (payload, rest) = bytes[4..].split_at(length);
            let number = u16::from_be_bytes([bytes[0], bytes[1]]);
            return Ok(Some(Incoming::Channel { number, payload: payload.to_vec(), rest: rest.to_vec() }));
        }
        let reply = Reply::parse(&bytes).map_err(Fault::Wrong)?;
        cross_check(&reply)?;
        Ok(Some(Incoming::Stun(reply)))
    }

    /// The next of these must be a Data indication; gives the peer and the payload.
    ///
    /// # Errors
    /// If it is something else or nothing.
    pub fn expect_data(&mut self) -> Check<(SocketAddr, Vec<u8>)> {
        let reply = match self.incoming(PATIENCE)? {
            Some(Incoming::Stun(reply)) => reply,
            Some(Incoming::Channel { .. }) => return Err(Fault::Wrong("ChannelData, not a Data indication".into())),
            None => return Err(Fault::Silent("the client, which got no Data indication".into())),
        };
        let is_data = (reply.class(), reply.method()) == (Class::Indication, method::DATA);
        ensure!(is_data, "got {reply}, not a Data indication");
        let peer = reply.xor_address(attr::XOR_PEER_ADDRESS);
        let peer = peer.ok_or_else(|| Fault::Wrong("a Data indication without XOR-PEER-ADDRESS".into()))?;
        let data = reply.get(attr::DATA).ok_or_else(|| Fault::Wrong("a Data indication without DATA".into()))?;
        Ok((peer, data.to_vec()))
    }

    /// The next of these must be this payload from this peer in a Data indication.
    ///
    /// # Errors
    /// If it is something else or nothing.
    pub fn expect_data_of(&mut self, peer: SocketAddr, payload: &[u8]) -> Check {
        let (from, data) = self.expect_data()?;
        ensure!(from == peer, "a Data indication that names {from}, not the peer");
        ensure!(data == payload, "a Data indication with {} bytes, not those of the peer", data.len());
        Ok(())
    }

    /// The next of these must be this payload on this channel.
    ///
    /// # Errors
    /// If it is something else or nothing.
    pub fn expect_channel(&mut self, number: u16, payload: &[u8]) -> Check {
        match self.incoming(PATIENCE)? {
            Some(Incoming::Channel { number: on, payload: data, rest }) => {
                ensure!(on == number, "ChannelData on {on:#06x}, not {number:#06x}");
                ensure!(data == payload, "ChannelData with {} bytes, not those of the peer", data.len());
                ensure!(rest.len() < 4, "{} bytes behind ChannelData", rest.len());
                ensure!(rest.iter().all(|byte| *byte == 0), "ChannelData padded with something else than zeros");
                Ok(())
            }
            Some(Incoming::Stun(reply)) => Err(Fault::Wrong(format!("got {reply}, not ChannelData"))),
            None => Err(Fault::Silent("the client, which got no ChannelData".into())),
        }
    }

    /// Nothing must come of its own accord.
    ///
    /// # Errors
    /// If something does.
    pub fn expect_nothing(&mut self) -> Check {
        match self.incoming(SILENCE)? {
            None => Ok(()),
            Some(Incoming::Stun(reply)) => Err(Fault::Wrong(format!("got {reply}, not silence"))),
            Some(Incoming::Channel { .. }) => Err(Fault::Wrong("got ChannelData, not silence".into())),
        }
    }

    /// Sends bytes that must go unanswered, then a Binding request that must be answered: whatever the server had to say to the
    /// former it has said by then, and it lives.
    ///
    /// # Errors
    /// If something but the Binding answer comes, or that does not.
    pub fn ignored(&mut self, bytes: &[u8]) -> Check {
        self.send(bytes)?;
        let alive = self.exchange(&drafts::binding());
        alive.map_err(|fault| Fault::Wrong(format!("the server fell silent: {fault}")))?;
        if self.inbox.is_empty()
            && let Some(late) = self.datagram(Duration::from_millis(20))?
        {
            self.inbox.push_back(late);
        }
        let Some(answer) = self.inbox.pop_front() else {
            return Ok(());
        };
        match Reply::parse(&answer) {
            Ok(reply) => Err(Fault::Wrong(format!("answered with {reply}, not with silence"))),
            Err(_) => Err(Fault::Wrong("answered with something that is not STUN".into())),
        }
    }
}
