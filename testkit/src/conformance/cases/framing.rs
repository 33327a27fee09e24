//! What is no message, or none for a server, goes unanswered, and the server lives on.

use super::case;
use crate::conformance::{Case, Site};
use crate::harness::wire::{attr, fresh_id, method};
use crate::harness::{Check, Class, Draft, drafts};

pub(super) const CASES: &[Case] = &[
    case!(garbage_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(empty_datagram_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(largest_datagram_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(truncated_binding_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(truncated_signed_allocate_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(wrong_magic_cookie_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(length_not_a_multiple_of_four_is_not_answered, Open, "RFC 8489 §5"),
    case!(length_beyond_the_datagram_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(length_short_of_the_datagram_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(attribute_beyond_the_message_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(wrong_fingerprint_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(wrong_fingerprint_on_allocate_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(responses_are_not_answered, Open, "RFC 8489 §6.3"),
    case!(unknown_method_is_not_answered, Open, "RFC 8489 §6.3"),
    case!(send_and_data_as_requests_are_not_answered, Open, "RFC 8489 §6.3"),
    case!(requests_as_indications_are_not_answered, Open, "RFC 8489 §6.3"),
    case!(data_indication_to_the_server_is_ignored, Open, "RFC 8656 §11"),
    case!(channel_data_of_a_stranger_is_ignored, Open, "RFC 8656 §12.6"),
];

fn garbage_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    for length in [1usize, 2, 3, 4, 7, 12, 19, 20, 21, 24, 40, 77, 172, 548, 1200, 1500] {
        for first in [0x00, 0x01, 0x03, 0x3F, 0x40, 0x4F, 0x7F, 0x80, 0xC0, 0xFF] {
            let noise: Vec<u8> = std::iter::repeat_with(fresh_id).flatten().take(length).collect();
            let noise: Vec<u8> = std::iter::once(first).chain(noise).take(length).collect();
            client.send(&noise)?;
        }
        client.ignored(&[0xFF])?;
    }
    Ok(())
}

fn empty_datagram_is_not_answered(site: &Site) -> Check {
    site.client()?.ignored(&[])
}

fn largest_datagram_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    let body = vec![0xA5; 65_507 - 20];
    let draft = drafts::binding().tamper(|bytes| bytes.extend(&body));
    client.ignored(draft.clone().declare(65_484).as_bytes())?;
    client.ignored(draft.declare(0).as_bytes())?;
    client.ignored(&vec![0x40; 65_507])
}

fn truncated_binding_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    let whole = drafts::binding().attr(attr::SOFTWARE, b"test").fingerprint().into_bytes();
    (0..whole.len()).try_for_each(|length| client.ignored(&whole[..length]))
}

fn truncated_signed_allocate_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    let whole = client.signer()?.sign(drafts::allocate()).fingerprint().into_bytes();
    (0..whole.len()).try_for_each(|length| client.ignored(&whole[..length]))
}

fn wrong_magic_cookie_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    client.ignored(drafts::binding().tamper(|bytes| bytes[7] ^= 1).as_bytes())?;
    client.ignored(drafts::allocate().tamper(|bytes| bytes[4..8].fill(0)).as_bytes())
}

fn length_not_a_multiple_of_four_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    let odd = drafts::binding().tamper(|bytes| bytes.extend([0x80, 0x22, 0, 1, b'x']));
    client.ignored(odd.declare(5).as_bytes())?;
    client.ignored(drafts::binding().tamper(|bytes| bytes.extend([0, 0])).declare(2).as_bytes())
}

fn length_beyond_the_datagram_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    client.ignored(drafts::binding().declare(4).as_bytes())?;
    client.ignored(drafts::allocate().declare(65_532).as_bytes())
}

fn length_short_of_the_datagram_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    client.ignored(drafts::binding().attr(attr::SOFTWARE, b"test").declare(0).as_bytes())?;
    client.ignored(drafts::allocate().tamper(|bytes| bytes.push(0)).as_bytes())
}

fn attribute_beyond_the_message_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    let overrun =
        |length: u8| drafts::binding().attr(attr::SOFTWARE, b"test").tamper(|bytes| bytes[23] = length).into_bytes();
    client.ignored(&overrun(5))?;
    client.ignored(&overrun(255))?;
    // Two bytes of a further attribute's header are no attribute.
    client.ignored(drafts::binding().tamper(|bytes| bytes.extend([0x80, 0x22, 0xFF, 0xFF])).declare(4).as_bytes())
}

fn wrong_fingerprint_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    client.ignored(drafts::binding().fingerprint().tamper(|bytes| bytes[27] ^= 1).as_bytes())
}

fn wrong_fingerprint_on_allocate_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    client.ignored(drafts::allocate().fingerprint().tamper(|bytes| bytes[35] ^= 0x80).as_bytes())
}

fn responses_are_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    for class in [Class::Success, Class::Error] {
        for method in [method::BINDING, method::ALLOCATE, method::CHANNEL_BIND] {
            client.ignored(Draft::new(class, method).as_bytes())?;
        }
    }
    Ok(())
}

fn unknown_method_is_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    [0x000, 0x002, 0x005, 0x00D, 0x0FF, 0x800, 0xFFF]
        .into_iter()
        .try_for_each(|method| client.ignored(Draft::request(method).as_bytes()))
}

fn send_and_data_as_requests_are_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    client.ignored(Draft::request(method::SEND).as_bytes())?;
    client.ignored(Draft::request(method::DATA).as_bytes())
}

fn requests_as_indications_are_not_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    for method in [method::ALLOCATE, method::REFRESH, method::CREATE_PERMISSION, method::CHANNEL_BIND] {
        client.ignored(Draft::new(Class::Indication, method).as_bytes())?;
    }
    Ok(())
}

fn data_indication_to_the_server_is_ignored(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    client.allocate()?;
    client.permit(&[peer.address()])?;
    let data = Draft::new(Class::Indication, method::DATA)
        .xor_address(attr::XOR_PEER_ADDRESS, peer.address())
        .attr(attr::DATA, b"wrong way");
    client.ignored(data.as_bytes())?;
    peer.expect_nothing()
}

fn channel_data_of_a_stranger_is_ignored(site: &Site) -> Check {
    let mut client = site.client()?;
    client.ignored(&drafts::channel_data(0x4000, b"who?"))?;
    client.ignored(&drafts::channel_data(0x4FFF, b""))
}
