//! Refresh: longer, shorter, over (RFC 8656 §8).

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::wire::{Draft, V4, V6, attr, method};
use crate::harness::{Check, Class, drafts};

pub(super) const CASES: &[Case] = &[
    case!(refresh_without_lifetime_gives_the_default, Open, "RFC 8656 §8.2"),
    case!(refresh_lifetime_is_granted, Open, "RFC 8656 §8.2"),
    case!(refresh_huge_lifetime_is_cut_to_3600, Open, "RFC 8656 §8.2"),
    case!(refresh_short_lifetime_becomes_the_default, Open, "RFC 8656 §8.2"),
    case!(refresh_malformed_lifetime_400, Open, "RFC 8489 §6.3"),
    case!(refresh_without_allocation_437, Open, "RFC 8656 §5"),
    case!(refresh_from_another_port_437, Open, "RFC 8656 §5"),
    case!(refresh_zero_ends_the_allocation, Open, "RFC 8656 §8.2"),
    case!(refresh_zero_stops_relaying, Open, "RFC 8656 §8.2"),
    case!(refresh_zero_frees_the_five_tuple, Open, "RFC 8656 §8.2"),
    case!(refresh_zero_forgets_permissions_and_channels, Open, "RFC 8656 §8.2"),
    case!(refresh_zero_retransmitted_succeeds_again, Open, "RFC 8489 §6.3.1"),
    case!(refresh_family_of_the_allocation_is_fine, Open, "RFC 8656 §8.2"),
    case!(refresh_other_family_443, Open, "RFC 8656 §8.2"),
    case!(refresh_retransmitted_is_answered_again, Open, "RFC 8489 §6.3.1"),
];

fn lifetime(site: &Site, request: &Draft, granted: u32) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    let reply = client.succeed(request)?;
    let lifetime = reply.number(attr::LIFETIME);
    ensure!(lifetime == Some(granted), "LIFETIME is {lifetime:?}, not {granted}");
    Ok(())
}

fn refresh_without_lifetime_gives_the_default(site: &Site) -> Check {
    lifetime(site, &Draft::request(method::REFRESH), 600)
}

fn refresh_lifetime_is_granted(site: &Site) -> Check {
    lifetime(site, &drafts::refresh(1800), 1800)
}

fn refresh_huge_lifetime_is_cut_to_3600(site: &Site) -> Check {
    lifetime(site, &drafts::refresh(u32::MAX), 3600)
}

fn refresh_short_lifetime_becomes_the_default(site: &Site) -> Check {
    lifetime(site, &drafts::refresh(1), 600)
}

fn refresh_malformed_lifetime_400(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    client.refused(&Draft::request(method::REFRESH).attr(attr::LIFETIME, &[0, 0]), &[400])?;
    client.succeed(&drafts::refresh(600)).map(drop)
}

fn refresh_without_allocation_437(site: &Site) -> Check {
    let mut client = site.client()?;
    client.refused(&drafts::refresh(600), &[437])?;
    client.refused(&drafts::refresh(0), &[437]).map(drop)
}

fn refresh_from_another_port_437(site: &Site) -> Check {
    let mut owner = site.client()?;
    owner.allocate()?;
    site.client()?.refused(&drafts::refresh(0), &[437])?;
    owner.succeed(&drafts::refresh(600)).map(drop)
}

fn refresh_zero_ends_the_allocation(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    let reply = client.succeed(&drafts::refresh(0))?;
    ensure!(reply.number(attr::LIFETIME) == Some(0), "LIFETIME is {:?}", reply.number(attr::LIFETIME));
    client.refused(&drafts::refresh(600), &[437]).map(drop)
}

fn refresh_zero_stops_relaying(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    let relayed = client.allocate()?.address();
    client.permit(&[peer.address()])?;
    client.succeed(&drafts::refresh(0))?;
    peer.send(relayed, b"anyone?")?;
    client.expect_nothing()?;
    client.send_to(peer.address(), b"no")?;
    peer.expect_nothing()
}

fn refresh_zero_frees_the_five_tuple(site: &Site) -> Check {
    let mut client = site.client()?;
    for _ in 0..3 {
        client.allocate()?;
        client.succeed(&drafts::refresh(0))?;
    }
    client.allocate().map(drop)
}

fn refresh_zero_forgets_permissions_and_channels(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    client.allocate()?;
    client.bind(0x4000, peer.address())?;
    client.succeed(&drafts::refresh(0))?;
    let relayed = client.allocate()?.address();
    client.send(&drafts::channel_data(0x4000, b"old channel"))?;
    client.send_to(peer.address(), b"old permission")?;
    peer.expect_nothing()?;
    peer.send(relayed, b"old permission")?;
    client.expect_nothing()
}

fn refresh_zero_retransmitted_succeeds_again(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    let request = client.signer()?.sign(drafts::refresh(0));
    for _ in 0..2 {
        let reply = client.exchange(&request)?;
        ensure!(reply.class() == Class::Success, "got {reply}, not success");
    }
    Ok(())
}

fn refresh_family_of_the_allocation_is_fine(site: &Site) -> Check {
    lifetime(site, &drafts::refresh(900).family(attr::REQUESTED_ADDRESS_FAMILY, V4), 900)
}

fn refresh_other_family_443(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    client.refused(&drafts::refresh(0).family(attr::REQUESTED_ADDRESS_FAMILY, V6), &[443])?;
    client.succeed(&drafts::refresh(600)).map(drop)
}

fn refresh_retransmitted_is_answered_again(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    let request = client.signer()?.sign(drafts::refresh(777));
    let granted = [client.exchange(&request)?, client.exchange(&request)?].map(|reply| reply.number(attr::LIFETIME));
    ensure!(granted == [Some(777); 2], "LIFETIME is {granted:?}");
    Ok(())
}
