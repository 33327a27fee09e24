//! CreatePermission, and what a permission is for (RFC 8656 §9, §10).

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::wire::{Draft, V6, attr, method};
use crate::harness::{Check, Class, drafts};
use std::net::SocketAddr;

pub(super) const CASES: &[Case] = &[
    case!(permission_lets_a_peer_in, Open, "RFC 8656 §10.2"),
    case!(permission_for_several_peers_at_once, Open, "RFC 8656 §10.2"),
    case!(permission_is_for_all_ports_of_an_address, Open, "RFC 8656 §9"),
    case!(permission_is_not_for_another_address, Open, "RFC 8656 §9"),
    case!(permission_ignores_the_port_asked_for, Open, "RFC 8656 §10.2"),
    case!(permission_for_no_peer_400, Open, "RFC 8656 §10.2"),
    case!(permission_for_a_malformed_address_400, Open, "RFC 8656 §10.2"),
    case!(permission_for_another_family_443, Open, "RFC 8656 §10.2"),
    case!(permission_with_one_wrong_family_installs_none, Open, "RFC 8656 §10.2"),
    case!(permission_with_one_malformed_address_installs_none, Open, "RFC 8656 §10.2"),
    case!(permission_without_allocation_437, Open, "RFC 8656 §5"),
    case!(permission_is_the_allocations_own, Open, "RFC 8656 §9"),
    case!(permission_refresh_is_answered, Open, "RFC 8656 §10.2"),
    case!(permission_retransmitted_is_answered_again, Open, "RFC 8489 §6.3.1"),
    case!(no_permission_no_data_from_a_peer, Open, "RFC 8656 §11.3"),
    case!(no_permission_no_data_to_a_peer, Open, "RFC 8656 §11.2"),
];

fn permission_lets_a_peer_in(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    let relayed = client.allocate()?.address();
    client.permit(&[peer.address()])?;
    peer.send(relayed, b"knock knock")?;
    client.expect_data_of(peer.address(), b"knock knock")
}

fn permission_for_several_peers_at_once(site: &Site) -> Check {
    let (mut client, peers) = (site.client()?, [site.peer()?, site.other_peer()?]);
    let relayed = client.allocate()?.address();
    client.permit(&[peers[0].address(), peers[1].address()])?;
    for peer in &peers {
        peer.send(relayed, b"knock knock")?;
        client.expect_data_of(peer.address(), b"knock knock")?;
    }
    Ok(())
}

fn permission_is_for_all_ports_of_an_address(site: &Site) -> Check {
    let (mut client, named, other) = (site.client()?, site.peer()?, site.peer()?);
    let relayed = client.allocate()?.address();
    client.permit(&[named.address()])?;
    other.send(relayed, b"same address")?;
    client.expect_data_of(other.address(), b"same address")?;
    client.send_to(other.address(), b"and back")?;
    other.expect(b"and back").map(drop)
}

fn permission_is_not_for_another_address(site: &Site) -> Check {
    let (mut client, named, other) = (site.client()?, site.peer()?, site.other_peer()?);
    let relayed = client.allocate()?.address();
    client.permit(&[named.address()])?;
    other.send(relayed, b"let me in too")?;
    client.expect_nothing()?;
    client.send_to(other.address(), b"you too?")?;
    other.expect_nothing()
}

fn permission_ignores_the_port_asked_for(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    let relayed = client.allocate()?.address();
    client.permit(&[SocketAddr::new(peer.address().ip(), 0)])?;
    peer.send(relayed, b"any port")?;
    client.expect_data_of(peer.address(), b"any port")
}

fn permission_for_no_peer_400(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    client.refused(&drafts::create_permission(&[]), &[400]).map(drop)
}

fn permission_for_a_malformed_address_400(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    for value in [&[][..], &[0, 1, 0, 0], &[0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], &[0, 2, 0, 0, 1, 2, 3, 4]] {
        let request = Draft::request(method::CREATE_PERMISSION).attr(attr::XOR_PEER_ADDRESS, value);
        client.refused(&request, &[400])?;
    }
    Ok(())
}

fn permission_for_another_family_443(site: &Site) -> Check {
    let (mut client, peer, peer6) = (site.client()?, site.peer()?, site.peer6()?);
    client.allocate()?;
    client.refused(&drafts::create_permission(&[peer6.address()]), &[443])?;
    let mut client = site.client()?;
    client.allocate_by(&drafts::allocate().family(attr::REQUESTED_ADDRESS_FAMILY, V6))?;
    client.refused(&drafts::create_permission(&[peer.address()]), &[443]).map(drop)
}

fn permission_with_one_wrong_family_installs_none(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    let relayed = client.allocate()?.address();
    let stranger = "[2001:db8::1]:9".parse().expect("an address");
    client.refused(&drafts::create_permission(&[peer.address(), stranger]), &[443])?;
    peer.send(relayed, b"half a permission")?;
    client.expect_nothing()
}

fn permission_with_one_malformed_address_installs_none(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    let relayed = client.allocate()?.address();
    let request = drafts::create_permission(&[peer.address()]).attr(attr::XOR_PEER_ADDRESS, &[0, 1, 2]);
    client.refused(&request, &[400])?;
    peer.send(relayed, b"half a permission")?;
    client.expect_nothing()
}

fn permission_without_allocation_437(site: &Site) -> Check {
    let peer = site.peer()?;
    site.client()?.refused(&drafts::create_permission(&[peer.address()]), &[437]).map(drop)
}

fn permission_is_the_allocations_own(site: &Site) -> Check {
    let (mut one, mut other, peer) = (site.client()?, site.client()?, site.peer()?);
    one.allocate()?;
    let relayed = other.allocate()?.address();
    one.permit(&[peer.address()])?;
    peer.send(relayed, b"the neighbour's")?;
    other.expect_nothing()
}

fn permission_refresh_is_answered(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    client.allocate()?;
    (0..3).try_for_each(|_| client.permit(&[peer.address()]))
}

fn permission_retransmitted_is_answered_again(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    client.allocate()?;
    let request = client.signer()?.sign(drafts::create_permission(&[peer.address()]));
    for _ in 0..2 {
        let reply = client.exchange(&request)?;
        ensure!(reply.class() == Class::Success, "got {reply}, not success");
    }
    Ok(())
}

fn no_permission_no_data_from_a_peer(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    let relayed = client.allocate()?.address();
    peer.send(relayed, b"let me in")?;
    client.expect_nothing()
}

fn no_permission_no_data_to_a_peer(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    client.allocate()?;
    client.ignored(drafts::send(peer.address(), b"let me out").as_bytes())?;
    peer.expect_nothing()
}
