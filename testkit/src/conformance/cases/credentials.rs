//! Credentials that are missing, wrong, stale or signed over less than the message.

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::wire::{Draft, attr};
use crate::harness::{Check, Class, Client, Reply, Signer, crypto, drafts};
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    case!(integrity_without_username_400, Open, "RFC 8489 §9.2.4"),
    case!(integrity_without_realm_400, Open, "RFC 8489 §9.2.4"),
    case!(integrity_without_nonce_400, Open, "RFC 8489 §9.2.4"),
    case!(integrity_of_wrong_length_is_refused, Open, "RFC 8489 §14.5"),
    case!(wrong_password_401, Open, "RFC 8489 §9.2.4"),
    case!(unknown_user_401, Open, "RFC 8489 §9.2.4"),
    case!(hostile_user_names_401, Open, "RFC 8489 §9.2.4"),
    case!(username_longer_than_allowed_is_refused, Open, "RFC 8489 §14.3"),
    case!(changed_message_401, Open, "RFC 8489 §9.2.4"),
    case!(failed_401_carries_a_fresh_challenge, Open, "RFC 8489 §9.2.4"),
    case!(made_up_nonce_438, Open, "RFC 8489 §9.2.4"),
    case!(changed_nonce_438, Open, "RFC 8489 §9.2.4"),
    case!(old_nonce_438, Narrow, "RFC 8489 §9.2.4"),
    case!(nonce_of_438_is_good, Open, "RFC 8489 §9.2.4"),
    case!(nonce_survives_a_new_source_port, Open, "architecture: nonces"),
    case!(errors_behind_authentication_are_signed, Open, "RFC 8489 §9.2.4"),
    case!(unknown_attribute_behind_integrity_is_ignored, Open, "RFC 8489 §14.5"),
    case!(lifetime_behind_integrity_is_ignored, Open, "RFC 8489 §14.5"),
    case!(peer_behind_integrity_is_ignored, Open, "RFC 8489 §14.5"),
    case!(fingerprint_behind_integrity_is_answered, Open, "RFC 8489 §14.7"),
    case!(unknown_required_attribute_420, Open, "RFC 8489 §6.3.1"),
    case!(expired_user_name_401, Rest, "compatibility: ephemeral credentials"),
    case!(user_name_without_stamp_401, Rest, "compatibility: ephemeral credentials"),
];

/// An Allocate signed by a signer that was changed, and its answer.
fn with(site: &Site, change: impl FnOnce(&mut Signer)) -> Check<(Client, Reply)> {
    let mut client = site.client()?;
    let mut signer = client.signer()?;
    change(&mut signer);
    let reply = client.exchange(&signer.sign(drafts::allocate()))?;
    Ok((client, reply))
}

fn gets(site: &Site, code: u16, change: impl FnOnce(&mut Signer)) -> Check {
    let (_, reply) = with(site, change)?;
    ensure!(reply.code() == code, "got {reply}, not error {code}");
    Ok(())
}

fn integrity_without_username_400(site: &Site) -> Check {
    gets(site, 400, |signer| signer.username = None)
}

fn integrity_without_realm_400(site: &Site) -> Check {
    gets(site, 400, |signer| signer.realm = None)
}

fn integrity_without_nonce_400(site: &Site) -> Check {
    gets(site, 400, |signer| signer.nonce = None)
}

fn integrity_of_wrong_length_is_refused(site: &Site) -> Check {
    let mut client = site.client()?;
    let signer = client.signer()?;
    for length in [0usize, 4, 16, 19, 21, 24, 64] {
        let request = signer.identify(drafts::allocate()).attr(attr::MESSAGE_INTEGRITY, &vec![0; length]);
        let reply = client.exchange(&request)?;
        ensure!([400, 401].contains(&reply.code()), "{length} bytes got {reply}, not error 400 or 401");
    }
    Ok(())
}

fn wrong_password_401(site: &Site) -> Check {
    let key = crypto::md5_key("alice", "stunner.l7mp.io", "no password of hers");
    gets(site, 401, |signer| signer.key = key)
}

fn unknown_user_401(site: &Site) -> Check {
    gets(site, 401, |signer| signer.username = Some("mallory".into()))
}

fn hostile_user_names_401(site: &Site) -> Check {
    let long = "x".repeat(508);
    for name in
        ["'", "\"; drop table turnusers_lt; --", "%s%n%x", "\u{1}\u{7f}\n\r", "a\u{0}b", "*", "../../etc/passwd", &long]
    {
        let (_, reply) = with(site, |signer| signer.username = Some(name.into()))?;
        ensure!(reply.code() == 401, "{:?} got {reply}, not error 401", &name[..name.len().min(12)]);
    }
    Ok(())
}

fn username_longer_than_allowed_is_refused(site: &Site) -> Check {
    let (_, reply) = with(site, |signer| signer.username = Some("x".repeat(800)))?;
    ensure!([400, 401].contains(&reply.code()), "got {reply}, not error 400 or 401");
    Ok(())
}

fn changed_message_401(site: &Site) -> Check {
    let mut client = site.client()?;
    let request = drafts::allocate().number(attr::LIFETIME, 700);
    // The first attribute is REQUESTED-TRANSPORT, the second one's value starts at byte 32.
    let request = client.signer()?.sign(request).tamper(|bytes| bytes[35] ^= 1);
    let reply = client.exchange(&request)?;
    ensure!(reply.code() == 401, "got {reply}, not error 401");
    Ok(())
}

