//! ChannelBind and its matrix (RFC 8656 §12).

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::wire::{Draft, attr, method};
use crate::harness::{Check, Class, Client, Peer, drafts};

pub(super) const CASES: &[Case] = &[
    case!(channel_binds_first_and_last_number_of_rfc8656, Open, "RFC 8656 §12"),
    case!(channel_numbers_of_rfc5766_are_accepted, Open, "compatibility: channel numbers"),
    case!(channel_number_out_of_range_400, Open, "RFC 8656 §12.2"),
    case!(channel_bind_again_refreshes, Open, "RFC 8656 §12.2"),
    case!(channel_number_of_another_peer_400, Open, "RFC 8656 §12.2"),
    case!(channel_peer_of_another_number_400, Open, "RFC 8656 §12.2"),
    case!(channel_refusal_leaves_the_binding_alone, Open, "RFC 8656 §12.2"),
    case!(channel_for_another_port_of_the_same_peer, Open, "RFC 8656 §12.2"),
    case!(channel_without_number_400, Open, "RFC 8656 §12.2"),
    case!(channel_without_peer_400, Open, "RFC 8656 §12.2"),
    case!(channel_malformed_400, Open, "RFC 8489 §6.3"),
    case!(channel_for_another_family_443, Open, "RFC 8656 §12.2"),
    case!(channel_without_allocation_437, Open, "RFC 8656 §5"),
    case!(channel_grants_the_permission, Open, "RFC 8656 §12.2"),
    case!(channel_permission_is_for_all_ports, Open, "RFC 8656 §9"),
    case!(channel_bind_retransmitted_is_answered_again, Open, "RFC 8489 §6.3.1"),
    case!(channel_numbers_are_the_allocations_own, Open, "RFC 8656 §12"),
];

fn ready(site: &Site) -> Check<(Client, Peer)> {
    let mut client = site.client()?;
    client.allocate()?;
    Ok((client, site.peer()?))
}

fn channel_binds_first_and_last_number_of_rfc8656(site: &Site) -> Check {
    let (mut client, peer) = ready(site)?;
    let other = site.peer()?;
    client.bind(0x4000, peer.address())?;
    client.bind(0x4FFF, other.address())
}

fn channel_numbers_of_rfc5766_are_accepted(site: &Site) -> Check {
    let (mut client, peer) = ready(site)?;
    let other = site.peer()?;
    client.bind(0x5000, peer.address())?;
    client.bind(0x7FFE, other.address())?;
    client.send(&drafts::channel_data(0x7FFE, b"old range"))?;
    other.echo(b"old range")?;
    client.expect_channel(0x7FFE, b"old range")
}

fn channel_number_out_of_range_400(site: &Site) -> Check {
    let (mut client, peer) = ready(site)?;
    for number in [0x0000, 0x0001, 0x3FFF, 0x8000, 0xFFFF] {
        client.refused(&drafts::channel_bind(number, peer.address()), &[400])?;
    }
    Ok(())
}

fn channel_bind_again_refreshes(site: &Site) -> Check {
    let (mut client, peer) = ready(site)?;
    (0..3).try_for_each(|_| client.bind(0x4000, peer.address()))
}

fn channel_number_of_another_peer_400(site: &Site) -> Check {
    let (mut client, peer) = ready(site)?;
    let other = site.peer()?;
    client.bind(0x4000, peer.address())?;
    client.refused(&drafts::channel_bind(0x4000, other.address()), &[400]).map(drop)
}

fn channel_peer_of_another_number_400(site: &Site) -> Check {
    let (mut client, peer) = ready(site)?;
    client.bind(0x4000, peer.address())?;
    client.refused(&drafts::channel_bind(0x4001, peer.address()), &[400]).map(drop)
}

fn channel_refusal_leaves_the_binding_alone(site: &Site) -> Check {
    let (mut client, peer) = ready(site)?;
    let other = site.peer()?;
    client.bind(0x4000, peer.address())?;
    client.refused(&drafts::channel_bind(0x4000, other.address()), &[400])?;
    client.refused(&drafts::channel_bind(0x4001, peer.address()), &[400])?;
    client.send(&drafts::channel_data(0x4001, b"nowhere"))?;
    client.send(&drafts::channel_data(0x4000, b"as before"))?;
    peer.echo(b"as before")?;
    client.expect_channel(0x4000, b"as before")?;
    other.expect_nothing()
}

