//! ChannelData over UDP (RFC 8656 §12.4 to §12.7).

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::peer::PATIENCE;
use crate::harness::{Check, Client, Peer, drafts};
use std::net::SocketAddr;

pub(super) const CASES: &[Case] = &[
    case!(channel_data_goes_both_ways, Open, "RFC 8656 §12"),
    case!(channel_data_of_every_padding, Open, "RFC 8656 §12.5"),
    case!(channel_data_padding_is_not_relayed, Open, "RFC 8656 §12.5"),
    case!(channel_data_never_relays_more_than_it_declares, Open, "RFC 8656 §12.6"),
    case!(channel_data_may_be_empty, Open, "RFC 8656 §12.5"),
    case!(channel_data_of_1400_bytes, Open, "RFC 8656 §12.5"),
    case!(channel_data_longer_than_the_datagram_is_dropped, Open, "RFC 8656 §12.6"),
    case!(channel_data_shorter_than_its_header_is_dropped, Open, "RFC 8656 §12.6"),
    case!(channel_data_on_an_unbound_number_is_dropped, Open, "RFC 8656 §12.6"),
    case!(channel_data_on_a_reserved_number_is_dropped, Open, "RFC 8656 §12.6"),
    case!(channel_data_from_another_port_is_dropped, Open, "RFC 8656 §12.6"),
    case!(channel_data_from_the_bound_peer_uses_the_channel, Open, "RFC 8656 §12.7"),
    case!(channel_data_stays_in_order, Open, "RFC 8656 §12"),
];

const NUMBER: u16 = 0x4ABC;

/// A client with a channel to a peer.
fn bound(site: &Site) -> Check<(Client, Peer, SocketAddr)> {
    let (mut client, peer) = (site.client()?, site.peer()?);
    let relayed = client.allocate()?.address();
    client.bind(NUMBER, peer.address())?;
    Ok((client, peer, relayed))
}

fn there_and_back(client: &mut Client, peer: &Peer, payload: &[u8]) -> Check {
    client.send(&drafts::channel_data(NUMBER, payload))?;
    peer.echo(payload)?;
    client.expect_channel(NUMBER, payload)
}

fn channel_data_goes_both_ways(site: &Site) -> Check {
    let (mut client, peer, relayed) = bound(site)?;
    client.send(&drafts::channel_data(NUMBER, b"twelve bytes"))?;
    let from = peer.echo(b"twelve bytes")?;
    ensure!(from == relayed, "the peer saw {from}, not the relayed address");
    client.expect_channel(NUMBER, b"twelve bytes")
}

fn channel_data_of_every_padding(site: &Site) -> Check {
    let (mut client, peer, _) = bound(site)?;
    for length in [1usize, 2, 3, 4, 5, 171, 172, 173, 174] {
        let payload: Vec<u8> = (0..length).map(|at| at as u8 | 0x80).collect();
        there_and_back(&mut client, &peer, &payload)?;
    }
    Ok(())
}

fn channel_data_padding_is_not_relayed(site: &Site) -> Check {
    let (client, peer, _) = bound(site)?;
    for rest in [&[0u8, 0, 0][..], &[0xFF; 3], &[0]] {
        client.send(&[&drafts::channel_data(NUMBER, b"12345")[..], rest].concat())?;
        peer.expect(b"12345")?;
    }
    Ok(())
}

/// A server may relay what the header declares or drop the whole; never more than declared.
fn channel_data_never_relays_more_than_it_declares(site: &Site) -> Check {
    let (client, peer, _) = bound(site)?;
    client.send(&[&drafts::channel_data(NUMBER, b"12345")[..], &[1; 40]].concat())?;
    client.send(&drafts::channel_data(NUMBER, b"the next one"))?;
    let first = peer.receive(PATIENCE)?.map(|(bytes, _)| bytes);
    if first.as_deref() == Some(b"12345") {
        return peer.expect(b"the next one").map(drop);
    }
    ensure!(first.as_deref() == Some(b"the next one"), "the peer got neither what was declared nor nothing");
    Ok(())
}

fn channel_data_may_be_empty(site: &Site) -> Check {
    let (mut client, peer, _) = bound(site)?;
    there_and_back(&mut client, &peer, b"")
}

fn channel_data_of_1400_bytes(site: &Site) -> Check {
    let (mut client, peer, _) = bound(site)?;
    there_and_back(&mut client, &peer, &[0xC3; 1400])
}

/// The datagram must not reach the peer, nor be answered; a good one behind it must.
fn dropped(client: &mut Client, peer: &Peer, datagram: &[u8]) -> Check {
    client.ignored(datagram)?;
    client.send(&drafts::channel_data(NUMBER, b"the next one"))?;
    peer.expect(b"the next one").map(drop)
}

fn channel_data_longer_than_the_datagram_is_dropped(site: &Site) -> Check {
    let (mut client, peer, _) = bound(site)?;
    let whole = drafts::channel_data(NUMBER, b"12345678");
    dropped(&mut client, &peer, &whole[..whole.len() - 1])?;
    dropped(&mut client, &peer, &[&whole[..2], &[0xFF, 0xFF], b"12345678"].concat())
}

fn channel_data_shorter_than_its_header_is_dropped(site: &Site) -> Check {
    let (mut client, peer, _) = bound(site)?;
    (1..4).try_for_each(|length| dropped(&mut client, &peer, &drafts::channel_data(NUMBER, b"")[..length]))
}

fn channel_data_on_an_unbound_number_is_dropped(site: &Site) -> Check {
    let (mut client, peer, _) = bound(site)?;
    dropped(&mut client, &peer, &drafts::channel_data(NUMBER + 1, b"which?"))
}

fn channel_data_on_a_reserved_number_is_dropped(site: &Site) -> Check {
    let (mut client, peer, _) = bound(site)?;
    for number in [0x8000, 0xBFFF, 0xC000, 0xFFFF] {
        dropped(&mut client, &peer, &drafts::channel_data(number, b"which?"))?;
    }
    Ok(())
}

fn channel_data_from_another_port_is_dropped(site: &Site) -> Check {
    let (_client, peer, _) = bound(site)?;
    site.client()?.ignored(&drafts::channel_data(NUMBER, b"not mine"))?;
    peer.expect_nothing()
}

fn channel_data_from_the_bound_peer_uses_the_channel(site: &Site) -> Check {
    let (mut client, peer, relayed) = bound(site)?;
    peer.send(relayed, b"unasked")?;
    client.expect_channel(NUMBER, b"unasked")
}

fn channel_data_stays_in_order(site: &Site) -> Check {
    let (mut client, peer, relayed) = bound(site)?;
    for round in 0..10u8 {
        for number in 0..10u8 {
            client.send(&drafts::channel_data(NUMBER, &[round, number]))?;
        }
        for number in 0..10u8 {
            peer.expect(&[round, number])?;
        }
        for number in 0..10u8 {
            peer.send(relayed, &[number; 172])?;
        }
        for number in 0..10u8 {
            client.expect_channel(NUMBER, &[number; 172])?;
        }
    }
    Ok(())
}
