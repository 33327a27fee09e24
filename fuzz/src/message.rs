//! Target `message`: any bytes through the parser and all accessors.

use stun_codec::{AttributeType, Fingerprint, IntegrityCheck, Message};

use crate::naive::{self, Attribute};

/// Tries `data` as a message, and as the type and attributes of one whose header is right.
///
/// # Panics
/// When the codec accepts, refuses or reads something that [RFC 8489] does not.
///
/// [RFC 8489]: https://www.rfc-editor.org/rfc/rfc8489
pub fn message(data: &[u8]) {
    check(data);
    if let Some((typ, body)) = data.split_first_chunk::<2>() {
        check(&naive::framed(*typ, [7; 12], body));
    }
}

fn check(bytes: &[u8]) {
    let parsed = Message::parse(bytes);
    let expected = naive::parse(bytes);
    for len in (0..bytes.len().min(300)).chain(bytes.len().saturating_sub(8)..bytes.len()) {
        let prefix = Message::parse(&bytes[..len]);
        assert!(prefix.is_err() || parsed.is_err(), "a prefix of {len} bytes is a message too");
    }
    match (&parsed, &expected) {
        (Ok(message), Ok(all)) => {
            assert_eq!(message.as_bytes(), bytes);
            check_attributes(message, all);
            check_integrity(message, all);
            touch(message);
        }
        (Err(error), Err(name)) => assert_eq!(error.name(), *name),
        _ => panic!("{parsed:?}, but {expected:?}"),
    }
}

fn check_attributes(message: &Message<'_>, all: &[Attribute]) {
    let counting = naive::that_count(all);
    let found: Vec<_> = message.attributes().map(|attribute| (attribute.typ, attribute.value)).collect();
    let expected: Vec<_> = counting.iter().map(|attribute| (attribute.typ, &*attribute.value)).collect();
    assert_eq!(found, expected);
    // Twice a few hundred types are enough: a long message repeats its types.
    let types = all.iter().take(300).map(|attribute| attribute.typ);
    for typ in types.chain(AttributeType::KNOWN.iter().copied()) {
        let first = counting.iter().find(|attribute| attribute.typ == typ).map(|attribute| &*attribute.value);
        assert_eq!(message.attribute(typ), first, "{typ}");
        assert_eq!(message.has(typ), first.is_some());
    }
    let unknown: Vec<_> = message.unknown_required().collect();
    let expected = counting.iter().map(|attribute| attribute.typ).filter(|typ| typ.0 < 0x8000 && !typ.is_known());
    assert_eq!(unknown, expected.collect::<Vec<_>>());
}

fn check_integrity(message: &Message<'_>, all: &[Attribute]) {
    let counting = naive::that_count(all);
    let first = |typ| counting.iter().find(|attribute| attribute.typ == typ);
    let bytes = message.as_bytes();
    let expected = |attribute: Option<&Attribute>, lengths: &[usize]| match attribute {
        None => Ok(None),
        Some(attribute) if lengths.contains(&attribute.value.len()) => {
            let mut header: [u8; 20] = bytes[..20].try_into().expect("20 bytes");
            let length = attribute.at + 4 + attribute.value.len() - 20;
            header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            let mac = attribute.value.clone();
            Ok(Some((header, bytes[20..attribute.at].to_vec(), mac)))
        }
        Some(_) => Err(()),
    };
    let found =
        |check: Option<IntegrityCheck<'_>>| check.map(|check| (check.header, check.body.into(), check.mac.into()));
    let sha1 = first(AttributeType::MESSAGE_INTEGRITY);
    assert_eq!(message.integrity().map(found).map_err(|_| ()), expected(sha1, &[20]));
    let sha256 = first(AttributeType::MESSAGE_INTEGRITY_SHA256);
    assert_eq!(message.integrity_sha256().map(found).map_err(|_| ()), expected(sha256, &[16, 20, 24, 28, 32]));
    let fingerprint = match first(AttributeType::FINGERPRINT) {
        None => Fingerprint::Absent,
        Some(last) if last.value == (naive::crc32(&bytes[..last.at]) ^ 0x5354_554E).to_be_bytes() => Fingerprint::Valid,
        Some(_) => Fingerprint::Invalid,
    };
    assert_eq!(message.fingerprint(), fingerprint);
}

/// Calls what the other checks do not; what it returns is for target `roundtrip` to judge.
fn touch(m: &Message<'_>) {
    let addresses = [
        m.xor_mapped_address(),
        m.xor_peer_address(),
        m.xor_relayed_address(),
        m.mapped_address(),
        m.alternate_server(),
        m.response_origin(),
        m.other_address(),
    ];
    let texts = [m.username(), m.realm(), m.nonce(), m.software(), m.alternate_domain(), m.third_party_authorization()];
    let bytes = [m.data(), m.mobility_ticket(), m.access_token(), m.padding()];
    let numbers = [m.lifetime(), m.connection_id(), m.cache_timeout()];
    let lists = (m.xor_peer_addresses().count(), m.xor_relayed_addresses().count());
    let algorithms = m.password_algorithms().map(|list| list.map(Iterator::count));
    let unknown = m.unknown_attributes().map(|list| list.map(Iterator::count));
    let turn = (m.channel_number(), m.requested_transport(), m.even_port(), m.reservation_token(), m.icmp());
    let families = (m.requested_address_family(), m.additional_address_family(), m.address_error_code());
    let rest = (m.error_code(), m.password_algorithm(), m.userhash(), m.change_request(), m.response_port());
    let all = (addresses, texts, bytes, numbers, lists, (algorithms, unknown), turn, families, rest);
    let _ = std::hint::black_box((all, m.dont_fragment(), m.class(), m.method(), m.transaction_id()));
    let _ = std::hint::black_box(format!("{m:?}"));
}
