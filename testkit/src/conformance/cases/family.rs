//! Address families: asked for, added, missing (RFC 8656 §7.2).

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::wire::{Draft, V4, V6, attr};
use crate::harness::{Allocation, Check, Client, drafts};

pub(super) const CASES: &[Case] = &[
    case!(family_ipv4_is_given, Open, "RFC 8656 §7.2"),
    case!(family_ipv6_is_given, Open, "RFC 8656 §7.2"),
    case!(family_ipv6_is_given_to_an_ipv6_client, Open, "RFC 8656 §7.2"),
    case!(family_unknown_440, Open, "RFC 8656 §7.2"),
    case!(family_malformed_is_refused, Open, "RFC 8489 §6.3"),
    case!(family_the_server_lacks_440, Rest, "RFC 8656 §7.2"),
    case!(additional_family_gives_two_addresses, Open, "RFC 8656 §7.2"),
    case!(additional_family_ipv4_400, Open, "RFC 8656 §7.2"),
    case!(additional_and_requested_family_400, Open, "RFC 8656 §7.2"),
    case!(additional_family_with_reserved_port_400, Open, "RFC 8656 §7.2"),
    case!(additional_family_the_server_lacks_is_reported, Rest, "RFC 8656 §7.2"),
    case!(dual_allocation_relays_both_families, Open, "RFC 8656 §7"),
    case!(dual_allocation_ends_by_family, Open, "RFC 8656 §8.2"),
    case!(dual_allocation_refreshes_as_a_whole, Open, "RFC 8656 §8.2"),
    case!(dual_allocation_permits_both_families_at_once, Open, "RFC 8656 §10.2"),
];

fn requested(family: u8) -> Draft {
    drafts::allocate().family(attr::REQUESTED_ADDRESS_FAMILY, family)
}

fn additional() -> Draft {
    drafts::allocate().family(attr::ADDITIONAL_ADDRESS_FAMILY, V6)
}

fn gives(mut client: Client, family: u8) -> Check {
    let relayed = client.allocate_by(&requested(family))?.relayed;
    ensure!(relayed.len() == 1 && relayed[0].is_ipv4() == (family == V4), "relayed addresses: {relayed:?}");
    Ok(())
}

fn family_ipv4_is_given(site: &Site) -> Check {
    gives(site.client()?, V4)
}

fn family_ipv6_is_given(site: &Site) -> Check {
    site.ipv6()?;
    gives(site.client()?, V6)
}

fn family_ipv6_is_given_to_an_ipv6_client(site: &Site) -> Check {
    gives(site.client6()?, V6)
}

fn family_unknown_440(site: &Site) -> Check {
    let mut client = site.client()?;
    [0u8, 3, 255].into_iter().try_for_each(|family| client.refused(&requested(family), &[440]).map(drop))
}

/// A family that cannot be read may as well be one that is not supported.
fn family_malformed_is_refused(site: &Site) -> Check {
    let mut client = site.client()?;
    let malformed = |value: &[u8]| drafts::allocate().attr(attr::REQUESTED_ADDRESS_FAMILY, value);
    client.refused(&malformed(&[1]), &[400, 440])?;
    client.refused(&malformed(&[1, 0, 0, 0, 0, 0, 0, 0]), &[400, 440]).map(drop)
}

fn family_the_server_lacks_440(site: &Site) -> Check {
    site.lacks_ipv6_relays()?;
    let mut client = site.client_as(site.user("lacks-v6", 3600)?)?;
    client.refused(&requested(V6), &[440])?;
    client.allocate_by(&requested(V4)).map(drop)
}

/// A dual allocation: the IPv4 address first.
fn dual(site: &Site, client: &mut Client) -> Check<Allocation> {
    site.ipv6()?;
    let mut allocation = client.allocate_by(&additional())?;
    allocation.relayed.sort_by_key(|address| !address.is_ipv4());
    let families: Vec<bool> = allocation.relayed.iter().map(std::net::SocketAddr::is_ipv4).collect();
    ensure!(families == [true, false], "relayed addresses: {:?}", allocation.relayed);
    Ok(allocation)
}

