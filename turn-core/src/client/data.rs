//! Payload in both directions: the only part that runs once per packet.

use std::net::SocketAddr;

use stun_codec::{
    AttributeType, ChannelData, Class, Fingerprint, INDICATION_HEADER_LEN, Message, Method, PacketKind,
    channel_data_header, classify, padding, send_indication_header,
};

use super::event::{Input, SendError};
use super::{Client, State, Transport};
use crate::Instant;
use crate::types::canonical;

/// DONT-FRAGMENT, which has no value (RFC 8656 §18.9).
const DONT_FRAGMENT: [u8; 4] = {
    let [high, low] = AttributeType::DONT_FRAGMENT.0.to_be_bytes();
    [high, low, 0, 0]
};

/// Bytes of a STUN header.
const STUN_HEADER: usize = stun_codec::HEADER_LEN;

/// What goes in front of a payload, by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataHeader {
    bytes: [u8; Self::MAX],
    len: u8,
    pad: u8,
}

impl DataHeader {
    /// The longest one: a Send indication to an IPv6 peer with DONT-FRAGMENT.
    pub const MAX: usize = INDICATION_HEADER_LEN + DONT_FRAGMENT.len();

    /// The bytes in front of the payload.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// How many zero bytes follow the payload: 0 to 3.
    #[inline]
    #[must_use]
    pub const fn pad(&self) -> usize {
        self.pad as usize
    }
}

impl Client {
    /// What to put around `payload_len` bytes for this peer: ChannelData if a channel is bound, a Send indication otherwise.
    ///
    /// # Errors
    /// Without allocation, without permission (asked for is enough), or when the payload is longer than a message can be.
    #[inline]
    pub fn header(&mut self, peer: SocketAddr, payload_len: usize) -> Result<DataHeader, SendError> {
        if self.closing || !matches!(self.state, State::Allocated(_)) {
            return Err(SendError::NotAllocated);
        }
        let peer = canonical(peer);
        let data_len = u16::try_from(payload_len).map_err(|_| SendError::TooLong)?;
        let mut bytes = [0; DataHeader::MAX];
        if let Some(number) = self.peers.bound(peer) {
            let header = channel_data_header(number, data_len);
            let len = header.len();
            if let Some(front) = bytes.first_chunk_mut() {
                *front = header;
            }
            let pad = match self.config.transport {
                Transport::Datagram => 0,
                Transport::Stream => padding(payload_len),
            };
            return Ok(DataHeader { bytes, len: len as u8, pad: pad as u8 });
        }
        if !self.peers.is_permitted(peer.ip()) {
            return Err(SendError::NoPermission);
        }
        let len = self.indication(peer, data_len, &mut bytes).ok_or(SendError::TooLong)?;
        Ok(DataHeader { bytes, len: len as u8, pad: padding(payload_len) as u8 })
    }

    /// Writes the message that carries `payload` to this peer into `out`, which needs [`DataHeader::MAX`] bytes and 3 more than
    /// the payload to suffice in any case. Answers the message's length.
    ///
    /// # Errors
    /// As [`header`](Self::header), and when `out` is too small.
    pub fn send(&mut self, peer: SocketAddr, payload: &[u8], out: &mut [u8]) -> Result<usize, SendError> {
        let header = self.header(peer, payload.len())?;
        let (front, rest) = out.split_at_mut_checked(header.as_slice().len()).ok_or(SendError::BufferTooSmall)?;
        let (body, rest) = rest.split_at_mut_checked(payload.len()).ok_or(SendError::BufferTooSmall)?;
        let (pad, _) = rest.split_at_mut_checked(header.pad()).ok_or(SendError::BufferTooSmall)?;
        front.copy_from_slice(header.as_slice());
        body.copy_from_slice(payload);
        pad.fill(0);
        Ok(front.len() + body.len() + pad.len())
    }

    /// Takes in one message from the server: a datagram, or one frame of a stream.
    ///
    /// The caller sees to it that it comes from the server's address; nothing else about it is trusted.
    pub fn handle_input<'d>(&mut self, now: Instant, message: &'d [u8]) -> Input<'d> {
        match message.first().map_or(PacketKind::Unknown, |first| classify(*first)) {
            PacketKind::ChannelData => self.channel_data(message),
            PacketKind::Stun => self.stun(now, message),
            PacketKind::Unknown => Input::Nothing,
        }
    }

    #[inline]
    fn channel_data<'d>(&self, message: &'d [u8]) -> Input<'d> {
        let Ok(ChannelData { number, data }) = ChannelData::parse(message) else { return Input::Nothing };
        match self.peers.peer_of(number) {
            Some(peer) => Input::Data { peer, payload: data, channel: Some(number) },
            None => Input::Nothing,
        }
    }

    fn stun<'d>(&mut self, now: Instant, bytes: &'d [u8]) -> Input<'d> {
        let Ok(message) = Message::parse(bytes) else { return Input::Nothing };
        if message.fingerprint() == Fingerprint::Invalid {
            return Input::Nothing;
        }
        match message.class() {
            Class::Indication if message.method() == Method::Data => self.data_indication(&message),
            Class::Success | Class::Error => {
                self.reply(now, &message);
                self.settle();
                Input::Nothing
            }
            Class::Indication | Class::Request => Input::Nothing,
        }
    }

    /// RFC 8656 §11.4: from peers without permission nothing is taken, and nothing that cannot be understood.
    fn data_indication<'d>(&self, message: &Message<'d>) -> Input<'d> {
        let Ok(Some(peer)) = message.xor_peer_address() else { return Input::Nothing };
        if !self.peers.is_permitted(peer.ip()) || message.unknown_required().next().is_some() {
            return Input::Nothing;
        }
        match (message.data(), message.icmp()) {
            (Ok(Some(payload)), _) => Input::Data { peer, payload, channel: None },
            (Ok(None), Ok(Some(icmp))) => Input::Icmp { peer, typ: icmp.typ, code: icmp.code, data: icmp.data },
            _ => Input::Nothing,
        }
    }

    fn indication(&mut self, peer: SocketAddr, data_len: u16, out: &mut [u8; DataHeader::MAX]) -> Option<usize> {
        let mut plain = [0; INDICATION_HEADER_LEN];
        let id = self.rng.transaction_id();
        let len = send_indication_header(id, peer, data_len, &mut plain)?;
        let plain = plain.get(..len)?;
        if !self.config.dont_fragment {
            out.get_mut(..len)?.copy_from_slice(plain);
            return Some(len);
        }
        // DONT-FRAGMENT goes first, so that DATA stays last and its payload can follow.
        let (head, attributes) = plain.split_at_checked(STUN_HEADER)?;
        let (front, rest) = out.split_at_mut_checked(STUN_HEADER)?;
        let (flag, rest) = rest.split_at_mut_checked(DONT_FRAGMENT.len())?;
        front.copy_from_slice(head);
        flag.copy_from_slice(&DONT_FRAGMENT);
        rest.get_mut(..attributes.len())?.copy_from_slice(attributes);
        let [_, _, high, low, ..] = front else { return None };
        let length = u16::from_be_bytes([*high, *low]).checked_add(DONT_FRAGMENT.len() as u16)?;
        [*high, *low] = length.to_be_bytes();
        Some(len + DONT_FRAGMENT.len())
    }
}
