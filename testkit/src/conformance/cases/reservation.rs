//! EVEN-PORT and RESERVATION-TOKEN (RFC 8656 §7.2, §18.7, §18.10).

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::wire::{Draft, V4, attr};
use crate::harness::{Check, Client, drafts};
use std::net::SocketAddr;

pub(super) const CASES: &[Case] = &[
    case!(even_port_is_even, Open, "RFC 8656 §7.2"),
    case!(even_port_without_r_gives_no_token, Open, "RFC 8656 §7.2"),
    case!(even_port_with_r_gives_a_token, Open, "RFC 8656 §7.2"),
    case!(even_port_malformed_400, Open, "RFC 8489 §6.3"),
    case!(token_is_redeemed_from_another_five_tuple, Open, "RFC 8656 §7.2"),
    case!(token_is_redeemed_on_any_worker, Open, "architecture: mailbox"),
    case!(token_of_another_user_508, Rest, "architecture: mailbox"),
    case!(token_redeemed_address_relays, Open, "RFC 8656 §7.2"),
    case!(token_is_redeemed_once, Open, "RFC 8656 §7.2"),
    case!(token_redemption_retransmitted_gets_the_same_answer, Open, "RFC 8656 §7.2"),
    case!(token_outlives_the_allocation_that_asked, Open, "RFC 8656 §7.2"),
    case!(tokens_differ, Open, "RFC 8656 §18.10"),
    case!(unknown_token_508, Open, "RFC 8656 §7.2"),
    case!(malformed_token_400, Open, "RFC 8489 §6.3"),
    case!(token_with_even_port_400, Open, "RFC 8656 §7.2"),
    case!(token_with_requested_family_400, Open, "RFC 8656 §7.2"),
];

fn even(reserve: bool) -> Draft {
    drafts::allocate().attr(attr::EVEN_PORT, &[if reserve { 0x80 } else { 0 }])
}

fn by_token(token: &[u8]) -> Draft {
    drafts::allocate().attr(attr::RESERVATION_TOKEN, token)
}

fn even_port_is_even(site: &Site) -> Check {
    for _ in 0..4 {
        let port = site.client()?.allocate_by(&even(false))?.address().port();
        ensure!(port % 2 == 0, "the relayed port is odd");
    }
    Ok(())
}

fn even_port_without_r_gives_no_token(site: &Site) -> Check {
    let reply = site.client()?.allocate_by(&even(false))?.reply;
    ensure!(!reply.has(attr::RESERVATION_TOKEN), "a RESERVATION-TOKEN that nobody asked for");
    Ok(())
}

/// An allocation on an even port, and the token for the next.
fn reserved(site: &Site) -> Check<(Client, SocketAddr, Vec<u8>)> {
    let mut client = site.client()?;
    let allocation = client.allocate_by(&even(true))?;
    let token = allocation.reply.get(attr::RESERVATION_TOKEN).unwrap_or_default().to_vec();
    ensure!(token.len() == 8, "RESERVATION-TOKEN has {} bytes", token.len());
    ensure!(allocation.address().port() % 2 == 0, "the relayed port is odd");
    Ok((client, allocation.address(), token))
}

fn even_port_with_r_gives_a_token(site: &Site) -> Check {
    reserved(site).map(drop)
}

fn even_port_malformed_400(site: &Site) -> Check {
    let mut client = site.client()?;
    client.refused(&drafts::allocate().attr(attr::EVEN_PORT, &[]), &[400])?;
    client.refused(&drafts::allocate().attr(attr::EVEN_PORT, &[0x80, 0, 0, 0]), &[400]).map(drop)
}

fn token_is_redeemed_from_another_five_tuple(site: &Site) -> Check {
    let (_first, relayed, token) = reserved(site)?;
    let mut second = site.client()?;
    let next = second.allocate_by(&by_token(&token))?.address();
    ensure!(next.ip() == relayed.ip() && next.port() == relayed.port() + 1, "redeemed {next}, next to {relayed}");
    Ok(())
}

