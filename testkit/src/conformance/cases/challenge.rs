//! The challenge: what a request without credentials gets.

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::wire::{Draft, attr, method};
use crate::harness::{Check, Class, Reply, drafts};

pub(super) const CASES: &[Case] = &[
    case!(allocate_without_credentials_is_challenged, Open, "RFC 8489 §9.2.4"),
    case!(challenge_has_104_bytes_at_most, Open, "architecture: answers to strangers"),
    case!(challenge_carries_only_what_it_must, Open, "architecture: answers to strangers"),
    case!(challenge_has_an_empty_reason, Open, "architecture: answers to strangers"),
    case!(challenge_nonce_has_40_characters_at_most, Open, "architecture: answers to strangers"),
    case!(challenge_offers_sha256_and_md5, Open, "RFC 8489 §9.2.4"),
    case!(challenge_nonce_starts_with_the_cookie, Open, "RFC 8489 §9.2"),
    case!(challenge_of_a_shared_secret_does_not_offer_userhash, Rest, "RFC 8489 §9.2"),
    case!(challenge_nonces_differ, Open, "RFC 8489 §9.2.4"),
    case!(challenge_answers_fingerprint_with_fingerprint, Open, "RFC 8489 §7"),
    case!(every_method_without_credentials_is_challenged, Open, "RFC 8656 §5"),
    case!(credentials_come_before_unknown_attributes, Open, "RFC 8489 §6.3"),
    case!(credentials_come_before_malformed_attributes, Open, "RFC 8489 §6.3"),
];

fn challenge(site: &Site) -> Check<Reply> {
    let reply = site.client()?.exchange(&drafts::allocate())?;
    ensure!(reply.code() == 401, "got {reply}, not error 401");
    Ok(reply)
}

fn allocate_without_credentials_is_challenged(site: &Site) -> Check {
    let reply = challenge(site)?;
    ensure!(reply.class() == Class::Error && reply.method() == method::ALLOCATE, "got {reply}");
    ensure!(reply.text(attr::REALM).is_some_and(|realm| !realm.is_empty()), "no REALM");
    ensure!(reply.text(attr::NONCE).is_some_and(|nonce| !nonce.is_empty()), "no NONCE");
    for typ in [attr::USERNAME, attr::USERHASH, attr::MESSAGE_INTEGRITY, attr::MESSAGE_INTEGRITY_SHA256] {
        ensure!(!reply.has(typ), "attribute {typ:#06x} in a challenge");
    }
    Ok(())
}

fn challenge_has_104_bytes_at_most(site: &Site) -> Check {
    let reply = challenge(site)?;
    // 104 holds for the default realm of 15 bytes.
    let realm = reply.get(attr::REALM).map_or(0, |realm| realm.len().next_multiple_of(4));
    let most = 104 - 16 + realm;
    ensure!(reply.as_bytes().len() <= most, "more bytes than that");
    Ok(())
}

fn challenge_carries_only_what_it_must(site: &Site) -> Check {
    let must = [attr::ERROR_CODE, attr::REALM, attr::NONCE, attr::PASSWORD_ALGORITHMS];
    let extra: Vec<u16> = challenge(site)?.types().into_iter().filter(|typ| !must.contains(typ)).collect();
    ensure!(extra.is_empty(), "the challenge carries attributes {extra:04x?}");
    Ok(())
}

fn challenge_has_an_empty_reason(site: &Site) -> Check {
    let reply = challenge(site)?;
    let reason = reply.error().map(|(_, reason)| reason);
    ensure!(reason == Some(""), "the reason phrase is {reason:?}");
    Ok(())
}

fn challenge_nonce_has_40_characters_at_most(site: &Site) -> Check {
    let reply = challenge(site)?;
    let nonce = reply.get(attr::NONCE).unwrap_or_default();
    ensure!((1..=40).contains(&nonce.len()), "the nonce has {} characters", nonce.len());
    ensure!(nonce.iter().all(u8::is_ascii_graphic), "the nonce is not plain ASCII");
    Ok(())
}

