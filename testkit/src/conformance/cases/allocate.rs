//! Allocate, its transport and its lifetime (RFC 8656 §7).

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::wire::{Draft, attr, method};
use crate::harness::{Check, drafts};
use std::net::SocketAddr;

pub(super) const CASES: &[Case] = &[
    case!(allocate_gives_an_ipv4_relay_to_an_ipv4_client, Open, "RFC 8656 §7.2"),
    case!(allocate_gives_an_ipv4_relay_to_an_ipv6_client, Open, "RFC 8656 §7.2"),
    case!(allocate_relays_from_the_dynamic_port_range, Open, "RFC 8656 §7.2"),
    case!(allocate_gives_each_client_its_own_address, Open, "RFC 8656 §7.2"),
    case!(allocate_ports_are_not_consecutive, Open, "RFC 8656 §7.2"),
    case!(allocate_without_transport_400, Open, "RFC 8656 §7.2"),
    case!(allocate_with_malformed_transport_400, Open, "RFC 8656 §7.2"),
    case!(allocate_with_unknown_transport_442, Open, "RFC 8656 §7.2"),
    case!(allocate_tcp_relay_over_udp_is_refused, Open, "RFC 6062 §5.1"),
    case!(allocate_again_437, Open, "RFC 8656 §7.2"),
    case!(allocate_retransmitted_gets_the_same_answer, Open, "RFC 8656 §7.2"),
    case!(allocate_refused_retransmitted_gets_the_same_code, Open, "RFC 8489 §6.3.1"),
    case!(allocate_lifetime_defaults_to_600, Open, "RFC 8656 §7.2"),
    case!(allocate_lifetime_is_granted, Open, "RFC 8656 §7.2"),
    case!(allocate_short_lifetime_becomes_the_default, Open, "RFC 8656 §7.2"),
    case!(allocate_huge_lifetime_is_cut_to_3600, Open, "RFC 8656 §7.2"),
    case!(allocate_malformed_lifetime_400, Open, "RFC 8489 §6.3"),
    case!(allocate_first_of_two_lifetimes_counts, Open, "RFC 8489 §14"),
    case!(allocate_dont_fragment_is_supported, Open, "RFC 8656 §7.2"),
    case!(allocate_answer_pads_with_zeros, Open, "RFC 8489 §14"),
    case!(allocate_serves_a_second_user_of_the_address, Open, "RFC 8656 §7.2"),
];

fn allocate_gives_an_ipv4_relay_to_an_ipv4_client(site: &Site) -> Check {
    let relayed = site.client()?.allocate()?.relayed;
    ensure!(relayed.len() == 1 && relayed[0].is_ipv4(), "relayed addresses: {relayed:?}");
    ensure!(!relayed[0].ip().is_unspecified() && relayed[0].port() != 0, "relayed address is {}", relayed[0]);
    Ok(())
}

fn allocate_gives_an_ipv4_relay_to_an_ipv6_client(site: &Site) -> Check {
    let relayed = site.client6()?.allocate()?.relayed;
    ensure!(relayed.len() == 1 && relayed[0].is_ipv4(), "the relayed address is not IPv4, the default");
    Ok(())
}

fn allocate_relays_from_the_dynamic_port_range(site: &Site) -> Check {
    let port = site.client()?.allocate()?.address().port();
    ensure!(port >= 49_152, "the relayed port is below 49152");
    Ok(())
}

/// Relayed addresses of ten clients at once.
fn ten(site: &Site) -> Check<Vec<SocketAddr>> {
    let mut clients = (0..10).map(|_| site.client()).collect::<Check<Vec<_>>>()?;
    clients.iter_mut().map(|client| client.allocate().map(|allocation| allocation.address())).collect()
}

fn allocate_gives_each_client_its_own_address(site: &Site) -> Check {
    let mut relayed = ten(site)?;
    relayed.sort();
    relayed.dedup();
    ensure!(relayed.len() == 10, "two clients share a relayed address");
    Ok(())
}

fn allocate_ports_are_not_consecutive(site: &Site) -> Check {
    let relayed = ten(site)?;
    let steps = relayed.windows(2).filter(|pair| pair[1].port().abs_diff(pair[0].port()) <= 2).count();
    ensure!(steps < 4, "{steps} of 9 ports lie next to the one before");
    Ok(())
}

fn allocate_without_transport_400(site: &Site) -> Check {
    site.client()?.refused(&Draft::request(method::ALLOCATE), &[400]).map(drop)
}

fn allocate_with_malformed_transport_400(site: &Site) -> Check {
    let mut client = site.client()?;
    for value in [&[][..], &[17], &[17, 0, 0, 0, 0]] {
        client.refused(&Draft::request(method::ALLOCATE).attr(attr::REQUESTED_TRANSPORT, value), &[400])?;
    }
    Ok(())
}

