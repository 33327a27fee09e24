//! SHA-256, USERHASH, and what keeps somebody in the middle from talking them away (RFC 8489 §9.2).

use super::case;
use crate::conformance::{Case, Site};
use crate::ensure;
use crate::harness::{Check, Class, Scheme, Signer, drafts};

pub(super) const CASES: &[Case] = &[
    case!(sha256_password_algorithm_allocates, Open, "RFC 8489 §9.2.4"),
    case!(md5_password_algorithm_with_sha256_integrity_allocates, Open, "RFC 8489 §9.2.4"),
    case!(sha256_integrity_signs_every_answer, Open, "RFC 8489 §9.2.4"),
    case!(classic_client_is_served_next_to_sha256, Open, "RFC 8489 §9.2.4"),
    case!(sha256_wrong_password_401, Open, "RFC 8489 §9.2.4"),
    case!(sha256_integrity_under_16_bytes_is_refused, Open, "RFC 8489 §14.6"),
    case!(sha256_integrity_wins_over_sha1, Open, "RFC 8489 §9.2.4"),
    case!(password_algorithm_alone_400, Open, "RFC 8489 §9.2.4"),
    case!(password_algorithms_alone_400, Open, "RFC 8489 §9.2.4"),
    case!(shortened_password_algorithms_400, Open, "RFC 8489 §9.2.4"),
    case!(reordered_password_algorithms_400, Open, "RFC 8489 §9.2.4"),
    case!(password_algorithm_that_was_not_offered_400, Open, "RFC 8489 §9.2.4"),
    case!(nonce_with_features_struck_out_438, Open, "RFC 8489 §9.2.4"),
    case!(userhash_in_place_of_username_allocates, Open, "RFC 8489 §9.2.4"),
    case!(userhash_of_a_stranger_401, Open, "RFC 8489 §9.2.4"),
    case!(userhash_with_sha256_allocates, Open, "RFC 8489 §9.2.4"),
];

fn sha256_password_algorithm_allocates(site: &Site) -> Check {
    site.client()?.with_scheme(Scheme::Sha256).allocate().map(drop)
}

fn md5_password_algorithm_with_sha256_integrity_allocates(site: &Site) -> Check {
    site.client()?.with_scheme(Scheme::Md5).allocate().map(drop)
}

fn sha256_integrity_signs_every_answer(site: &Site) -> Check {
    let (mut client, peer) = (site.client()?.with_scheme(Scheme::Sha256), site.peer()?);
    client.allocate()?;
    client.permit(&[peer.address()])?;
    client.bind(0x4000, peer.address())?;
    client.succeed(&drafts::refresh(900))?;
    let signer = client.signer()?;
    let reply = client.refused(&drafts::allocate(), &[437])?;
    ensure!(signer.vouches(&reply) == Some(true), "an error without MESSAGE-INTEGRITY-SHA256");
    Ok(())
}

fn classic_client_is_served_next_to_sha256(site: &Site) -> Check {
    let mut modern = site.client()?.with_scheme(Scheme::Sha256);
    modern.allocate()?;
    site.client()?.allocate().map(drop)
}

fn refused(site: &Site, codes: &[u16], change: impl FnOnce(&mut Signer)) -> Check {
    let mut client = site.client()?.with_scheme(Scheme::Sha256);
    let mut signer = client.signer()?;
    change(&mut signer);
    let reply = client.exchange_allocate(&signer.sign(drafts::allocate()))?;
    ensure!(codes.contains(&reply.code()), "got {reply}, not error {codes:?}");
    Ok(())
}

fn sha256_wrong_password_401(site: &Site) -> Check {
    refused(site, &[401], |signer| signer.key[5] ^= 1)
}

