//! Send and Data indications, and ICMP errors (RFC 8656 §11).

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::peer::PATIENCE;
use crate::harness::wire::{Draft, V6, attr, method};
use crate::harness::{Check, Class, Client, Fault, Incoming, Peer, drafts};
use std::net::SocketAddr;

pub(super) const CASES: &[Case] = &[
    case!(send_reaches_the_peer_from_the_relayed_address, Open, "RFC 8656 §11.2"),
    case!(send_carries_payloads_of_every_padding, Open, "RFC 8656 §11"),
    case!(send_carries_an_empty_payload, Open, "RFC 8656 §11.2"),
    case!(send_carries_1400_bytes, Open, "RFC 8656 §11.2"),
    case!(relay_carries_datagrams_larger_than_a_packet, Open, "RFC 8656 §15"),
    case!(send_with_dont_fragment_is_relayed, Open, "RFC 8656 §14"),
    case!(send_without_peer_is_ignored, Open, "RFC 8656 §11.2"),
    case!(send_without_data_is_ignored, Open, "RFC 8656 §11.2"),
    case!(send_with_malformed_peer_is_ignored, Open, "RFC 8656 §11.2"),
    case!(send_with_unknown_required_attribute_is_ignored, Open, "RFC 8489 §6.3.2"),
    case!(send_with_unknown_optional_attribute_is_relayed, Open, "RFC 8489 §6.3.2"),
    case!(send_to_the_first_of_two_peers, Open, "RFC 8489 §14"),
    case!(send_to_another_family_is_ignored, Open, "RFC 8656 §11.2"),
    case!(send_without_allocation_is_ignored, Open, "RFC 8656 §5"),
    case!(send_from_another_port_is_ignored, Open, "RFC 8656 §5"),
    case!(data_indication_carries_peer_and_data_alone, Open, "RFC 8656 §11.3"),
    case!(data_indication_pads_with_zeros, Open, "RFC 8489 §14"),
    case!(data_indications_differ_in_transaction_id, Open, "RFC 8489 §6"),
    case!(relay_ipv6_client_to_ipv6_peer, Open, "RFC 8656 §11"),
    case!(relay_ipv4_client_to_ipv6_peer, Open, "RFC 8656 §11"),
    case!(relay_ipv6_client_to_ipv4_peer, Open, "RFC 8656 §11"),
    case!(relay_keeps_order_and_loses_nothing_on_an_idle_host, Open, "RFC 8656 §11"),
    case!(relay_between_two_clients_of_one_server, Open, "RFC 8656 §11"),
    case!(icmp_port_unreachable_ipv4_is_reported, Open, "RFC 8656 §11.5"),
    case!(icmp_port_unreachable_ipv6_is_reported, Open, "RFC 8656 §11.5"),
    case!(icmp_error_harms_no_other_peer, Open, "RFC 8656 §11.5"),
];

/// A client with an allocation that a peer may reach.
fn ready(site: &Site) -> Check<(Client, Peer, SocketAddr)> {
    let (mut client, peer) = (site.client()?, site.peer()?);
    let relayed = client.allocate()?.address();
    client.permit(&[peer.address()])?;
    Ok((client, peer, relayed))
}

fn there_and_back(client: &mut Client, peer: &Peer, relayed: SocketAddr, payload: &[u8]) -> Check {
    client.send_to(peer.address(), payload)?;
    let from = peer.echo(payload)?;
    ensure!(from == relayed, "the peer saw {from}, not the relayed address");
    client.expect_data_of(peer.address(), payload)
}

fn send_reaches_the_peer_from_the_relayed_address(site: &Site) -> Check {
    let (mut client, peer, relayed) = ready(site)?;
    there_and_back(&mut client, &peer, relayed, b"hello")
}

fn send_carries_payloads_of_every_padding(site: &Site) -> Check {
    let (mut client, peer, relayed) = ready(site)?;
    for length in [1usize, 2, 3, 4, 5, 171, 172, 173, 174] {
        let payload: Vec<u8> = (0..length).map(|at| at as u8 | 0x80).collect();
        there_and_back(&mut client, &peer, relayed, &payload)?;
    }
    Ok(())
}

fn send_carries_an_empty_payload(site: &Site) -> Check {
    let (mut client, peer, relayed) = ready(site)?;
    there_and_back(&mut client, &peer, relayed, b"")
}

fn send_carries_1400_bytes(site: &Site) -> Check {
    let (mut client, peer, relayed) = ready(site)?;
    there_and_back(&mut client, &peer, relayed, &[0x5A; 1400])
}