fn failed_401_carries_a_fresh_challenge(site: &Site) -> Check {
    let (mut client, reply) = with(site, |signer| signer.key[0] ^= 1)?;
    ensure!(reply.code() == 401, "got {reply}, not error 401");
    let signer = client.answer_to(&reply)?;
    client.allocate_with(&signer, &drafts::allocate()).map(drop)
}

fn made_up_nonce_438(site: &Site) -> Check {
    for nonce in ["x", "obMatJos2", "obMatJos2gAAA", "0123456789abcdef", "obMatJos2wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let (_, reply) = with(site, |signer| signer.nonce = Some(nonce.into()))?;
        ensure!(reply.code() == 438, "nonce {nonce:?} got {reply}, not error 438");
    }
    Ok(())
}

fn changed_nonce_438(site: &Site) -> Check {
    gets(site, 438, |signer| {
        if let Some(last) = signer.nonce.as_mut().and_then(|nonce| nonce.last_mut()) {
            *last = if *last == b'A' { b'B' } else { b'A' };
        }
    })
}

fn old_nonce_438(site: &Site) -> Check {
    let mut client = site.client()?;
    let signer = client.signer()?;
    std::thread::sleep(site.nonce_lifetime + Duration::from_millis(1600));
    let reply = client.exchange(&signer.sign(drafts::refresh(600)))?;
    ensure!(reply.code() == 438, "got {reply}, not error 438");
    let fresh = client.answer_to(&reply)?;
    ensure!(fresh.nonce != signer.nonce, "the nonce of the 438 is the old one");
    Ok(())
}

fn nonce_of_438_is_good(site: &Site) -> Check {
    let (mut client, reply) = with(site, |signer| signer.nonce = Some(b"yesterday".to_vec()))?;
    ensure!(reply.code() == 438, "got {reply}, not error 438");
    let signer = client.answer_to(&reply)?;
    client.allocate_with(&signer, &drafts::allocate()).map(drop)
}

fn nonce_survives_a_new_source_port(site: &Site) -> Check {
    let signer = site.client()?.signer()?;
    site.client()?.allocate_with(&signer, &drafts::allocate()).map(drop)
}

fn errors_behind_authentication_are_signed(site: &Site) -> Check {
    let mut client = site.client()?;
    let signer = client.signer()?;
    for (request, code) in [(drafts::refresh(600), 437), (Draft::request(3), 400)] {
        let reply = client.exchange(&signer.sign(request))?;
        ensure!(reply.code() == code, "got {reply}, not error {code}");
        ensure!(signer.vouches(&reply) == Some(true), "error {code} without valid integrity");
    }
    Ok(())
}

fn unknown_attribute_behind_integrity_is_ignored(site: &Site) -> Check {
    let mut client = site.client()?;
    let request = client.signer()?.sign(drafts::allocate()).attr(0x7001, b"what?");
    let reply = client.exchange_allocate(&request)?;
    ensure!(reply.class() == Class::Success, "got {reply}, not success");
    Ok(())
}

fn lifetime_behind_integrity_is_ignored(site: &Site) -> Check {
    let mut client = site.client()?;
    client.allocate()?;
    let request = client.signer()?.sign(Draft::request(4)).number(attr::LIFETIME, 0);
    let reply = client.exchange(&request)?;
    ensure!(reply.class() == Class::Success, "got {reply}, not success");
    ensure!(reply.number(attr::LIFETIME) != Some(0), "it ended the allocation");
    client.succeed(&drafts::refresh(600)).map(drop)
}

fn peer_behind_integrity_is_ignored(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?, site.peer()?);
    let relayed = client.allocate()?.address();
    let request = client.signer()?.sign(Draft::request(8)).xor_address(attr::XOR_PEER_ADDRESS, peer.address());
    let reply = client.exchange(&request)?;
    ensure!(reply.code() == 400, "got {reply}, not error 400");
    peer.send(relayed, b"let me in")?;
    client.expect_nothing()
}

fn fingerprint_behind_integrity_is_answered(site: &Site) -> Check {
    let mut client = site.client()?;
    let request = client.signer()?.sign(drafts::allocate()).fingerprint();
    let reply = client.exchange_allocate(&request)?;
    ensure!(reply.class() == Class::Success, "got {reply}, not success");
    ensure!(reply.fingerprint() == Some(true), "FINGERPRINT of the answer: {:?}", reply.fingerprint());
    Ok(())
}

fn unknown_required_attribute_420(site: &Site) -> Check {
    let mut client = site.client()?;
    let reply = client.refused(&drafts::allocate().attr(0x7001, b"what?").attr(0x8123, b"never mind"), &[420])?;
    let listed = reply.get(attr::UNKNOWN_ATTRIBUTES).unwrap_or_default();
    ensure!(listed == [0x70, 0x01], "UNKNOWN-ATTRIBUTES is {listed:02x?}");
    client.refused(&drafts::refresh(600), &[437]).map(drop)
}

fn user_gets_401(site: &Site, account: crate::harness::Account) -> Check {
    let mut client = site.client_as(account)?;
    let signer = client.signer()?;
    let reply = client.exchange(&signer.sign(drafts::allocate()))?;
    ensure!(reply.code() == 401, "got {reply}, not error 401");
    Ok(())
}

fn expired_user_name_401(site: &Site) -> Check {
    user_gets_401(site, site.user("alice", -60)?)
}

fn user_name_without_stamp_401(site: &Site) -> Check {
    let secret = site.secret.clone().unwrap_or_default();
    let password = crypto::rest_password(&secret, "alice");
    user_gets_401(site, crate::harness::Account { username: "alice".into(), password })
}