fn challenge_offers_sha256_and_md5(site: &Site) -> Check {
    let reply = challenge(site)?;
    let offered = reply.get(attr::PASSWORD_ALGORITHMS).unwrap_or_default();
    ensure!(offered == [0, 2, 0, 0, 0, 1, 0, 0], "PASSWORD-ALGORITHMS is {offered:02x?}");
    Ok(())
}

/// The security feature bits of a nonce cookie. Bit 0 is the leftmost (RFC 8489 §18.1).
fn features(reply: &Reply) -> Check<u32> {
    let nonce = reply.get(attr::NONCE).unwrap_or_default();
    ensure!(nonce.starts_with(b"obMatJos2"), "the nonce has no cookie");
    let six = |digit: &u8| match digit {
        b'A'..=b'Z' => Some(u32::from(digit - b'A')),
        b'a'..=b'z' => Some(u32::from(digit - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(digit - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Option<Vec<u32>> = nonce.get(9..13).into_iter().flatten().map(six).collect();
    let bits =
        digits.filter(|digits| digits.len() == 4).map(|digits| digits.iter().fold(0, |bits, six| bits << 6 | six));
    bits.ok_or_else(|| crate::harness::Fault::Wrong("no base64 behind the nonce cookie".into()))
}

const ALGORITHMS: u32 = 1 << 23;
const ANONYMITY: u32 = 1 << 22;

fn challenge_nonce_starts_with_the_cookie(site: &Site) -> Check {
    let features = features(&challenge(site)?)?;
    ensure!(features & ALGORITHMS != 0, "password algorithms are not announced: {features:#08x}");
    ensure!(features & ANONYMITY != 0, "username anonymity is not announced: {features:#08x}");
    ensure!(features & !(ALGORITHMS | ANONYMITY) == 0, "unassigned features are announced: {features:#08x}");
    Ok(())
}

fn challenge_of_a_shared_secret_does_not_offer_userhash(site: &Site) -> Check {
    let features = features(&challenge(site)?)?;
    ensure!(features & ANONYMITY == 0, "nobody can invert the hash of a name that a secret made");
    Ok(())
}

fn challenge_nonces_differ(site: &Site) -> Check {
    let mut nonces = Vec::new();
    for _ in 0..4 {
        nonces.push(challenge(site)?.get(attr::NONCE).map(<[u8]>::to_vec));
    }
    nonces.sort();
    nonces.dedup();
    ensure!(nonces.len() == 4, "two clients got the same nonce");
    Ok(())
}

fn challenge_answers_fingerprint_with_fingerprint(site: &Site) -> Check {
    let reply = site.client()?.exchange(&drafts::allocate().fingerprint())?;
    ensure!(reply.code() == 401, "got {reply}, not error 401");
    ensure!(reply.fingerprint() == Some(true), "FINGERPRINT of the answer: {:?}", reply.fingerprint());
    ensure!(challenge(site)?.fingerprint().is_none(), "FINGERPRINT for a request without");
    Ok(())
}

fn every_method_without_credentials_is_challenged(site: &Site) -> Check {
    let peer = "198.51.100.7:7".parse().expect("an address");
    let requests = [drafts::refresh(600), drafts::create_permission(&[peer]), drafts::channel_bind(0x4000, peer)];
    let mut client = site.client()?;
    for request in &requests {
        let reply = client.exchange(request)?;
        ensure!(reply.code() == 401, "method {:#05x} got {reply}, not error 401", reply.method());
        ensure!(reply.has(attr::NONCE) && reply.has(attr::REALM), "a 401 without NONCE or REALM");
    }
    Ok(())
}

fn before(site: &Site, request: &Draft) -> Check {
    let reply = site.client()?.exchange(request)?;
    ensure!(reply.code() == 401, "got {reply}, not error 401");
    Ok(())
}

fn credentials_come_before_unknown_attributes(site: &Site) -> Check {
    before(site, &drafts::allocate().attr(0x7001, b"what?"))
}

fn credentials_come_before_malformed_attributes(site: &Site) -> Check {
    before(site, &Draft::request(method::ALLOCATE).attr(attr::REQUESTED_TRANSPORT, &[17]))
}