fn relay_carries_datagrams_larger_than_a_packet(site: &Site) -> Check {
    let (mut client, peer, relayed) = ready(site)?;
    for length in [1501, 4000, 9000, 20_000, 60_000] {
        there_and_back(&mut client, &peer, relayed, &vec![0xA5; length])
            .map_err(|fault| Fault::Wrong(format!("{length} bytes: {fault}")))?;
    }
    Ok(())
}

fn send_with_dont_fragment_is_relayed(site: &Site) -> Check {
    let (client, peer, _) = ready(site)?;
    client.send(drafts::send(peer.address(), b"whole").attr(attr::DONT_FRAGMENT, &[]).as_bytes())?;
    peer.expect(b"whole").map(drop)
}

/// The indication must not reach the peer, nor be answered; a good one behind it must.
fn dropped(client: &mut Client, peer: &Peer, indication: &Draft) -> Check {
    client.ignored(indication.as_bytes())?;
    client.send_to(peer.address(), b"the next one")?;
    peer.expect(b"the next one").map(drop)
}

fn indication() -> Draft {
    Draft::new(Class::Indication, method::SEND)
}

fn send_without_peer_is_ignored(site: &Site) -> Check {
    let (mut client, peer, _) = ready(site)?;
    dropped(&mut client, &peer, &indication().attr(attr::DATA, b"to whom?"))
}

fn send_without_data_is_ignored(site: &Site) -> Check {
    let (mut client, peer, _) = ready(site)?;
    dropped(&mut client, &peer, &indication().xor_address(attr::XOR_PEER_ADDRESS, peer.address()))
}

fn send_with_malformed_peer_is_ignored(site: &Site) -> Check {
    let (mut client, peer, _) = ready(site)?;
    let malformed = indication().attr(attr::XOR_PEER_ADDRESS, &[0, 1, 0, 0]).attr(attr::DATA, b"x");
    dropped(&mut client, &peer, &malformed)
}

fn send_with_unknown_required_attribute_is_ignored(site: &Site) -> Check {
    let (mut client, peer, _) = ready(site)?;
    dropped(&mut client, &peer, &drafts::send(peer.address(), b"what?").attr(0x7001, b"what?"))
}

fn send_with_unknown_optional_attribute_is_relayed(site: &Site) -> Check {
    let (client, peer, _) = ready(site)?;
    client.send(drafts::send(peer.address(), b"fine").attr(0xFF05, b"vendor").as_bytes())?;
    peer.expect(b"fine").map(drop)
}

fn send_to_the_first_of_two_peers(site: &Site) -> Check {
    let (client, first, _) = ready(site)?;
    let second = site.peer()?;
    let both = drafts::send(first.address(), b"to one").xor_address(attr::XOR_PEER_ADDRESS, second.address());
    client.send(both.as_bytes())?;
    first.expect(b"to one")?;
    second.expect_nothing()
}

fn send_to_another_family_is_ignored(site: &Site) -> Check {
    let (mut client, peer, _) = ready(site)?;
    let peer6 = site.peer6()?;
    dropped(&mut client, &peer, &drafts::send(peer6.address(), b"wrong family"))?;
    peer6.expect_nothing()
}

fn send_without_allocation_is_ignored(site: &Site) -> Check {
    let peer = site.peer()?;
    site.client()?.ignored(drafts::send(peer.address(), b"let me out").as_bytes())?;
    peer.expect_nothing()
}

fn send_from_another_port_is_ignored(site: &Site) -> Check {
    let (_client, peer, _) = ready(site)?;
    site.client()?.ignored(drafts::send(peer.address(), b"not mine").as_bytes())?;
    peer.expect_nothing()
}

/// The Data indication that brings these bytes of the peer's.
fn data(site: &Site, payload: &[u8]) -> Check<crate::harness::Reply> {
    let (mut client, peer, relayed) = ready(site)?;
    peer.send(relayed, payload)?;
    match client.incoming(PATIENCE)? {
        Some(Incoming::Stun(reply)) => Ok(reply),
        _ => Err(Fault::Silent("a peer's datagram".into())),
    }
}

fn data_indication_carries_peer_and_data_alone(site: &Site) -> Check {
    let reply = data(site, b"12345")?;
    ensure!((reply.class(), reply.method()) == (Class::Indication, method::DATA), "got {reply}");
    let mut types = reply.types();
    types.sort_unstable();
    ensure!(types == [attr::XOR_PEER_ADDRESS, attr::DATA], "it carries attributes {types:04x?}");
    ensure!(reply.as_bytes().len() == 36 + 8, "5 bytes of payload came in {} bytes", reply.as_bytes().len());
    Ok(())
}