/// The kernel spreads five-tuples over a server's threads: of eight pairs some meet on different ones.
fn token_is_redeemed_on_any_worker(site: &Site) -> Check {
    for _ in 0..8 {
        let (_first, relayed, token) = reserved(site)?;
        let (mut client, peer) = (site.client()?, site.peer()?);
        let next = client.allocate_by(&by_token(&token))?.address();
        ensure!(next.port() == relayed.port() + 1, "redeemed {next}, next to {relayed}");
        client.bind(0x4000, peer.address())?;
        client.send(&drafts::channel_data(0x4000, b"moved"))?;
        ensure!(peer.echo(b"moved")? == next, "the peer saw another address than {next}");
        client.expect_channel(0x4000, b"moved")?;
    }
    Ok(())
}

fn token_of_another_user_508(site: &Site) -> Check {
    let mut owner = site.client_as(site.user("token-owner", 3600)?)?;
    let reply = owner.allocate_by(&even(true))?.reply;
    let token = reply.get(attr::RESERVATION_TOKEN).unwrap_or_default().to_vec();
    site.client_as(site.user("token-thief", 3600)?)?.refused(&by_token(&token), &[508])?;
    site.client_as(site.user("token-owner", 3600)?)?.allocate_by(&by_token(&token)).map(drop)
}

fn token_redeemed_address_relays(site: &Site) -> Check {
    let (_first, _, token) = reserved(site)?;
    let (mut client, peer) = (site.client()?, site.peer()?);
    let relayed = client.allocate_by(&by_token(&token))?.address();
    client.permit(&[peer.address()])?;
    client.send_to(peer.address(), b"rtcp")?;
    ensure!(peer.echo(b"rtcp")? == relayed, "the peer saw another address than {relayed}");
    client.expect_data_of(peer.address(), b"rtcp")
}

fn token_is_redeemed_once(site: &Site) -> Check {
    let (_first, _, token) = reserved(site)?;
    let mut second = site.client()?;
    second.allocate_by(&by_token(&token))?;
    site.client()?.refused(&by_token(&token), &[508]).map(drop)
}

fn token_redemption_retransmitted_gets_the_same_answer(site: &Site) -> Check {
    let (_first, _, token) = reserved(site)?;
    let mut client = site.client()?;
    let request = client.signer()?.sign(by_token(&token));
    let first = client.exchange_allocate(&request)?;
    let again = client.exchange(&request)?;
    let relayed = first.get(attr::XOR_RELAYED_ADDRESS);
    ensure!(relayed.is_some() && relayed == again.get(attr::XOR_RELAYED_ADDRESS), "got {first}, then {again}");
    Ok(())
}

fn token_outlives_the_allocation_that_asked(site: &Site) -> Check {
    let (mut first, relayed, token) = reserved(site)?;
    first.succeed(&drafts::refresh(0))?;
    let mut second = site.client()?;
    let next = second.allocate_by(&by_token(&token))?.address();
    ensure!(next.port() == relayed.port() + 1, "redeemed {next}, next to {relayed}");
    Ok(())
}

fn tokens_differ(site: &Site) -> Check {
    let (first, second) = (reserved(site)?, reserved(site)?);
    ensure!(first.2 != second.2, "two reservations with one token");
    Ok(())
}

fn unknown_token_508(site: &Site) -> Check {
    let mut client = site.client()?;
    client.refused(&by_token(&[0xA5; 8]), &[508])?;
    client.refused(&by_token(&[0; 8]), &[508]).map(drop)
}

fn malformed_token_400(site: &Site) -> Check {
    let mut client = site.client()?;
    [0usize, 4, 7, 9, 16]
        .into_iter()
        .try_for_each(|length| client.refused(&by_token(&vec![7; length]), &[400]).map(drop))
}

fn token_with_even_port_400(site: &Site) -> Check {
    let (_first, _, token) = reserved(site)?;
    site.client()?.refused(&even(false).attr(attr::RESERVATION_TOKEN, &token), &[400]).map(drop)
}

fn token_with_requested_family_400(site: &Site) -> Check {
    let (_first, _, token) = reserved(site)?;
    let request = by_token(&token).family(attr::REQUESTED_ADDRESS_FAMILY, V4);
    site.client()?.refused(&request, &[400]).map(drop)
}
