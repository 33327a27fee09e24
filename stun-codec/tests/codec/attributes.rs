//! Every typed attribute: its bytes as the RFC draws them, read back, and malformed.

use crate::common::*;
use std::net::SocketAddr;
use stun_codec::{
    AddressErrorCode, AddressFamily, AttributeError, AttributeFault, AttributeType, ChangeRequest, ChannelNumber,
    Class, ErrorCode, Icmp, Message, MessageWriter, Method, PasswordAlgorithm,
};

/// What the writer makes of one attribute: its value's bytes.
fn value<F>(typ: AttributeType, fill: F) -> Vec<u8>
where
    F: for<'w, 'b> FnOnce(&'w mut MessageWriter<'b>) -> &'w mut MessageWriter<'b>,
{
    let bytes = write(Class::Request, Method::Allocate, |w| {
        fill(w);
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.attributes().map(|a| a.typ).collect::<Vec<_>>(), [typ]);
    message.attribute(typ).unwrap().to_vec()
}

/// Reads an attribute with that value.
fn read<T>(typ: AttributeType, value: &[u8], read: impl FnOnce(&Message<'_>) -> T) -> T {
    read(&Message::parse(&raw_request(&[(typ.0, value)])).unwrap())
}

type Reader = fn(&Message<'_>) -> Result<bool, AttributeError>;

/// All accessors; each says whether the attribute is there.
const READERS: &[(AttributeType, Reader)] = &[
    (AttributeType::MAPPED_ADDRESS, |m| m.mapped_address().map(|v| v.is_some())),
    (AttributeType::CHANGE_REQUEST, |m| m.change_request().map(|v| v.is_some())),
    (AttributeType::USERNAME, |m| m.username().map(|v| v.is_some())),
    (AttributeType::MESSAGE_INTEGRITY, |m| m.integrity().map(|v| v.is_some())),
    (AttributeType::ERROR_CODE, |m| m.error_code().map(|v| v.is_some())),
    (AttributeType::UNKNOWN_ATTRIBUTES, |m| m.unknown_attributes().map(|v| v.is_some())),
    (AttributeType::CHANNEL_NUMBER, |m| m.channel_number().map(|v| v.is_some())),
    (AttributeType::LIFETIME, |m| m.lifetime().map(|v| v.is_some())),
    (AttributeType::XOR_PEER_ADDRESS, |m| m.xor_peer_address().map(|v| v.is_some())),
    (AttributeType::DATA, |m| m.data().map(|v| v.is_some())),
    (AttributeType::REALM, |m| m.realm().map(|v| v.is_some())),
    (AttributeType::NONCE, |m| m.nonce().map(|v| v.is_some())),
    (AttributeType::XOR_RELAYED_ADDRESS, |m| m.xor_relayed_address().map(|v| v.is_some())),
    (AttributeType::REQUESTED_ADDRESS_FAMILY, |m| m.requested_address_family().map(|v| v.is_some())),
    (AttributeType::EVEN_PORT, |m| m.even_port().map(|v| v.is_some())),
    (AttributeType::REQUESTED_TRANSPORT, |m| m.requested_transport().map(|v| v.is_some())),
    (AttributeType::DONT_FRAGMENT, |m| Ok(m.dont_fragment())),
    (AttributeType::ACCESS_TOKEN, |m| m.access_token().map(|v| v.is_some())),
    (AttributeType::MESSAGE_INTEGRITY_SHA256, |m| m.integrity_sha256().map(|v| v.is_some())),
    (AttributeType::PASSWORD_ALGORITHM, |m| m.password_algorithm().map(|v| v.is_some())),
    (AttributeType::USERHASH, |m| m.userhash().map(|v| v.is_some())),
    (AttributeType::XOR_MAPPED_ADDRESS, |m| m.xor_mapped_address().map(|v| v.is_some())),
    (AttributeType::RESERVATION_TOKEN, |m| m.reservation_token().map(|v| v.is_some())),
    (AttributeType::PADDING, |m| m.padding().map(|v| v.is_some())),
    (AttributeType::RESPONSE_PORT, |m| m.response_port().map(|v| v.is_some())),
    (AttributeType::CONNECTION_ID, |m| m.connection_id().map(|v| v.is_some())),
    (AttributeType::ADDITIONAL_ADDRESS_FAMILY, |m| m.additional_address_family().map(|v| v.is_some())),
    (AttributeType::ADDRESS_ERROR_CODE, |m| m.address_error_code().map(|v| v.is_some())),
    (AttributeType::PASSWORD_ALGORITHMS, |m| m.password_algorithms().map(|v| v.is_some())),
    (AttributeType::ALTERNATE_DOMAIN, |m| m.alternate_domain().map(|v| v.is_some())),
    (AttributeType::ICMP, |m| m.icmp().map(|v| v.is_some())),
    (AttributeType::SOFTWARE, |m| m.software().map(|v| v.is_some())),
    (AttributeType::ALTERNATE_SERVER, |m| m.alternate_server().map(|v| v.is_some())),
    (AttributeType::CACHE_TIMEOUT, |m| m.cache_timeout().map(|v| v.is_some())),
    (AttributeType::FINGERPRINT, |m| Ok(m.fingerprint() != stun_codec::Fingerprint::Absent)),
    (AttributeType::RESPONSE_ORIGIN, |m| m.response_origin().map(|v| v.is_some())),
    (AttributeType::OTHER_ADDRESS, |m| m.other_address().map(|v| v.is_some())),
    (AttributeType::THIRD_PARTY_AUTHORIZATION, |m| m.third_party_authorization().map(|v| v.is_some())),
    (AttributeType::MOBILITY_TICKET, |m| m.mobility_ticket().map(|v| v.is_some())),
];

/// Lengths of those attributes whose length is checked.
fn lengths(typ: AttributeType) -> Option<&'static [usize]> {
    Some(match typ {
        AttributeType::MAPPED_ADDRESS
        | AttributeType::XOR_MAPPED_ADDRESS
        | AttributeType::XOR_PEER_ADDRESS
        | AttributeType::XOR_RELAYED_ADDRESS
        | AttributeType::ALTERNATE_SERVER
        | AttributeType::RESPONSE_ORIGIN
        | AttributeType::OTHER_ADDRESS => &[8],
        AttributeType::CHANGE_REQUEST
        | AttributeType::CHANNEL_NUMBER
        | AttributeType::LIFETIME
        | AttributeType::REQUESTED_ADDRESS_FAMILY
        | AttributeType::ADDITIONAL_ADDRESS_FAMILY
        | AttributeType::REQUESTED_TRANSPORT
        | AttributeType::CONNECTION_ID
        | AttributeType::CACHE_TIMEOUT => &[4],
        AttributeType::EVEN_PORT => &[1],
        AttributeType::RESPONSE_PORT => &[2, 4],
        AttributeType::RESERVATION_TOKEN | AttributeType::ICMP => &[8],
        AttributeType::USERHASH => &[32],
        AttributeType::MESSAGE_INTEGRITY => &[20],
        AttributeType::MESSAGE_INTEGRITY_SHA256 => &[16, 20, 24, 28, 32],
        _ => return None,
    })
}

#[test]
fn every_known_type_has_an_accessor() {
    let types: Vec<_> = READERS.iter().map(|(typ, _)| *typ).collect();
    assert_eq!(types, AttributeType::KNOWN);
    let empty = raw_request(&[]);
    let message = Message::parse(&empty).unwrap();
    for (typ, read) in READERS {
        assert_eq!(read(&message), Ok(false), "{typ}");
    }
}

#[test]
fn a_malformed_length_is_an_attribute_error_of_that_type() {
    for (typ, reader) in READERS {
        for len in 0..70 {
            // Right in content for its type, so that only the length can be wrong.
            let fill = match *typ {
                AttributeType::CHANNEL_NUMBER => 0x41,
                AttributeType::ICMP => 0,
                _ => 1,
            };
            let bytes = vec![fill; len];
            let result = read(*typ, &bytes, reader);
            if let Err(error) = result {
                assert_eq!(error.typ, *typ);
                assert!(error.to_string().starts_with(typ.name().unwrap()) && !error.name().is_empty());
            }
            if let Some(lengths) = lengths(*typ) {
                assert_eq!(result.is_ok(), lengths.contains(&len), "{typ} of {len} bytes: {result:?}");
                assert!(result.is_ok() || result.unwrap_err().fault == AttributeFault::Length, "{typ}");
            }
        }
    }
}

#[test]
fn addresses() {
    let v4: SocketAddr = "192.0.2.1:32853".parse().unwrap();
    let v6: SocketAddr = "[2001:db8::1]:1".parse().unwrap();
    let mapped: SocketAddr = "[::ffff:192.0.2.1]:2".parse().unwrap();
    type Write = for<'w, 'b> fn(&'w mut MessageWriter<'b>, SocketAddr) -> &'w mut MessageWriter<'b>;
    type Read = fn(&Message<'_>) -> Result<Option<SocketAddr>, AttributeError>;
    let plain: [(AttributeType, Write, Read); 4] = [
        (AttributeType::MAPPED_ADDRESS, |w, a| w.mapped_address(a), |m| m.mapped_address()),
        (AttributeType::ALTERNATE_SERVER, |w, a| w.alternate_server(a), |m| m.alternate_server()),
        (AttributeType::RESPONSE_ORIGIN, |w, a| w.response_origin(a), |m| m.response_origin()),
        (AttributeType::OTHER_ADDRESS, |w, a| w.other_address(a), |m| m.other_address()),
    ];
    let xored: [(AttributeType, Write, Read); 3] = [
        (AttributeType::XOR_MAPPED_ADDRESS, |w, a| w.xor_mapped_address(a), |m| m.xor_mapped_address()),
        (AttributeType::XOR_PEER_ADDRESS, |w, a| w.xor_peer_address(a), |m| m.xor_peer_address()),
        (AttributeType::XOR_RELAYED_ADDRESS, |w, a| w.xor_relayed_address(a), |m| m.xor_relayed_address()),
    ];
    for (i, (typ, write, reader)) in plain.into_iter().chain(xored).enumerate() {
        for address in [v4, v6, mapped] {
            let bytes = value(typ, |writer| write(writer, address));
            assert_eq!(read(typ, &bytes, reader), Ok(Some(address)), "{typ}");
            let mut unknown = bytes.clone();
            unknown[1] = 3;
            let error = AttributeError { typ, fault: AttributeFault::Value };
            assert_eq!(read(typ, &unknown, reader), Err(error));
            // The first byte is ignored; a length that belongs to the other family is not.
            let mut other = bytes.clone();
            other[0] = 0xFF;
            assert_eq!(read(typ, &other, reader), Ok(Some(address)), "{typ}");
            other[1] ^= 3;
            assert_eq!(read(typ, &other, reader).unwrap_err().fault, AttributeFault::Length);
        }
        let bytes = value(typ, |writer| write(writer, v4));
        let expected =
            if i < 4 { [0, 1, 0x80, 0x55, 192, 0, 2, 1] } else { [0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43] };
        assert_eq!(bytes, expected, "{typ}");
    }
}

#[test]
fn all_peer_addresses_are_iterated_and_a_malformed_one_in_its_place() {
    let (a, b) = ("192.0.2.1:1".parse().unwrap(), "[2001:db8::2]:2".parse().unwrap());
    let mut bytes = write(Class::Request, Method::CreatePermission, |writer| {
        writer.xor_peer_address(a).lifetime(0);
    });
    append(&mut bytes, 0x0012, &[0, 9]);
    let rest = write(Class::Request, Method::CreatePermission, |writer| {
        writer.xor_peer_address(b);
    });
    append(&mut bytes, 0x0012, Message::parse(&rest).unwrap().attribute(AttributeType::XOR_PEER_ADDRESS).unwrap());
    let message = Message::parse(&bytes).unwrap();
    let malformed = AttributeError { typ: AttributeType::XOR_PEER_ADDRESS, fault: AttributeFault::Length };
    assert_eq!(message.xor_peer_addresses().collect::<Vec<_>>(), [Ok(a), Err(malformed), Ok(b)]);
}

#[test]
fn texts_must_be_utf8_and_have_the_rfcs_lengths() {
    type Read = for<'m> fn(&Message<'m>) -> Result<Option<&'m str>, AttributeError>;
    let readers: [(AttributeType, Read, usize); 6] = [
        (AttributeType::USERNAME, |m| m.username(), 512),
        (AttributeType::REALM, |m| m.realm(), 763),
        (AttributeType::NONCE, |m| m.nonce(), 763),
        (AttributeType::SOFTWARE, |m| m.software(), 763),
        (AttributeType::ALTERNATE_DOMAIN, |m| m.alternate_domain(), 763),
        (AttributeType::THIRD_PARTY_AUTHORIZATION, |m| m.third_party_authorization(), 763),
    ];
    for (typ, reader, max) in readers {
        let check = |value: &[u8]| read(typ, value, |m| reader(m).map(|text| text.map(str::len)));
        assert_eq!(check(b""), Ok(Some(0)));
        assert_eq!(check("é%n\0'\"".as_bytes()), Ok(Some(7)));
        assert_eq!(check(&vec![b'x'; max]), Ok(Some(max)));
        assert_eq!(check(&vec![b'x'; max + 1]), Err(AttributeError { typ, fault: AttributeFault::Length }));
        assert_eq!(check(b"\xFF"), Err(AttributeError { typ, fault: AttributeFault::Value }));
    }
    assert_eq!(value(AttributeType::USERNAME, |w| w.username("alice")), b"alice");
    assert_eq!(value(AttributeType::REALM, |w| w.realm("r")), b"r");
    assert_eq!(value(AttributeType::NONCE, |w| w.nonce("n")), b"n");
    assert_eq!(value(AttributeType::SOFTWARE, |w| w.software("s")), b"s");
    assert_eq!(value(AttributeType::ALTERNATE_DOMAIN, |w| w.alternate_domain("d")), b"d");
    let typ = AttributeType::THIRD_PARTY_AUTHORIZATION;
    assert_eq!(value(typ, |w| w.third_party_authorization("t")), b"t");
}

#[test]
fn error_code() {
    let typ = AttributeType::ERROR_CODE;
    for code in 300..700 {
        let bytes = value(typ, |w| w.error_code(code, "why"));
        assert_eq!(bytes[..4], [0, 0, (code / 100) as u8, (code % 100) as u8]);
        let expected = ErrorCode { code, reason: "why" };
        read(typ, &bytes, |m| assert_eq!(m.error_code(), Ok(Some(expected))));
    }
    assert_eq!(value(typ, |w| w.error_code(401, "")).len(), 4);
    for bad in [&[0, 0, 2, 99][..], &[0, 0, 7, 0], &[0, 0, 4, 100], &[0, 0, 4, 1, 0xFF]] {
        read(typ, bad, |m| {
            assert_eq!(m.error_code().unwrap_err().fault, AttributeFault::Value, "{bad:?}");
        });
    }
    for len in 0..4 {
        read(typ, &[0, 0, 4][..len.min(3)], |m| {
            assert_eq!(m.error_code().unwrap_err().fault, AttributeFault::Length);
        });
    }
    read(typ, &[0xFF, 0xFF, 0xFC, 1], |m| {
        assert_eq!(m.error_code().unwrap().unwrap().code, 401);
    });
}

#[test]
fn address_error_code() {
    let typ = AttributeType::ADDRESS_ERROR_CODE;
    let bytes = value(typ, |w| w.address_error_code(AddressFamily::V6, 440));
    assert_eq!(bytes, [2, 0, 4, 40]);
    let expected = AddressErrorCode { family: AddressFamily::V6, code: 440, reason: "" };
    read(typ, &bytes, |m| assert_eq!(m.address_error_code(), Ok(Some(expected))));
    read(typ, &[3, 0, 4, 40], |m| {
        assert_eq!(m.address_error_code().unwrap_err().fault, AttributeFault::Value);
    });
    read(typ, &[2, 0, 4], |m| {
        assert_eq!(m.address_error_code().unwrap_err().fault, AttributeFault::Length);
    });
    read(typ, &[2], |m| {
        assert_eq!(m.address_error_code().unwrap_err().fault, AttributeFault::Length);
    });
}

#[test]
fn unknown_attributes() {
    let typ = AttributeType::UNKNOWN_ATTRIBUTES;
    for count in 0..6u16 {
        let types: Vec<_> = (0..count).map(|i| AttributeType(0x7000 + i)).collect();
        let bytes = value(typ, |w| w.unknown_attributes(types.iter().copied()));
        assert_eq!(bytes.len(), 2 * types.len());
        read(typ, &bytes, |m| {
            assert!(m.unknown_attributes().unwrap().unwrap().eq(types.iter().copied()));
        });
    }
    read(typ, &[0, 1, 2], |m| {
        assert_eq!(m.unknown_attributes().unwrap_err().fault, AttributeFault::Length);
    });
}

#[test]
fn password_algorithms() {
    let typ = AttributeType::PASSWORD_ALGORITHMS;
    let list = [PasswordAlgorithm::SHA256, PasswordAlgorithm { id: 9, params: b"par" }, PasswordAlgorithm::MD5];
    let bytes = value(typ, |w| w.password_algorithms(&list));
    assert_eq!(bytes, [0, 2, 0, 0, 0, 9, 0, 3, b'p', b'a', b'r', 0, 0, 1, 0, 0]);
    read(typ, &bytes, |m| {
        let algorithms = m.password_algorithms().unwrap().unwrap();
        assert_eq!(algorithms.as_bytes(), bytes);
        assert!(algorithms.eq(list));
    });
    // The last entry's padding may be the attribute's own.
    read(typ, &[0, 9, 0, 3, 1, 2, 3], |m| {
        assert_eq!(m.password_algorithms().unwrap().unwrap().count(), 1);
    });
    read(typ, &[], |m| {
        assert_eq!(m.password_algorithms().unwrap().unwrap().count(), 0);
    });
    for bad in [&[0][..], &[0, 2], &[0, 2, 0], &[0, 2, 0, 1], &[0, 2, 0, 0, 0], &[0, 9, 0, 5, 1, 2, 3, 4]] {
        read(typ, bad, |m| {
            assert_eq!(m.password_algorithms().unwrap_err().fault, AttributeFault::Length, "{bad:?}");
        });
    }
}

#[test]
fn password_algorithm() {
    let typ = AttributeType::PASSWORD_ALGORITHM;
    let bytes = value(typ, |w| w.password_algorithm(PasswordAlgorithm::SHA256));
    assert_eq!(bytes, [0, 2, 0, 0]);
    read(typ, &bytes, |m| {
        assert_eq!(m.password_algorithm(), Ok(Some(PasswordAlgorithm::SHA256)));
    });
    let odd = PasswordAlgorithm { id: 9, params: b"par" };
    let bytes = value(typ, |w| w.password_algorithm(odd));
    for bytes in [&bytes[..], &[&bytes[..], &[0]].concat()] {
        read(typ, bytes, |m| assert_eq!(m.password_algorithm(), Ok(Some(odd))));
    }
    for bad in [&[][..], &[0, 2, 0], &[0, 2, 0, 1], &[0, 2, 0, 0, 0, 1, 0, 0]] {
        read(typ, bad, |m| {
            assert_eq!(m.password_algorithm().unwrap_err().fault, AttributeFault::Length, "{bad:?}");
        });
    }
}

#[test]
fn channel_number() {
    let typ = AttributeType::CHANNEL_NUMBER;
    for number in 0..=u16::MAX {
        let [high, low] = number.to_be_bytes();
        let result = read(typ, &[high, low, 0xFF, 0xFF], |m| m.channel_number());
        if (0x4000..=0x7FFF).contains(&number) {
            let channel = result.unwrap().unwrap();
            assert_eq!((channel.get(), channel.is_rfc8656()), (number, number <= 0x4FFF));
        } else {
            assert_eq!(result, Err(AttributeError { typ, fault: AttributeFault::Value }));
        }
    }
    assert_eq!(value(typ, |w| w.channel_number(ChannelNumber::MIN)), [0x40, 0, 0, 0]);
}

#[test]
fn families() {
    for (typ, raw) in [(AttributeType::REQUESTED_ADDRESS_FAMILY, 0), (AttributeType::ADDITIONAL_ADDRESS_FAMILY, 1)] {
        let reader = |m: &Message<'_>| match raw {
            0 => m.requested_address_family(),
            _ => m.additional_address_family(),
        };
        for (family, number) in [(AddressFamily::V4, 1), (AddressFamily::V6, 2)] {
            let bytes = value(typ, |w| match raw {
                0 => w.requested_address_family(family),
                _ => w.additional_address_family(family),
            });
            assert_eq!(bytes, [number, 0, 0, 0]);
            assert_eq!(read(typ, &bytes, reader), Ok(Some(family)));
        }
        for number in [0, 3, 255] {
            let error = AttributeError { typ, fault: AttributeFault::Value };
            assert_eq!(read(typ, &[number, 0, 0, 0], reader), Err(error), "told from a wrong length: 440, not 400");
        }
    }
}

#[test]
fn icmp_has_seven_bits_of_type_and_nine_of_code() {
    let typ = AttributeType::ICMP;
    let icmp = Icmp { typ: 3, code: 4, data: 1400 };
    let bytes = value(typ, |w| w.icmp(icmp));
    assert_eq!(bytes, [0, 0, 0x06, 0x04, 0, 0, 0x05, 0x78]);
    for t in 0..128 {
        for code in [0, 1, 127, 128, 255] {
            let icmp = Icmp { typ: t, code, data: 0 };
            let bytes = value(typ, |w| w.icmp(icmp));
            read(typ, &bytes, |m| assert_eq!(m.icmp(), Ok(Some(icmp))));
        }
    }
    read(typ, &[0, 0, 1, 0, 0, 0, 0, 0], |m| {
        assert_eq!(m.icmp().unwrap_err().fault, AttributeFault::Value);
    });
}

#[test]
fn numbers_flags_and_opaque_values() {
    assert_eq!(value(AttributeType::LIFETIME, |w| w.lifetime(600)), [0, 0, 2, 88]);
    assert_eq!(value(AttributeType::REQUESTED_TRANSPORT, |w| w.requested_transport(17)), [17, 0, 0, 0]);
    assert_eq!(value(AttributeType::EVEN_PORT, |w| w.even_port(true)), [0x80]);
    assert_eq!(value(AttributeType::EVEN_PORT, |w| w.even_port(false)), [0]);
    assert_eq!(value(AttributeType::DONT_FRAGMENT, |w| w.dont_fragment()), []);
    assert_eq!(value(AttributeType::RESERVATION_TOKEN, |w| w.reservation_token(&[7; 8])), [7; 8]);
    assert_eq!(value(AttributeType::CONNECTION_ID, |w| w.connection_id(0x0102_0304)), [1, 2, 3, 4]);
    assert_eq!(value(AttributeType::USERHASH, |w| w.userhash(&[7; 32])), [7; 32]);
    assert_eq!(value(AttributeType::RESPONSE_PORT, |w| w.response_port(0x0102)), [1, 2]);
    assert_eq!(value(AttributeType::CACHE_TIMEOUT, |w| w.cache_timeout(1)), [0, 0, 0, 1]);
    assert_eq!(value(AttributeType::DATA, |w| w.data(b"payload")), b"payload");
    assert_eq!(value(AttributeType::PADDING, |w| w.padding(&[0; 9])), [0; 9]);
    assert_eq!(value(AttributeType::MOBILITY_TICKET, |w| w.mobility_ticket(b"t")), b"t");
    assert_eq!(value(AttributeType::ACCESS_TOKEN, |w| w.access_token(b"t")), b"t");

    read(AttributeType::LIFETIME, &[0, 0, 2, 88], |m| {
        assert_eq!(m.lifetime(), Ok(Some(600)));
    });
    read(AttributeType::REQUESTED_TRANSPORT, &[6, 1, 2, 3], |m| {
        assert_eq!(m.requested_transport(), Ok(Some(6)));
    });
    read(AttributeType::EVEN_PORT, &[0xFF], |m| {
        assert_eq!(m.even_port(), Ok(Some(true)));
    });
    read(AttributeType::EVEN_PORT, &[0x7F], |m| {
        assert_eq!(m.even_port(), Ok(Some(false)));
    });
    read(AttributeType::DONT_FRAGMENT, &[], |m| assert!(m.dont_fragment()));
    read(AttributeType::RESERVATION_TOKEN, &[7; 8], |m| {
        assert_eq!(m.reservation_token(), Ok(Some([7; 8])));
    });
    read(AttributeType::CONNECTION_ID, &[1, 2, 3, 4], |m| {
        assert_eq!(m.connection_id(), Ok(Some(0x0102_0304)));
    });
    read(AttributeType::RESPONSE_PORT, &[1, 2], |m| {
        assert_eq!(m.response_port(), Ok(Some(0x0102)));
    });
    read(AttributeType::RESPONSE_PORT, &[1, 2, 0, 0], |m| {
        assert_eq!(m.response_port(), Ok(Some(0x0102)));
    });
    read(AttributeType::MOBILITY_TICKET, &[], |m| {
        assert_eq!(m.mobility_ticket(), Ok(Some(&[][..])));
    });
    read(AttributeType::DATA, b"x", |m| assert_eq!(m.data(), Ok(Some(&b"x"[..]))));
}

#[test]
fn change_request() {
    for (ip, port, flags) in [(false, false, 0), (true, false, 4), (false, true, 2), (true, true, 6)] {
        let change = ChangeRequest { ip, port };
        let bytes = value(AttributeType::CHANGE_REQUEST, |w| w.change_request(change));
        assert_eq!(bytes, [0, 0, 0, flags]);
        read(AttributeType::CHANGE_REQUEST, &bytes, |m| {
            assert_eq!(m.change_request(), Ok(Some(change)));
        });
    }
}
