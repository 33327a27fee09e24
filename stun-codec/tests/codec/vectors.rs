//! The published test vectors, and a second implementation's view of them.

use crate::common::*;
use stun_codec::{
    AttributeType, Class, Fingerprint, Message, MessageWriter, Method, ParseError, TransactionId, stream,
};
use stun_types::message::{
    IntegrityAlgorithm, LongTermKeyCredentials, Message as Second, MessageIntegrityCredentials, ShortTermCredentials,
};

const TXID_5769: TransactionId =
    TransactionId([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);

fn long_term_key_text() -> String {
    format!("{LONG_TERM_USER}:{LONG_TERM_REALM}:{LONG_TERM_PASSWORD}")
}

#[test]
fn rfc5769_2_1_request() {
    let bytes = vector("rfc5769-2.1-request");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::Binding));
    assert_eq!(message.transaction_id(), TXID_5769);
    assert_eq!(message.software(), Ok(Some("STUN test client")));
    assert_eq!(message.username(), Ok(Some("evtj:h6vY")));
    assert_eq!(message.attribute(AttributeType::PRIORITY), Some(&[0x6e, 0x00, 0x01, 0xff][..]));
    assert_eq!(message.attribute(AttributeType::ICE_CONTROLLED).map(<[u8]>::len), Some(8));
    assert!(verify_sha1(&message, SHORT_TERM_PASSWORD.as_bytes()));
    assert!(!verify_sha1(&message, b"another"));
    assert_eq!(message.fingerprint(), Fingerprint::Valid);
    assert_eq!(message.integrity_sha256(), Ok(None));
}

#[test]
fn rfc5769_2_2_ipv4_response() {
    let bytes = vector("rfc5769-2.2-ipv4-response");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Success, Method::Binding));
    assert_eq!(message.software(), Ok(Some("test vector")));
    assert_eq!(message.xor_mapped_address(), Ok(Some("192.0.2.1:32853".parse().unwrap())));
    assert!(verify_sha1(&message, SHORT_TERM_PASSWORD.as_bytes()));
    assert_eq!(message.fingerprint(), Fingerprint::Valid);
}

#[test]
fn rfc5769_2_3_ipv6_response() {
    let bytes = vector("rfc5769-2.3-ipv6-response");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.software(), Ok(Some("test vector")));
    let address = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
    assert_eq!(message.xor_mapped_address(), Ok(Some(address)));
    assert!(verify_sha1(&message, SHORT_TERM_PASSWORD.as_bytes()));
    assert_eq!(message.fingerprint(), Fingerprint::Valid);
}

#[test]
fn rfc5769_2_4_long_term_request() {
    let bytes = vector("rfc5769-2.4-long-term-request");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.username(), Ok(Some(LONG_TERM_USER)));
    assert_eq!(message.nonce(), Ok(Some("f//499k954d6OL34oL9FSTvy64sA")));
    assert_eq!(message.realm(), Ok(Some(LONG_TERM_REALM)));
    assert!(verify_sha1(&message, &md5(&long_term_key_text())));
    assert_eq!(message.fingerprint(), Fingerprint::Absent);
}

#[test]
fn rfc8489_b_1_as_printed_is_rejected() {
    let bytes = vector("rfc8489-b.1-as-printed");
    assert_eq!(bytes.len(), 156);
    assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::Truncated);
    assert_eq!(stream::frame(&bytes), Ok(stream::Framing::NeedMore(176)));
}

#[test]
fn rfc8489_b_1_values_are_right() {
    let bytes = vector("rfc8489-b.1-as-printed");
    let (hashed, integrity) = bytes.split_at(bytes.len() - 36);
    assert_eq!(sha256(&format!("{LONG_TERM_USER}:{LONG_TERM_REALM}")), bytes[24..56], "USERHASH");
    let key = sha256(&long_term_key_text());
    assert_eq!(key[..4], [0xdd, 0x29, 0x5a, 0x61], "key");
    assert_eq!(hmac_sha256(&key, &[hashed]), integrity[4..], "HMAC over the printed header");
}

#[test]
fn rfc8489_b_1_corrected() {
    let bytes = vector("rfc8489-b.1-corrected");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(
        message.userhash().unwrap().map(Vec::from),
        Some(sha256(&format!("{LONG_TERM_USER}:{LONG_TERM_REALM}")))
    );
    assert_eq!(message.nonce(), Ok(Some("obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA")));
    assert_eq!(message.realm(), Ok(Some(LONG_TERM_REALM)));
    assert!(verify_sha256(&message, &sha256(&long_term_key_text())));
    assert_eq!(message.integrity(), Ok(None));
}