fn data_indication_pads_with_zeros(site: &Site) -> Check {
    ensure!(data(site, b"12345")?.padding_is_zero(), "padded with something else");
    Ok(())
}

fn data_indications_differ_in_transaction_id(site: &Site) -> Check {
    let ids = [data(site, b"1")?.id(), data(site, b"1")?.id()];
    ensure!(ids[0] != ids[1], "two Data indications with one transaction id");
    Ok(())
}

fn across(mut client: Client, peer: &Peer) -> Check {
    let request = if peer.address().is_ipv6() {
        drafts::allocate().family(attr::REQUESTED_ADDRESS_FAMILY, V6)
    } else {
        drafts::allocate()
    };
    let relayed = client.allocate_by(&request)?.address();
    client.permit(&[peer.address()])?;
    there_and_back(&mut client, peer, relayed, b"across")?;
    client.bind(0x4001, peer.address())?;
    client.send(&drafts::channel_data(0x4001, b"by channel"))?;
    peer.echo(b"by channel")?;
    client.expect_channel(0x4001, b"by channel")
}

fn relay_ipv6_client_to_ipv6_peer(site: &Site) -> Check {
    across(site.client6()?, &site.peer6()?)
}

fn relay_ipv4_client_to_ipv6_peer(site: &Site) -> Check {
    across(site.client()?, &site.peer6()?)
}

fn relay_ipv6_client_to_ipv4_peer(site: &Site) -> Check {
    across(site.client6()?, &site.peer()?)
}

fn relay_keeps_order_and_loses_nothing_on_an_idle_host(site: &Site) -> Check {
    let (mut client, peer, relayed) = ready(site)?;
    for round in 0..10u8 {
        for number in 0..10u8 {
            client.send_to(peer.address(), &[round, number])?;
        }
        for number in 0..10u8 {
            peer.expect(&[round, number])?;
        }
        for number in 0..10u8 {
            peer.send(relayed, &[number, round])?;
        }
        for number in 0..10u8 {
            client.expect_data_of(peer.address(), &[number, round])?;
        }
    }
    Ok(())
}

fn relay_between_two_clients_of_one_server(site: &Site) -> Check {
    let (mut one, mut other) = (site.client()?, site.client()?);
    let relayed = [one.allocate()?.address(), other.allocate()?.address()];
    one.permit(&[relayed[1]])?;
    other.permit(&[relayed[0]])?;
    one.send_to(relayed[1], b"hairpin")?;
    other.expect_data_of(relayed[0], b"hairpin")?;
    other.send_to(relayed[0], b"and back")?;
    one.expect_data_of(relayed[1], b"and back")
}

/// The ICMP attribute that a datagram to a closed port brings: reserved, seven bits of type, nine of code, data.
fn icmp(client: &mut Client, closed: SocketAddr, typ: u8, code: u8) -> Check {
    client.permit(&[closed])?;
    client.send_to(closed, b"nobody home")?;
    let Some(Incoming::Stun(reply)) = client.incoming(PATIENCE)? else {
        return Err(Fault::Silent("a datagram to a closed port".into()));
    };
    ensure!((reply.class(), reply.method()) == (Class::Indication, method::DATA), "got {reply}");
    ensure!(reply.xor_address(attr::XOR_PEER_ADDRESS) == Some(closed), "XOR-PEER-ADDRESS is not the closed port");
    ensure!(!reply.has(attr::DATA), "an ICMP report with DATA");
    let value = reply.get(attr::ICMP).unwrap_or_default();
    ensure!(value == [0, 0, typ << 1, code, 0, 0, 0, 0], "ICMP is {value:02x?}");
    Ok(())
}

fn icmp_port_unreachable_ipv4_is_reported(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    let closed = site.peer()?.address();
    icmp(&mut client, closed, 3, 3)
}

fn icmp_port_unreachable_ipv6_is_reported(site: &Site) -> Check {
    let (mut client, closed) = (site.client()?, site.peer6()?.address());
    client.allocate_by(&drafts::allocate().family(attr::REQUESTED_ADDRESS_FAMILY, V6))?;
    icmp(&mut client, closed, 1, 4)
}

fn icmp_error_harms_no_other_peer(site: &Site) -> Check {
    let (client, peer, _) = ready(site)?;
    let closed = site.peer()?.address();
    for number in 0..20u8 {
        client.send_to(closed, b"nobody home")?;
        client.send_to(peer.address(), &[number])?;
        peer.expect(&[number])?;
    }
    Ok(())
}