fn sha256_integrity_under_16_bytes_is_refused(site: &Site) -> Check {
    let mut client = site.client()?.with_scheme(Scheme::Sha256);
    let signer = client.signer()?;
    for length in [0, 4, 12, 15] {
        let request = signer.identify(drafts::allocate()).integrity_sha256(&signer.key, length);
        let reply = client.exchange_allocate(&request)?;
        ensure!([400, 401].contains(&reply.code()), "{length} bytes got {reply}, not error 400 or 401");
    }
    Ok(())
}

fn sha256_integrity_wins_over_sha1(site: &Site) -> Check {
    let mut client = site.client()?.with_scheme(Scheme::Md5);
    let signer = client.signer()?;
    let half_right = signer.identify(drafts::allocate()).integrity(&signer.key).integrity_sha256(b"another key", 32);
    let reply = client.exchange_allocate(&half_right)?;
    ensure!(reply.code() == 401, "got {reply}, not error 401");
    let right = signer.identify(drafts::allocate()).integrity(&signer.key).integrity_sha256(&signer.key, 32);
    let reply = client.exchange_allocate(&right)?;
    ensure!(reply.class() == Class::Success, "with both attributes right it got {reply}, not success");
    Ok(())
}

fn password_algorithm_alone_400(site: &Site) -> Check {
    refused(site, &[400], |signer| signer.offered = None)
}

fn password_algorithms_alone_400(site: &Site) -> Check {
    refused(site, &[400], |signer| signer.chosen = None)
}

fn shortened_password_algorithms_400(site: &Site) -> Check {
    refused(site, &[400], |signer| {
        signer.offered = Some(vec![0, 1, 0, 0]);
        signer.chosen = Some(vec![0, 1, 0, 0]);
    })
}

fn reordered_password_algorithms_400(site: &Site) -> Check {
    refused(site, &[400], |signer| {
        let entries: Vec<&[u8]> = signer.offered.iter().flat_map(|list| list.rchunks(4)).collect();
        signer.offered = Some(entries.concat());
    })
}

fn password_algorithm_that_was_not_offered_400(site: &Site) -> Check {
    refused(site, &[400], |signer| signer.chosen = Some(vec![0, 9, 0, 0]))
}

fn nonce_with_features_struck_out_438(site: &Site) -> Check {
    let mut client = site.client()?;
    let mut signer = client.signer()?;
    let cookie = signer.nonce.as_ref().is_some_and(|nonce| nonce.starts_with(b"obMatJos2") && nonce.len() > 13);
    ensure!(cookie, "the nonce has no cookie");
    if let Some(nonce) = &mut signer.nonce {
        nonce[9..13].copy_from_slice(b"AAAA");
    }
    let reply = client.exchange_allocate(&signer.sign(drafts::allocate()))?;
    ensure!(reply.code() == 438, "got {reply}, not error 438");
    Ok(())
}

fn by_userhash(site: &Site, scheme: Scheme, change: impl FnOnce(&mut Signer)) -> Check<u16> {
    let mut client = site.client()?.with_scheme(scheme);
    let mut signer = client.signer()?;
    signer.userhash = true;
    change(&mut signer);
    let reply = client.exchange_allocate(&signer.sign(drafts::allocate()))?;
    if reply.class() == Class::Success {
        ensure!(signer.vouches(&reply) == Some(true), "a success without valid integrity");
    }
    Ok(reply.code())
}

fn userhash_in_place_of_username_allocates(site: &Site) -> Check {
    let code = by_userhash(site, Scheme::Classic, |_| ())?;
    ensure!(code == 0, "got error {code}, not success");
    Ok(())
}

fn userhash_of_a_stranger_401(site: &Site) -> Check {
    let code = by_userhash(site, Scheme::Classic, |signer| signer.username = Some("mallory".into()))?;
    ensure!(code == 401, "got error {code}, not 401");
    Ok(())
}

fn userhash_with_sha256_allocates(site: &Site) -> Check {
    let code = by_userhash(site, Scheme::Sha256, |_| ())?;
    ensure!(code == 0, "got error {code}, not success");
    Ok(())
}
