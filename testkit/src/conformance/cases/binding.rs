//! Binding: the one method for strangers, so its answer says no more than it must.

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::wire::{attr, method};
use crate::harness::{Check, Class, Client, Draft, drafts};

pub(super) const CASES: &[Case] = &[
    case!(binding_names_the_reflexive_address_ipv4, Open, "RFC 8489 §6.3.1"),
    case!(binding_names_the_reflexive_address_ipv6, Open, "RFC 8489 §6.3.1"),
    case!(binding_answer_has_32_bytes_ipv4, Open, "architecture: answers to strangers"),
    case!(binding_answer_has_44_bytes_ipv6, Open, "architecture: answers to strangers"),
    case!(binding_with_fingerprint_gets_a_valid_one, Open, "RFC 8489 §7"),
    case!(binding_without_fingerprint_gets_none, Open, "RFC 8489 §7"),
    case!(binding_ignores_unknown_optional_attributes, Open, "RFC 8489 §6.3.1"),
    case!(binding_unknown_required_attribute_420, Open, "RFC 8489 §6.3.1"),
    case!(binding_420_lists_every_unknown_attribute, Open, "RFC 8489 §14.13"),
    case!(binding_indication_is_not_answered, Open, "RFC 8489 §6.3.2"),
    case!(binding_serves_clients_side_by_side, Open, "RFC 8489 §6.3.1"),
    case!(binding_retransmission_is_answered_again, Open, "RFC 8489 §6.3.1"),
];

fn reflexive(mut client: Client) -> Check {
    let reply = client.exchange(&drafts::binding())?;
    ensure!(reply.class() == Class::Success && reply.method() == method::BINDING, "got {reply}");
    let mapped = reply.xor_address(attr::XOR_MAPPED_ADDRESS);
    ensure!(mapped == Some(client.address()?), "XOR-MAPPED-ADDRESS is not the client's address");
    Ok(())
}

fn binding_names_the_reflexive_address_ipv4(site: &Site) -> Check {
    reflexive(site.client()?)
}

fn binding_names_the_reflexive_address_ipv6(site: &Site) -> Check {
    reflexive(site.client6()?)
}

fn alone(mut client: Client, size: usize) -> Check {
    let reply = client.exchange(&drafts::binding())?;
    let types = reply.types();
    ensure!(types == [attr::XOR_MAPPED_ADDRESS], "the answer carries attributes {types:04x?}");
    ensure!(reply.as_bytes().len() == size, "the answer has {} bytes", reply.as_bytes().len());
    Ok(())
}

fn binding_answer_has_32_bytes_ipv4(site: &Site) -> Check {
    alone(site.client()?, 32)
}

fn binding_answer_has_44_bytes_ipv6(site: &Site) -> Check {
    alone(site.client6()?, 44)
}

fn binding_with_fingerprint_gets_a_valid_one(site: &Site) -> Check {
    let reply = site.client()?.exchange(&drafts::binding().fingerprint())?;
    ensure!(reply.class() == Class::Success, "got {reply}");
    ensure!(reply.fingerprint() == Some(true), "FINGERPRINT of the answer: {:?}", reply.fingerprint());
    Ok(())
}

fn binding_without_fingerprint_gets_none(site: &Site) -> Check {
    let reply = site.client()?.exchange(&drafts::binding())?;
    ensure!(reply.fingerprint().is_none(), "the answer carries FINGERPRINT");
    Ok(())
}

fn binding_ignores_unknown_optional_attributes(site: &Site) -> Check {
    let reply = site.client()?.exchange(&drafts::binding().attr(0xFF05, b"vendor").attr(0x8FFF, b""))?;
    ensure!(reply.class() == Class::Success, "got {reply}, not success");
    Ok(())
}

fn unknown(site: &Site, request: &Draft, listed: &[u16]) -> Check {
    let reply = site.client()?.exchange(request)?;
    ensure!(reply.code() == 420, "got {reply}, not error 420");
    let value = reply.get(attr::UNKNOWN_ATTRIBUTES).unwrap_or_default();
    let mut types: Vec<u16> = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    types.sort_unstable();
    types.dedup();
    ensure!(types == listed, "UNKNOWN-ATTRIBUTES lists {types:04x?}");
    Ok(())
}

fn binding_unknown_required_attribute_420(site: &Site) -> Check {
    unknown(site, &drafts::binding().attr(0x7001, b"what?"), &[0x7001])
}

fn binding_420_lists_every_unknown_attribute(site: &Site) -> Check {
    let request = drafts::binding().attr(0x0077, b"").attr(0x8123, b"optional").attr(0x7002, b"x").attr(0x7FFF, b"yy");
    unknown(site, &request, &[0x0077, 0x7002, 0x7FFF])
}

fn binding_indication_is_not_answered(site: &Site) -> Check {
    site.client()?.ignored(Draft::new(Class::Indication, method::BINDING).as_bytes())
}

fn binding_serves_clients_side_by_side(site: &Site) -> Check {
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(site.client()?);
    }
    for client in &mut clients {
        let reply = client.exchange(&drafts::binding())?;
        let mapped = reply.xor_address(attr::XOR_MAPPED_ADDRESS);
        ensure!(mapped == Some(client.address()?), "a client was told another's address");
    }
    Ok(())
}

fn binding_retransmission_is_answered_again(site: &Site) -> Check {
    let (mut client, request) = (site.client()?, drafts::binding());
    let first = client.exchange(&request)?;
    ensure!(first == client.exchange(&request)?, "the second answer is another");
    Ok(())
}
