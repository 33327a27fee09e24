//! RFC 8489 §14: which attributes count, which are unknown, and what integrity and fingerprint cover.

use crate::common::*;
use stun_codec::{AttributeFault, AttributeType, Class, Fingerprint, Message, Method, Sha256Length};

const KEY: &[u8] = b"key";
const LIFETIME: u16 = 0x000D;
const MI: u16 = 0x0008;
const MI_SHA256: u16 = 0x001C;
const FINGERPRINT: u16 = 0x8028;

fn signed(sha1: bool, sha256: bool) -> Vec<u8> {
    write(Class::Request, Method::Refresh, |writer| {
        writer.lifetime(600);
        if sha1 {
            writer.integrity(|bytes| hmac_sha1(KEY, &[bytes]));
        }
        if sha256 {
            writer.integrity_sha256(|bytes| hmac_sha256(KEY, &[bytes]));
        }
    })
}

/// Adds a right FINGERPRINT to bytes made by hand.
fn with_fingerprint(mut bytes: Vec<u8>) -> Vec<u8> {
    append(&mut bytes, FINGERPRINT, &[0; 4]);
    let crc = stun_types::attribute::Fingerprint::compute(&[&bytes[..bytes.len() - 8]]);
    let crc = u32::from_be_bytes(crc) ^ 0x5354_554E;
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[test]
fn nothing_appended_behind_integrity_has_an_effect() {
    for (sha1, sha256) in [(true, false), (false, true), (true, true)] {
        let plain = signed(sha1, sha256);
        let before: Vec<_> = Message::parse(&plain).unwrap().attributes().collect();
        let types = AttributeType::KNOWN.iter().map(|typ| typ.0).chain([0x0024, 0x7777, 0xFFFF]);
        for typ in types.filter(|typ| ![FINGERPRINT, MI_SHA256].contains(typ)) {
            for value in [&[][..], &[0, 0, 0, 0], &[0; 8], &[9; 20]] {
                let mut bytes = plain.clone();
                append(&mut bytes, typ, value);
                for bytes in [bytes.clone(), with_fingerprint(bytes)] {
                    let message = Message::parse(&bytes).unwrap();
                    let after: Vec<_> = message.attributes().filter(|a| a.typ != AttributeType::FINGERPRINT).collect();
                    assert_eq!(after, before, "type {typ:#x}");
                    assert_eq!(message.unknown_required().count(), 0, "type {typ:#x}");
                    assert_eq!(message.lifetime(), Ok(Some(600)));
                    assert_eq!(message.xor_peer_addresses().count(), 0);
                    assert_ne!(message.fingerprint(), Fingerprint::Invalid);
                    let is_integrity = [MI, MI_SHA256].contains(&typ);
                    assert!(is_integrity || !message.has(AttributeType(typ)) || typ == LIFETIME, "type {typ:#x}");
                    assert_eq!(message.integrity().unwrap().is_some(), sha1);
                    assert_eq!(message.integrity_sha256().unwrap().is_some(), sha256);
                    assert!(!sha1 || verify_sha1(&message, KEY));
                    assert!(!sha256 || verify_sha256(&message, KEY));
                }
            }
        }
    }
}

#[test]
fn sha256_counts_behind_sha1_but_not_the_other_way_round() {
    let mut bytes = signed(true, true);
    assert!(verify_sha256(&Message::parse(&bytes).unwrap(), KEY));
    append(&mut bytes, MI_SHA256, &[1; 32]);
    assert!(verify_sha256(&Message::parse(&bytes).unwrap(), KEY), "the first one counts");

    let mut bytes = signed(false, true);
    append(&mut bytes, MI, &[1; 20]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.integrity(), Ok(None));
    assert!(!message.has(AttributeType::MESSAGE_INTEGRITY));
    assert!(verify_sha256(&message, KEY));
}

#[test]
fn sha256_behind_an_ignored_attribute_still_counts() {
    // It covers the ignored attribute as well: the sender hashed all that stands in front.
    let bytes = write(Class::Request, Method::Refresh, |writer| {
        writer.lifetime(600).integrity(|bytes| hmac_sha1(KEY, &[bytes])).lifetime(0);
        writer.integrity_sha256(|bytes| hmac_sha256(KEY, &[bytes]));
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.lifetime(), Ok(Some(600)));
    assert!(verify_sha1(&message, KEY) && verify_sha256(&message, KEY));
    let types: Vec<_> = message.attributes().map(|a| a.typ.0).collect();
    assert_eq!(types, [LIFETIME, MI, MI_SHA256]);
}

#[test]
fn a_wrong_length_of_integrity_is_an_error_and_still_hides_what_follows() {
    for len in 0..40 {
        let mut bytes = raw_request(&[(LIFETIME, &[0, 0, 2, 88]), (MI, &vec![1; len]), (0x0012, &[0; 8])]);
        let message = Message::parse(&bytes).unwrap();
        let error = message.integrity().err().map(|error| (error.typ, error.fault));
        let expected = (len != 20).then_some((AttributeType::MESSAGE_INTEGRITY, AttributeFault::Length));
        assert_eq!(error, expected, "{len} bytes");
        assert_eq!(message.xor_peer_address(), Ok(None));

        bytes = raw_request(&[(LIFETIME, &[0, 0, 2, 88]), (MI_SHA256, &vec![1; len]), (0x7777, &[0; 8])]);
        let message = Message::parse(&bytes).unwrap();
        let fits = [16, 20, 24, 28, 32].contains(&len);
        assert_eq!(message.integrity_sha256().is_ok(), fits, "{len} bytes");
        assert_eq!(message.unknown_required().count(), 0);
    }
}

#[test]
fn sha256_may_be_truncated_to_sixteen_bytes() {
    for length in [Sha256Length::L16, Sha256Length::L20, Sha256Length::L24, Sha256Length::L28, Sha256Length::L32] {
        let bytes = write(Class::Request, Method::Refresh, |writer| {
            writer.integrity_sha256_truncated(length, |bytes| hmac_sha256(KEY, &[bytes])).fingerprint();
        });
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.integrity_sha256().unwrap().unwrap().mac.len(), length as usize);
        assert!(verify_sha256(&message, KEY) && !verify_sha256(&message, b"another"));
        assert_eq!(message.fingerprint(), Fingerprint::Valid);
    }
}

#[test]
fn fingerprint_counts_only_as_the_last_attribute() {
    let bytes = with_fingerprint(raw_request(&[(LIFETIME, &[0, 0, 2, 88])]));
    assert_eq!(Message::parse(&bytes).unwrap().fingerprint(), Fingerprint::Valid);

    let mut followed = bytes.clone();
    append(&mut followed, 0x8022, b"x");
    let message = Message::parse(&followed).unwrap();
    assert_eq!(message.fingerprint(), Fingerprint::Absent);
    assert!(!message.has(AttributeType::FINGERPRINT));
    assert_eq!(message.software(), Ok(Some("x")));
    assert_eq!(message.attributes().count(), 2);

    let twice = with_fingerprint(followed);
    let message = Message::parse(&twice).unwrap();
    assert_eq!(message.fingerprint(), Fingerprint::Valid);
    assert_eq!(message.attributes().count(), 3);
}

#[test]
fn a_fingerprint_of_wrong_length_is_invalid() {
    for len in [0, 1, 3, 5, 8] {
        let bytes = raw_request(&[(FINGERPRINT, &vec![0; len])]);
        assert_eq!(Message::parse(&bytes).unwrap().fingerprint(), Fingerprint::Invalid, "{len} bytes");
    }
}

#[test]
fn unknown_required_attributes_are_listed_in_order() {
    let bytes = raw_request(&[
        (0x7FFF, b""),
        (0x8FFF, b"optional"),
        (LIFETIME, &[0, 0, 2, 88]),
        (0x0024, &[0; 4]),
        (0x0002, &[0; 8]),
        (FINGERPRINT, &[0; 4]),
    ]);
    let message = Message::parse(&bytes).unwrap();
    let unknown: Vec<_> = message.unknown_required().map(|typ| typ.0).collect();
    assert_eq!(unknown, [0x7FFF, 0x0024, 0x0002], "ICE's and RFC 3489's attributes have a name only");
}

#[test]
fn of_several_attributes_of_a_type_the_first_counts() {
    let (first, second) = ([1; 40], [2; 40]);
    for typ in AttributeType::KNOWN.iter().copied().chain([AttributeType(0x7777), AttributeType(0xFFFF)]) {
        if typ == AttributeType::FINGERPRINT {
            continue; // the last attribute counts, see above
        }
        let bytes = raw_request(&[(typ.0, &first), (0x8022, b"between"), (typ.0, &second)]);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.attribute(typ), Some(&first[..]), "{typ}");
    }
    let bytes = write(Class::Request, Method::Refresh, |writer| {
        writer.lifetime(1).lifetime(2).xor_peer_address("192.0.2.1:1".parse().unwrap());
        writer.xor_peer_address("192.0.2.2:2".parse().unwrap());
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.lifetime(), Ok(Some(1)));
    assert_eq!(message.xor_peer_address(), Ok(Some("192.0.2.1:1".parse().unwrap())));
    assert_eq!(message.xor_peer_addresses().count(), 2);
}

#[test]
fn a_malformed_first_one_is_not_healed_by_a_second() {
    let bytes = raw_request(&[(LIFETIME, &[0, 0, 2]), (LIFETIME, &[0, 0, 2, 88])]);
    assert!(Message::parse(&bytes).unwrap().lifetime().is_err());
}

#[test]
fn types_that_share_a_presence_bit_are_told_apart() {
    // SOFTWARE alone, asked for every other type.
    let bytes = raw_request(&[(0x8022, b"x")]);
    let message = Message::parse(&bytes).unwrap();
    for typ in 0..=u16::MAX {
        assert_eq!(message.has(AttributeType(typ)), typ == 0x8022, "{typ:#x}");
    }
}

#[test]
fn comprehension_is_required_below_0x8000() {
    assert!(AttributeType(0x7FFF).is_comprehension_required());
    assert!(!AttributeType(0x8000).is_comprehension_required());
    assert!(AttributeType::KNOWN.is_sorted());
    for typ in AttributeType::KNOWN {
        assert!(typ.is_known() && typ.name().is_some());
    }
    assert_eq!(AttributeType::PRIORITY.name(), Some("PRIORITY"));
    assert!(!AttributeType::PRIORITY.is_known());
    assert_eq!(AttributeType(0x7777).to_string(), "0x7777");
}
