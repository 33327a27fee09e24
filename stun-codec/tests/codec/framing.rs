//! What is a STUN message at all, and where one ends in a stream.

use crate::common::*;
use stun_codec::stream::{FrameError, Framing, frame};
use stun_codec::{AttributeType, Class, Fingerprint, Message, MessageWriter, Method, PacketKind, ParseError, classify};

#[test]
fn a_bare_header_is_a_message() {
    let bytes = raw_request(&[]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::Binding));
    assert_eq!(message.transaction_id(), TXID);
    assert_eq!(message.as_bytes(), bytes);
    assert_eq!(message.attributes().count(), 0);
    assert_eq!(message.fingerprint(), Fingerprint::Absent);
    assert_eq!(message.integrity(), Ok(None));
}

#[test]
fn wrong_first_bits_or_cookie_are_not_stun() {
    for first in [0x40, 0x80, 0xC0, 0xFF] {
        let mut bytes = raw_request(&[]);
        bytes[0] = first;
        assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::NotStun);
        assert_eq!(Message::parse(&bytes[..1]).unwrap_err(), ParseError::NotStun);
    }
    for at in 4..8 {
        let mut bytes = raw_request(&[]);
        bytes[at] ^= 1;
        assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::NotStun);
    }
}

#[test]
fn a_length_that_is_no_multiple_of_four_is_refused() {
    for length in [1, 2, 3, 5] {
        let mut bytes = raw_request(&[]);
        bytes[3] = length;
        bytes.resize(20 + usize::from(length), 0);
        assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::LengthNotMultipleOfFour);
    }
}

#[test]
fn trailing_bytes_are_refused() {
    for name in GOOD_VECTORS {
        let mut bytes = vector(name);
        bytes.push(0);
        assert_eq!(Message::parse(&bytes).unwrap_err(), ParseError::LengthMismatch);
    }
}

#[test]
fn an_attribute_may_not_end_behind_the_message() {
    for (value_len, says, ok) in
        [(4, 4, true), (4, 1, true), (4, 5, false), (4, 8, false), (0, 1, false), (4, 65_535, false)]
    {
        let mut bytes = raw_request(&[(0x8022, &vec![b'x'; value_len])]);
        bytes[22..24].copy_from_slice(&u16::to_be_bytes(says));
        let error = Message::parse(&bytes).err();
        assert_eq!(error, (!ok).then_some(ParseError::AttributeOverrun), "{says} of {value_len} bytes");
    }
}

#[test]
fn the_largest_message_is_read_to_its_end() {
    // 65,532 bytes of attributes is the most that a multiple of four in 16 bits can say.
    let filler = vec![7; 65_532 - 4 - 24 - 8];
    let bytes = write(Class::Request, Method::Binding, |writer| {
        writer.attribute(AttributeType(0xFFFF), &filler);
        writer.integrity(|bytes| hmac_sha1(b"key", &[bytes])).fingerprint();
    });
    assert_eq!(bytes.len(), 20 + 65_532);
    let message = Message::parse(&bytes).unwrap();
    assert!(verify_sha1(&message, b"key"));
    assert_eq!(message.fingerprint(), Fingerprint::Valid);
    assert_eq!(frame(&bytes), Ok(Framing::Stun(bytes.len())));
}

#[test]
fn a_message_longer_than_its_length_field_can_say_is_an_overflow() {
    let mut buf = vec![0; 80_000];
    let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Binding, TXID);
    writer.attribute(AttributeType(0xFFFF), &vec![7; 65_532]);
    assert!(writer.finish().is_err());
}

#[test]
fn every_method_and_class_survives() {
    for class in [Class::Request, Class::Indication, Class::Success, Class::Error] {
        for number in 0..0x1000 {
            let method = Method::from_u16(number);
            assert_eq!(method.to_u16(), number);
            let bytes = write(class, method, |_| {});
            let message = Message::parse(&bytes).unwrap();
            assert_eq!((message.class(), message.method()), (class, method));
        }
    }
}

