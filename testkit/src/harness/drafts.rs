//! The usual TURN messages, not yet signed.

use super::wire::{Class, Draft, attr, method};
use std::net::SocketAddr;

/// IP's protocol number of UDP, as REQUESTED-TRANSPORT has it.
pub const UDP: u8 = 17;

/// Allocate with REQUESTED-TRANSPORT = UDP.
pub fn allocate() -> Draft {
    Draft::request(method::ALLOCATE).attr(attr::REQUESTED_TRANSPORT, &[UDP, 0, 0, 0])
}

/// Refresh with a LIFETIME.
pub fn refresh(seconds: u32) -> Draft {
    Draft::request(method::REFRESH).number(attr::LIFETIME, seconds)
}

/// CreatePermission for these peers.
pub fn create_permission(peers: &[SocketAddr]) -> Draft {
    peers
        .iter()
        .fold(Draft::request(method::CREATE_PERMISSION), |draft, peer| draft.xor_address(attr::XOR_PEER_ADDRESS, *peer))
}

/// ChannelBind.
pub fn channel_bind(number: u16, peer: SocketAddr) -> Draft {
    let [high, low] = number.to_be_bytes();
    Draft::request(method::CHANNEL_BIND)
        .attr(attr::CHANNEL_NUMBER, &[high, low, 0, 0])
        .xor_address(attr::XOR_PEER_ADDRESS, peer)
}

/// Send indication.
pub fn send(peer: SocketAddr, payload: &[u8]) -> Draft {
    Draft::new(Class::Indication, method::SEND).xor_address(attr::XOR_PEER_ADDRESS, peer).attr(attr::DATA, payload)
}

/// Binding request.
pub fn binding() -> Draft {
    Draft::request(method::BINDING)
}

/// A ChannelData message, without padding.
pub fn channel_data(number: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a payload fits a datagram");
    [&number.to_be_bytes()[..], &length.to_be_bytes(), payload].concat()
}