#[test]
fn the_second_implementation_agrees_on_the_vectors() {
    for name in GOOD_VECTORS {
        let bytes = vector(name);
        let (ours, second) = (Message::parse(&bytes).unwrap(), Second::from_bytes(&bytes).unwrap());
        assert_eq!(second.method().value(), ours.method().to_u16(), "{name}");
        let theirs: Vec<_> =
            second.iter_attributes().map(|(_, a)| (a.header.get_type().value(), a.value.to_vec())).collect();
        let ours: Vec<_> = ours.attributes().map(|a| (a.typ.0, a.value.to_vec())).collect();
        assert_eq!(ours, theirs, "{name}");
        let long_term: MessageIntegrityCredentials = LongTermKeyCredentials::new(
            LONG_TERM_USER.to_owned(),
            LONG_TERM_PASSWORD.to_owned(),
            LONG_TERM_REALM.to_owned(),
        )
        .into();
        let (credentials, algorithm) = match name {
            "rfc8489-b.1-corrected" => (long_term, IntegrityAlgorithm::Sha256),
            "rfc5769-2.4-long-term-request" => (long_term, IntegrityAlgorithm::Sha1),
            _ => (ShortTermCredentials::new(SHORT_TERM_PASSWORD.to_owned()).into(), IntegrityAlgorithm::Sha1),
        };
        assert_eq!(second.validate_integrity(&credentials).unwrap(), algorithm, "{name}");
    }
}

#[test]
fn the_second_implementation_accepts_what_we_sign() {
    for (integrity, fingerprint) in
        [("sha1", false), ("sha1", true), ("sha256", false), ("sha256", true), ("both", true)]
    {
        let bytes = write(Class::Request, Method::Allocate, |writer| {
            writer.username("alice").realm("example.org").nonce("n").requested_transport(17);
            if integrity != "sha256" {
                writer.integrity(|bytes| hmac_sha1(b"secret", &[bytes]));
            }
            if integrity != "sha1" {
                writer.integrity_sha256(|bytes| hmac_sha256(b"secret", &[bytes]));
            }
            if fingerprint {
                writer.fingerprint();
            }
        });
        let second = Second::from_bytes(&bytes).unwrap_or_else(|error| panic!("{integrity}: {error}"));
        let credentials = ShortTermCredentials::new("secret".to_owned()).into();
        let expected = if integrity == "sha1" { IntegrityAlgorithm::Sha1 } else { IntegrityAlgorithm::Sha256 };
        assert_eq!(second.validate_integrity(&credentials).unwrap(), expected);
    }
}

#[test]
fn our_writer_makes_the_vectors_that_pad_with_zeros() {
    let bytes = vector("rfc5769-2.4-long-term-request");
    let mut buf = [0xAA; 256];
    let txid = Message::parse(&bytes).unwrap().transaction_id();
    let key = md5(&long_term_key_text());
    let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Binding, txid);
    writer.username(LONG_TERM_USER).nonce("f//499k954d6OL34oL9FSTvy64sA").realm(LONG_TERM_REALM);
    writer.integrity(|hashed| hmac_sha1(&key, &[hashed]));
    let len = writer.finish().unwrap();
    assert_eq!(buf[..len], bytes);

    let bytes = vector("rfc8489-b.1-corrected");
    let message = Message::parse(&bytes).unwrap();
    let key = sha256(&long_term_key_text());
    let mut buf = [0xAA; 256];
    let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Binding, txid);
    writer.userhash(&message.userhash().unwrap().unwrap());
    writer.nonce(message.nonce().unwrap().unwrap()).realm(LONG_TERM_REALM);
    writer.integrity_sha256(|hashed| hmac_sha256(&key, &[hashed]));
    let len = writer.finish().unwrap();
    assert_eq!(buf[..len], bytes);
}

#[test]
fn every_prefix_of_every_vector_is_an_error() {
    for name in GOOD_VECTORS.into_iter().chain(["rfc8489-b.1-as-printed"]) {
        let bytes = vector(name);
        for len in 0..bytes.len() {
            assert_eq!(Message::parse(&bytes[..len]).unwrap_err(), ParseError::Truncated, "{name}: {len} bytes");
        }
    }
}

#[test]
fn every_prefix_whose_length_field_was_put_right_is_an_error_or_a_message() {
    for name in GOOD_VECTORS {
        let bytes = vector(name);
        for len in 20..bytes.len() {
            let mut cut = bytes[..len].to_vec();
            cut[2..4].copy_from_slice(&((len - 20) as u16).to_be_bytes());
            match Message::parse(&cut) {
                // Cut between two attributes: what is left verifies nothing.
                Ok(message) => assert_ne!(message.fingerprint(), Fingerprint::Valid, "{name}: {len} bytes"),
                Err(ParseError::LengthNotMultipleOfFour) => assert_ne!(len % 4, 0),
                Err(error) => assert_eq!(error, ParseError::AttributeOverrun, "{name}: {len} bytes"),
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_a_vector_with_fingerprint_is_noticed() {
    let bytes = vector("rfc5769-2.1-request");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(message) = Message::parse(&flipped) {
            assert_ne!(message.fingerprint(), Fingerprint::Valid, "bit {bit}");
        }
    }
}