fn additional_family_gives_two_addresses(site: &Site) -> Check {
    let allocation = dual(site, &mut site.client()?)?;
    ensure!(!allocation.reply.has(attr::ADDRESS_ERROR_CODE), "two addresses and ADDRESS-ERROR-CODE");
    Ok(())
}

fn additional_family_ipv4_400(site: &Site) -> Check {
    let request = drafts::allocate().family(attr::ADDITIONAL_ADDRESS_FAMILY, V4);
    site.client()?.refused(&request, &[400]).map(drop)
}

fn additional_and_requested_family_400(site: &Site) -> Check {
    let request = additional().family(attr::REQUESTED_ADDRESS_FAMILY, V4);
    site.client()?.refused(&request, &[400]).map(drop)
}

fn additional_family_with_reserved_port_400(site: &Site) -> Check {
    let mut client = site.client()?;
    client.refused(&additional().attr(attr::EVEN_PORT, &[0x80]), &[400])?;
    client.refused(&additional().attr(attr::RESERVATION_TOKEN, &[7; 8]), &[400]).map(drop)
}

fn additional_family_the_server_lacks_is_reported(site: &Site) -> Check {
    site.lacks_ipv6_relays()?;
    let mut client = site.client_as(site.user("lacks-additional", 3600)?)?;
    let allocation = client.allocate_by(&additional())?;
    ensure!(allocation.relayed.len() == 1 && allocation.address().is_ipv4(), "relayed: {:?}", allocation.relayed);
    let error = allocation.reply.get(attr::ADDRESS_ERROR_CODE).unwrap_or_default();
    ensure!(error.len() >= 4, "no ADDRESS-ERROR-CODE");
    ensure!(error[0] == V6 && [error[2] & 7, error[3]] == [4, 40], "ADDRESS-ERROR-CODE is {:02x?}", &error[..4]);
    Ok(())
}

fn dual_allocation_relays_both_families(site: &Site) -> Check {
    let mut client = site.client()?;
    let allocation = dual(site, &mut client)?;
    for (peer, relayed) in [site.peer()?, site.peer6()?].into_iter().zip(allocation.relayed) {
        client.permit(&[peer.address()])?;
        client.send_to(peer.address(), b"both ways")?;
        ensure!(peer.echo(b"both ways")? == relayed, "the peer saw another address than {relayed}");
        client.expect_data_of(peer.address(), b"both ways")?;
    }
    Ok(())
}

fn dual_allocation_ends_by_family(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    let allocation = dual(site, &mut client)?;
    let peer6 = site.peer6()?;
    client.permit(&[peer.address()])?;
    client.permit(&[peer6.address()])?;
    client.succeed(&drafts::refresh(0).family(attr::REQUESTED_ADDRESS_FAMILY, V6))?;
    peer6.send(allocation.relayed[1], b"gone")?;
    client.expect_nothing()?;
    client.send_to(peer.address(), b"still here")?;
    peer.echo(b"still here")?;
    client.expect_data_of(peer.address(), b"still here")?;
    client.refused(&drafts::create_permission(&[peer6.address()]), &[443]).map(drop)
}

fn dual_allocation_refreshes_as_a_whole(site: &Site) -> Check {
    let (mut client, peer6) = (site.client()?, site.peer6()?);
    dual(site, &mut client)?;
    let reply = client.succeed(&drafts::refresh(900))?;
    ensure!(reply.number(attr::LIFETIME) == Some(900), "LIFETIME is {:?}", reply.number(attr::LIFETIME));
    client.permit(&[peer6.address()])?;
    client.succeed(&drafts::refresh(0))?;
    client.refused(&drafts::create_permission(&[peer6.address()]), &[437]).map(drop)
}

fn dual_allocation_permits_both_families_at_once(site: &Site) -> Check {
    let (mut client, peers) = (site.client()?, [site.peer()?, site.peer6()?]);
    dual(site, &mut client)?;
    client.permit(&[peers[0].address(), peers[1].address()])?;
    for peer in &peers {
        client.send_to(peer.address(), b"hello")?;
        peer.expect(b"hello")?;
    }
    Ok(())
}