fn allocate_with_unknown_transport_442(site: &Site) -> Check {
    let request = Draft::request(method::ALLOCATE).attr(attr::REQUESTED_TRANSPORT, &[132, 0, 0, 0]);
    site.client()?.refused(&request, &[442]).map(drop)
}

fn allocate_tcp_relay_over_udp_is_refused(site: &Site) -> Check {
    let request = Draft::request(method::ALLOCATE).attr(attr::REQUESTED_TRANSPORT, &[6, 0, 0, 0]);
    site.client()?.refused(&request, &[400, 442]).map(drop)
}

fn allocate_again_437(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    client.refused(&drafts::allocate(), &[437])?;
    client.succeed(&drafts::refresh(600)).map(drop)
}

fn allocate_retransmitted_gets_the_same_answer(site: &Site) -> Check {
    let mut client = site.client()?;
    let request = client.signer()?.sign(drafts::allocate().number(attr::LIFETIME, 777));
    let first = client.exchange_allocate(&request)?;
    ensure!(first.xor_address(attr::XOR_RELAYED_ADDRESS).is_some(), "got {first}, not success");
    for _ in 0..2 {
        let again = client.exchange(&request)?;
        ensure!(first.types() == again.types(), "then got {again:?}, first {first:?}");
        for typ in [attr::XOR_RELAYED_ADDRESS, attr::XOR_MAPPED_ADDRESS, attr::LIFETIME] {
            ensure!(first.get(typ) == again.get(typ), "attribute {typ:#06x} differs in the second answer");
        }
    }
    Ok(())
}

fn allocate_refused_retransmitted_gets_the_same_code(site: &Site) -> Check {
    let mut client = site.client()?;
    let request = client.signer()?.sign(Draft::request(method::ALLOCATE));
    let codes = [client.exchange(&request)?.code(), client.exchange(&request)?.code()];
    ensure!(codes == [400, 400], "got errors {codes:?}");
    Ok(())
}

fn lifetime(site: &Site, asked: Option<u32>, granted: u32) -> Check {
    let mut client = site.client()?;
    let request = asked.into_iter().fold(drafts::allocate(), |draft, asked| draft.number(attr::LIFETIME, asked));
    let lifetime = client.allocate_by(&request)?.lifetime;
    ensure!(lifetime == granted, "LIFETIME is {lifetime}, not {granted}");
    Ok(())
}

fn allocate_lifetime_defaults_to_600(site: &Site) -> Check {
    lifetime(site, None, 600)
}

fn allocate_lifetime_is_granted(site: &Site) -> Check {
    lifetime(site, Some(1234), 1234)
}

fn allocate_short_lifetime_becomes_the_default(site: &Site) -> Check {
    lifetime(site, Some(1), 600)
}

fn allocate_huge_lifetime_is_cut_to_3600(site: &Site) -> Check {
    lifetime(site, Some(u32::MAX), 3600)
}

fn allocate_malformed_lifetime_400(site: &Site) -> Check {
    let mut client = site.client()?;
    client.refused(&drafts::allocate().attr(attr::LIFETIME, &[2, 88]), &[400])?;
    client.refused(&drafts::allocate().attr(attr::LIFETIME, &[0; 8]), &[400]).map(drop)
}

fn allocate_first_of_two_lifetimes_counts(site: &Site) -> Check {
    let request = drafts::allocate().number(attr::LIFETIME, 700).number(attr::LIFETIME, 800);
    let lifetime = site.client()?.allocate_by(&request)?.lifetime;
    ensure!(lifetime == 700, "LIFETIME is {lifetime}, not that of the first attribute");
    Ok(())
}

fn allocate_dont_fragment_is_supported(site: &Site) -> Check {
    site.client()?.allocate_by(&drafts::allocate().attr(attr::DONT_FRAGMENT, &[])).map(drop)
}

fn allocate_answer_pads_with_zeros(site: &Site) -> Check {
    let mut client = site.client()?;
    let challenge = client.exchange(&drafts::allocate())?;
    ensure!(challenge.padding_is_zero(), "a challenge padded with something else");
    let allocation = client.allocate()?;
    ensure!(allocation.reply.padding_is_zero(), "a success padded with something else");
    Ok(())
}

fn allocate_serves_a_second_user_of_the_address(site: &Site) -> Check {
    let (mut first, mut second) = (site.client()?, site.client()?);
    first.allocate()?;
    second.allocate()?;
    first.succeed(&drafts::refresh(0))?;
    second.succeed(&drafts::refresh(600)).map(drop)
}
