//! The writer: zero padding, sticky overflow, and lengths as the MAC needs them.

use crate::common::*;
use stun_codec::{
    AttributeType, BufferTooSmall, Class, Fingerprint, Message, MessageWriter, Method, PasswordAlgorithm,
};

/// One attribute of each shape, both MACs and a fingerprint.
fn fill(writer: &mut MessageWriter<'_>) {
    writer.username("alice").realm("r").nonce("no").even_port(true).dont_fragment();
    writer.error_code(438, "Stale Nonce").xor_mapped_address("[2001:db8::1]:9".parse().unwrap());
    writer.unknown_attributes([AttributeType(0x7001), AttributeType(0x7002), AttributeType(0x7003)]);
    writer.password_algorithms(&[PasswordAlgorithm { id: 7, params: b"x" }, PasswordAlgorithm::MD5]);
    writer.password_algorithm(PasswordAlgorithm { id: 7, params: b"x" });
    writer.integrity(|bytes| hmac_sha1(b"key", &[bytes]));
    writer.integrity_sha256(|bytes| hmac_sha256(b"key", &[bytes])).fingerprint();
}

/// The bytes between an attribute's value and the next attribute.
fn padding_bytes(message: &[u8]) -> Vec<u8> {
    let mut rest = &message[20..];
    let mut padding = Vec::new();
    while !rest.is_empty() {
        let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        padding.extend(&rest[4 + len..4 + len.next_multiple_of(4)]);
        rest = &rest[4 + len.next_multiple_of(4)..];
    }
    padding
}

#[test]
fn padding_is_zero_whatever_the_buffer_held() {
    for len in 0..9 {
        let bytes = write(Class::Request, Method::Binding, |w| {
            w.attribute(AttributeType::SOFTWARE, &vec![0xFF; len]);
        });
        assert_eq!(bytes.len(), 24 + len.next_multiple_of(4));
        assert_eq!(padding_bytes(&bytes), vec![0; stun_codec::padding(len)]);
    }
    let bytes = write(Class::Request, Method::Allocate, fill);
    assert!(padding_bytes(&bytes).len() > 15 && padding_bytes(&bytes).iter().all(|b| *b == 0));
}

#[test]
fn what_the_buffer_held_does_not_show_in_the_message() {
    let mut messages = [0x00, 0x55, 0xAA, 0xFF].map(|held| {
        let mut buf = [held; 512];
        let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Allocate, TXID);
        fill(&mut writer);
        let len = writer.finish().unwrap();
        assert!(buf[len..].iter().all(|b| *b == held), "nothing is written behind the message");
        buf[..len].to_vec()
    });
    messages.sort_unstable();
    assert_eq!(messages[0], messages[3]);
}

#[test]
fn every_buffer_that_is_too_small_is_reported_and_never_a_panic() {
    let bytes = write(Class::Request, Method::Allocate, fill);
    for len in 0..bytes.len() {
        let mut buf = vec![0; len];
        let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Allocate, TXID);
        fill(&mut writer);
        assert_eq!(writer.finish(), Err(BufferTooSmall), "{len} bytes");
    }
    let mut buf = vec![0; bytes.len()];
    let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Allocate, TXID);
    fill(&mut writer);
    assert_eq!(writer.finish(), Ok(bytes.len()));
    assert_eq!(buf, bytes);
}

#[test]
fn overflow_is_sticky() {
    let mut buf = [0; 32];
    let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Allocate, TXID);
    writer.username("much too long for this buffer").even_port(true);
    writer.integrity(|_| panic!("nothing is signed after an overflow"));
    assert!(writer.finish().is_err());
}

#[test]
fn an_endless_list_of_unknown_attributes_ends_with_the_buffer() {
    let mut buf = [0; 100_000];
    let mut writer = MessageWriter::new(&mut buf, Class::Error, Method::Allocate, TXID);
    writer.unknown_attributes(std::iter::repeat(AttributeType(0x7000)));
    assert!(writer.finish().is_err());
}

#[test]
fn the_hashed_length_ends_with_the_integrity_attribute() {
    let mut hashed = Vec::new();
    let bytes = write(Class::Request, Method::Refresh, |writer| {
        writer.lifetime(0).integrity(|bytes| {
            hashed = bytes.to_vec();
            [9; 20]
        });
        writer.fingerprint();
    });
    assert_eq!(hashed[2..4], [0, 8 + 24]);
    assert_eq!(bytes[2..4], [0, 8 + 24 + 8]);
    let check = Message::parse(&bytes).unwrap().integrity().unwrap().unwrap();
    assert_eq!([&check.header[..], check.body].concat(), hashed);
    assert_eq!(check.mac, [9; 20]);
}

#[test]
fn what_is_written_is_read_back() {
    let bytes = write(Class::Request, Method::Allocate, fill);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.username(), Ok(Some("alice")));
    assert_eq!(message.error_code().unwrap().unwrap().reason, "Stale Nonce");
    assert!(verify_sha1(&message, b"key") && verify_sha256(&message, b"key"));
    assert_eq!(message.fingerprint(), Fingerprint::Valid);
    assert_eq!(message.attributes().count(), 13);
    assert!(!BufferTooSmall.to_string().is_empty());
}

#[test]
fn the_smallest_answers_have_the_sizes_that_amplification_limits_count_on() {
    let binding = |address: &str| {
        write(Class::Success, Method::Binding, |writer| {
            writer.xor_mapped_address(address.parse().unwrap());
        })
    };
    assert_eq!(binding("192.0.2.1:1").len(), 32);
    assert_eq!(binding("[2001:db8::1]:1").len(), 44);
    let challenge = write(Class::Error, Method::Allocate, |writer| {
        writer.error_code(401, "").realm("stunner.l7mp.io").nonce(&"n".repeat(40));
        writer.password_algorithms(&[PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5]);
    });
    assert_eq!(challenge.len(), 104);
}
