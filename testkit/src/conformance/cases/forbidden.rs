//! Peers that no route admits unless it names them, in every spelling and on every verb (architecture: default deny).

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::wire::{V6, attr};
use crate::harness::{Check, Class, Client, drafts};
use std::net::{IpAddr, SocketAddr};

pub(super) const CASES: &[Case] = &[
    case!(peer_public_is_admitted, Guarded, "RFC 8656 §10.2"),
    case!(peer_loopback_ipv4_403, Guarded, "architecture: default deny"),
    case!(peer_loopback_ipv6_403, Guarded, "architecture: default deny"),
    case!(peer_loopback_mapped_into_ipv6_is_refused, Guarded, "architecture: default deny"),
    case!(peer_loopback_embedded_in_ipv6_is_refused, Guarded, "architecture: default deny"),
    case!(peer_link_local_403, Guarded, "architecture: default deny"),
    case!(peer_metadata_403, Guarded, "architecture: default deny"),
    case!(peer_metadata_embedded_in_ipv6_is_refused, Guarded, "architecture: default deny"),
    case!(peer_unspecified_403, Guarded, "architecture: default deny"),
    case!(peer_multicast_403, Guarded, "architecture: default deny"),
    case!(peer_broadcast_403, Guarded, "architecture: default deny"),
    case!(peer_unspecified_and_multicast_403_even_where_loopback_is_open, Open, "architecture: default deny"),
    case!(peer_forbidden_gets_no_send_indication, Guarded, "architecture: default deny"),
    case!(peer_forbidden_among_others_installs_none, Open, "RFC 8656 §10.2"),
    case!(peer_own_listener_by_channel_403, Open, "architecture: default deny"),
    case!(peer_own_listener_by_channel_mapped_is_refused, Open, "architecture: default deny"),
    case!(peer_own_listener_gets_no_send_indication, Open, "architecture: default deny"),
];

/// Neither verb admits any of these. 403, or 443 where the server takes an embedded address for one of the other family.
fn refuse(client: &mut Client, addresses: &[&str], codes: &[u16]) -> Check {
    let mut admitted = Vec::new();
    for (number, address) in (0x4000..).zip(addresses) {
        let ip: IpAddr = address.parse().expect("an address");
        let peer = SocketAddr::new(ip, 9);
        let replies =
            [client.call(&drafts::create_permission(&[peer]))?, client.call(&drafts::channel_bind(number, peer))?];
        for (verb, reply) in ["CreatePermission", "ChannelBind"].into_iter().zip(replies) {
            if !codes.contains(&reply.code()) {
                admitted.push(format!("{verb} {address} got {reply}"));
            }
        }
    }
    ensure!(admitted.is_empty(), "{}", admitted.join("; "));
    Ok(())
}

fn refuse_v4(site: &Site, addresses: &[&str]) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    refuse(&mut client, addresses, &[403])
}

fn refuse_v6(site: &Site, addresses: &[&str], codes: &[u16]) -> Check {
    let mut client = site.client()?;
    site.ipv6()?;
    client.allocate_by(&drafts::allocate().family(attr::REQUESTED_ADDRESS_FAMILY, V6))?;
    refuse(&mut client, addresses, codes)
}

/// Without this the others would pass against a server that refuses everything. Documentation addresses: nothing is sent there.
fn peer_public_is_admitted(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    client.permit(&["198.51.100.7:9".parse().expect("an address")])?;
    let mut client = site.client()?;
    site.ipv6()?;
    client.allocate_by(&drafts::allocate().family(attr::REQUESTED_ADDRESS_FAMILY, V6))?;
    client.permit(&["[2001:db8::7]:9".parse().expect("an address")])
}

fn peer_loopback_ipv4_403(site: &Site) -> Check {
    refuse_v4(site, &["127.0.0.1", "127.0.0.2", "127.255.255.254"])
}

fn peer_loopback_ipv6_403(site: &Site) -> Check {
    refuse_v6(site, &["::1"], &[403])
}

fn peer_loopback_mapped_into_ipv6_is_refused(site: &Site) -> Check {
    refuse_v6(site, &["::ffff:127.0.0.1", "::ffff:127.1.2.3"], &[403, 443])
}