#[test]
fn message_types_have_the_registered_bits() {
    for (class, method, typ) in [
        (Class::Request, Method::Binding, 0x0001),
        (Class::Error, Method::Binding, 0x0111),
        (Class::Success, Method::Allocate, 0x0103),
        (Class::Request, Method::Refresh, 0x0004),
        (Class::Indication, Method::Send, 0x0016),
        (Class::Indication, Method::Data, 0x0017),
        (Class::Request, Method::CreatePermission, 0x0008),
        (Class::Error, Method::ChannelBind, 0x0119),
        (Class::Request, Method::Connect, 0x000A),
        (Class::Request, Method::ConnectionBind, 0x000B),
        (Class::Indication, Method::ConnectionAttempt, 0x001C),
        (Class::Error, Method::Unknown(0xFFF), 0x3FFF),
    ] {
        let bytes = write(class, method, |_| {});
        assert_eq!(bytes[..2], u16::to_be_bytes(typ), "{class:?} {method:?}");
    }
}

#[test]
fn packets_are_told_apart_by_their_first_two_bits() {
    for byte in 0..=255u8 {
        let expected = match byte {
            0x00..=0x3F => PacketKind::Stun,
            0x40..=0x7F => PacketKind::ChannelData,
            0x80.. => PacketKind::Unknown,
        };
        assert_eq!(classify(byte), expected);
    }
}

#[test]
fn in_a_stream_every_prefix_needs_more_and_never_more_than_the_message() {
    for name in GOOD_VECTORS {
        let bytes = vector(name);
        for len in 0..bytes.len() {
            match frame(&bytes[..len]) {
                Ok(Framing::NeedMore(wanted)) => assert!(len < wanted && wanted <= bytes.len(), "{name}: {len} bytes"),
                other => panic!("{name}: {len} bytes: {other:?}"),
            }
        }
        assert_eq!(frame(&bytes), Ok(Framing::Stun(bytes.len())));
        let next = [&bytes[..], &bytes[..7]].concat();
        assert_eq!(frame(&next), Ok(Framing::Stun(bytes.len())));
    }
}

#[test]
fn in_a_stream_channel_data_ends_with_its_padding() {
    for data_len in 0..9usize {
        let padded = 4 + data_len.next_multiple_of(4);
        let mut bytes = vec![0x4F, 0xFF, 0, data_len as u8];
        bytes.resize(padded, 0x55);
        for len in 0..padded {
            let wanted = if len < 4 { 4 } else { padded };
            assert_eq!(frame(&bytes[..len]), Ok(Framing::NeedMore(wanted)));
        }
        assert_eq!(frame(&bytes), Ok(Framing::ChannelData { len: 4 + data_len, padded }));
    }
    assert_eq!(frame(&[0x40, 0, 0xFF, 0xFF]), Ok(Framing::NeedMore(65_540)));
}

#[test]
fn in_a_stream_wrong_bytes_are_an_error_as_soon_as_they_are_there() {
    for first in [0x80, 0xC0, 0xFF, b'G' | 0x80] {
        assert_eq!(frame(&[first]), Err(FrameError::UnknownKind));
    }
    assert_eq!(frame(&[0, 1, 0, 2]), Err(FrameError::LengthNotMultipleOfFour));
    assert_eq!(frame(&[0, 1, 0, 0, 0x21, 0x12, 0xA4]), Ok(Framing::NeedMore(20)));
    assert_eq!(frame(&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x43]), Err(FrameError::NoMagicCookie));
}

#[test]
fn errors_have_a_label_and_a_text() {
    let mut names = std::collections::HashSet::new();
    for error in [
        ParseError::Truncated,
        ParseError::NotStun,
        ParseError::LengthNotMultipleOfFour,
        ParseError::LengthMismatch,
        ParseError::AttributeOverrun,
    ] {
        assert!(names.insert(error.name()) && !error.to_string().is_empty());
    }
    for error in [FrameError::UnknownKind, FrameError::NoMagicCookie, FrameError::LengthNotMultipleOfFour] {
        assert!(names.insert(error.name()) && !error.to_string().is_empty());
    }
    assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
}

#[test]
fn debug_prints_types_and_never_values() {
    let bytes = write(Class::Request, Method::Allocate, |writer| {
        writer.username("alice-secret").attribute(AttributeType(0x7777), b"more-secret");
    });
    let text = format!("{:?}", Message::parse(&bytes).unwrap());
    assert!(text.contains("Allocate") && text.contains("USERNAME") && text.contains("0x7777"), "{text}");
    assert!(text.contains("0102030405060708090a0b0c"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}