fn channel_for_another_port_of_the_same_peer(site: &Site) -> Check {
    let (mut client, peers) = (site.client()?, [site.peer()?, site.peer()?]);
    client.allocate()?;
    for (number, peer) in [0x4000, 0x4001].into_iter().zip(&peers) {
        client.bind(number, peer.address())?;
    }
    for (number, peer) in [0x4000, 0x4001].into_iter().zip(&peers) {
        client.send(&drafts::channel_data(number, b"to each its own"))?;
        peer.echo(b"to each its own")?;
        client.expect_channel(number, b"to each its own")?;
    }
    Ok(())
}

fn channel_without_number_400(site: &Site) -> Check {
    let (mut client, peer) = ready(site)?;
    let request = Draft::request(method::CHANNEL_BIND).xor_address(attr::XOR_PEER_ADDRESS, peer.address());
    client.refused(&request, &[400]).map(drop)
}

fn channel_without_peer_400(site: &Site) -> Check {
    let (mut client, _peer) = ready(site)?;
    let request = Draft::request(method::CHANNEL_BIND).attr(attr::CHANNEL_NUMBER, &[0x40, 0, 0, 0]);
    client.refused(&request, &[400]).map(drop)
}

fn channel_malformed_400(site: &Site) -> Check {
    let (mut client, peer) = ready(site)?;
    let bind = || Draft::request(method::CHANNEL_BIND);
    let short = bind().attr(attr::CHANNEL_NUMBER, &[0x40]).xor_address(attr::XOR_PEER_ADDRESS, peer.address());
    client.refused(&short, &[400])?;
    let no_address = bind().attr(attr::CHANNEL_NUMBER, &[0x40, 0, 0, 0]).attr(attr::XOR_PEER_ADDRESS, &[0, 1]);
    client.refused(&no_address, &[400]).map(drop)
}

fn channel_for_another_family_443(site: &Site) -> Check {
    let (mut client, _peer) = ready(site)?;
    let peer6 = site.peer6()?;
    client.refused(&drafts::channel_bind(0x4000, peer6.address()), &[443]).map(drop)
}

fn channel_without_allocation_437(site: &Site) -> Check {
    let peer = site.peer()?;
    site.client()?.refused(&drafts::channel_bind(0x4000, peer.address()), &[437]).map(drop)
}

fn channel_grants_the_permission(site: &Site) -> Check {
    let (mut client, peer) = ready(site)?;
    client.bind(0x4000, peer.address())?;
    client.send_to(peer.address(), b"by indication")?;
    peer.expect(b"by indication").map(drop)
}

fn channel_permission_is_for_all_ports(site: &Site) -> Check {
    let (mut client, peer, other) = (site.client()?, site.peer()?, site.peer()?);
    let relayed = client.allocate()?.address();
    client.bind(0x4000, peer.address())?;
    other.send(relayed, b"no channel of mine")?;
    client.expect_data_of(other.address(), b"no channel of mine")
}

fn channel_bind_retransmitted_is_answered_again(site: &Site) -> Check {
    let (mut client, peer) = ready(site)?;
    let request = client.signer()?.sign(drafts::channel_bind(0x4000, peer.address()));
    for _ in 0..2 {
        let reply = client.exchange(&request)?;
        ensure!(reply.class() == Class::Success, "got {reply}, not success");
    }
    Ok(())
}

fn channel_numbers_are_the_allocations_own(site: &Site) -> Check {
    let (mut one, peer) = ready(site)?;
    let (mut other, another) = ready(site)?;
    one.bind(0x4000, peer.address())?;
    other.send(&drafts::channel_data(0x4000, b"not mine"))?;
    peer.expect_nothing()?;
    other.bind(0x4000, another.address())?;
    other.send(&drafts::channel_data(0x4000, b"mine"))?;
    another.expect(b"mine").map(drop)
}