fn peer_loopback_embedded_in_ipv6_is_refused(site: &Site) -> Check {
    let spellings = [
        "::127.0.0.1",               // compatible
        "2002:7f00:1::1",            // 6to4
        "64:ff9b::127.0.0.1",        // NAT64
        "64:ff9b:1::127.0.0.1",      // NAT64, local prefix
        "2001:0:7f00:1::80ff:fffe",  // Teredo, server
        "2001::80ff:fffe",           // Teredo, client
        "2001:db8::5efe:127.0.0.1",  // ISATAP
        "2001:db8::200:5efe:7f00:1", // ISATAP, universal bit
    ];
    refuse_v6(site, &spellings, &[403, 443])
}

fn peer_link_local_403(site: &Site) -> Check {
    refuse_v4(site, &["169.254.0.1", "169.254.255.255"])?;
    refuse_v6(site, &["fe80::1", "febf::1"], &[403])
}

fn peer_metadata_403(site: &Site) -> Check {
    refuse_v4(site, &["169.254.169.254", "100.100.100.200", "168.63.129.16"])?;
    refuse_v6(site, &["fd00:ec2::254"], &[403])
}

fn peer_metadata_embedded_in_ipv6_is_refused(site: &Site) -> Check {
    let spellings = ["::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::", "::ffff:168.63.129.16"];
    refuse_v6(site, &spellings, &[403, 443])
}

fn peer_unspecified_403(site: &Site) -> Check {
    refuse_v4(site, &["0.0.0.0", "0.0.0.1", "0.255.255.255"])?;
    refuse_v6(site, &["::", "::ffff:0.0.0.0"], &[403, 443])
}

fn peer_multicast_403(site: &Site) -> Check {
    refuse_v4(site, &["224.0.0.1", "239.255.255.250"])?;
    refuse_v6(site, &["ff02::1", "ff0e::1"], &[403])
}

fn peer_broadcast_403(site: &Site) -> Check {
    refuse_v4(site, &["255.255.255.255"])
}

fn peer_unspecified_and_multicast_403_even_where_loopback_is_open(site: &Site) -> Check {
    refuse_v4(site, &["0.0.0.0", "224.0.0.1"])?;
    refuse_v6(site, &["::", "ff02::1"], &[403])
}

fn peer_forbidden_gets_no_send_indication(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    client.allocate()?;
    client.call(&drafts::create_permission(&[peer.address()]))?;
    client.send_to(peer.address(), b"smuggled")?;
    client.call(&drafts::channel_bind(0x4000, peer.address()))?;
    client.send(&drafts::channel_data(0x4000, b"smuggled"))?;
    peer.expect_nothing()
}

fn peer_forbidden_among_others_installs_none(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    let relayed = client.allocate()?.address();
    let forbidden = "224.0.0.1:9".parse().expect("an address");
    client.refused(&drafts::create_permission(&[peer.address(), forbidden]), &[403])?;
    peer.send(relayed, b"half a permission")?;
    client.expect_nothing()
}

fn peer_own_listener_by_channel_403(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    client.refused(&drafts::channel_bind(0x4000, site.v4), &[403]).map(drop)
}

fn peer_own_listener_by_channel_mapped_is_refused(site: &Site) -> Check {
    let mut client = site.client()?;
    site.ipv6()?;
    client.allocate_by(&drafts::allocate().family(attr::REQUESTED_ADDRESS_FAMILY, V6))?;
    let IpAddr::V4(ip) = site.v4.ip() else { return Ok(()) };
    let mapped = SocketAddr::new(ip.to_ipv6_mapped().into(), site.v4.port());
    client.refused(&drafts::channel_bind(0x4000, mapped), &[403, 443]).map(drop)
}

/// The permission is for the address, which may have other ports that are fine; the listener's own is not.
fn peer_own_listener_gets_no_send_indication(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    let permitted = client.call(&drafts::create_permission(&[site.v4]))?;
    ensure!(permitted.class() == Class::Success || permitted.code() == 403, "got {permitted}");
    client.send_to(site.v4, drafts::binding().as_bytes())?;
    client.expect_nothing()
}
