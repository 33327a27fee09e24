//! Properties over arbitrary bytes and arbitrary messages.

use crate::common::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::SocketAddr;
use stun_codec::stream::{Framing, frame};
use stun_codec::{
    AddressFamily, AttributeType, ChannelData, ChannelNumber, Class, Fingerprint, Icmp, Message, MessageWriter, Method,
    TransactionId,
};

/// Calls everything that reads; none of it may panic.
fn read_all(bytes: &[u8]) {
    let _ = ChannelData::parse(bytes);
    let _ = frame(bytes);
    let Ok(message) = Message::parse(bytes) else {
        return;
    };
    let _ = (message.class(), message.method(), message.transaction_id(), format!("{message:?}"));
    for attribute in message.attributes() {
        assert!(message.has(attribute.typ));
        assert!(attribute.value.len() <= bytes.len() - 24);
    }
    let _ =
        (message.unknown_required().count(), message.fingerprint(), message.integrity(), message.integrity_sha256());
    let _ = (message.username(), message.userhash(), message.realm(), message.nonce(), message.software());
    let _ = (message.alternate_domain(), message.error_code(), message.password_algorithm());
    let _ = message.unknown_attributes().map(|list| list.map(Iterator::count));
    let _ = message.password_algorithms().map(|list| list.map(Iterator::count));
    let _ = (message.mapped_address(), message.alternate_server(), message.response_origin(), message.other_address());
    let _ = (message.xor_mapped_address(), message.xor_peer_addresses().count());
    let _ = (message.xor_relayed_address(), message.xor_relayed_addresses().count(), message.xor_peer_address());
    let _ = (message.channel_number(), message.lifetime(), message.data(), message.requested_transport());
    let _ = (message.requested_address_family(), message.additional_address_family(), message.address_error_code());
    let _ = (message.even_port(), message.reservation_token(), message.icmp(), message.connection_id());
    let _ = (message.mobility_ticket(), message.access_token(), message.third_party_authorization());
    let _ = (message.change_request(), message.response_port(), message.padding(), message.cache_timeout());
    let _ = message.dont_fragment();
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<std::net::IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

/// Attributes with types that are registered, near them, or any.
fn attribute() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let typ = prop_oneof![0..0x40u16, 0x8000..0x8040u16, any::<u16>()];
    (typ, vec(any::<u8>(), 0..40))
}

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![Just(Class::Request), Just(Class::Indication), Just(Class::Success), Just(Class::Error)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        read_all(&bytes);
    }

    #[test]
    fn arbitrary_attributes_never_panic(
        attributes in vec(attribute(), 0..12),
        cut in any::<prop::sample::Index>(),
        flip in any::<(prop::sample::Index, u8)>(),
    ) {
        let attributes: Vec<_> = attributes.iter().map(|(typ, value)| (*typ, &value[..])).collect();
        let mut bytes = raw_request(&attributes);
        read_all(&bytes);
        read_all(&bytes[..cut.index(bytes.len())]);
        let at = flip.0.index(bytes.len());
        bytes[at] ^= flip.1;
        read_all(&bytes);
    }

    #[test]
    fn any_message_survives_writing_and_reading(
        class in class(),
        method in 0..0x1000u16,
        txid in any::<[u8; 12]>(),
        attributes in vec(attribute(), 0..12),
        fingerprint in any::<bool>(),
    ) {
        let mut buf = [0xAA; 2048];
        let mut writer = MessageWriter::new(&mut buf, class, Method::from_u16(method), TransactionId(txid));
        // Those three have rules of their own, tested elsewhere.
        let attributes: Vec<_> = attributes.into_iter().filter(|(typ, _)| ![8, 0x1C, 0x8028].contains(typ)).collect();
        for (typ, value) in &attributes {
            writer.attribute(AttributeType(*typ), value);
        }
        writer.integrity(|bytes| hmac_sha1(b"key", &[bytes]));
        if fingerprint {
            writer.fingerprint();
        }
        let len = writer.finish().unwrap();
        let message = Message::parse(&buf[..len]).unwrap();
        prop_assert_eq!((message.class(), message.method().to_u16()), (class, method));
        prop_assert_eq!(message.transaction_id(), TransactionId(txid));
        let read: Vec<_> = message.attributes().map(|a| (a.typ.0, a.value.to_vec())).collect();
        prop_assert_eq!(&read[..attributes.len()], &attributes[..]);
        prop_assert!(verify_sha1(&message, b"key"));
        let expected = if fingerprint { Fingerprint::Valid } else { Fingerprint::Absent };
        prop_assert_eq!(message.fingerprint(), expected);
        prop_assert_eq!(frame(&buf[..len]), Ok(Framing::Stun(len)));
    }

    #[test]
    fn lookup_equals_a_naive_scan(attributes in vec(attribute(), 0..12), typ in 0..0x40u16) {
        let attributes: Vec<_> = attributes.iter().map(|(typ, value)| (*typ, &value[..])).collect();
        let bytes = raw_request(&attributes);
        let message = Message::parse(&bytes).unwrap();
        let naive = message.attributes().find(|a| a.typ.0 == typ).map(|a| a.value);
        prop_assert_eq!(message.attribute(AttributeType(typ)), naive);
    }

    #[test]
    fn typed_attributes_survive(
        peer in address(), relayed in address(), lifetime: u32, number in 0x4000..0x8000u16, token: [u8; 8],
        name in "\\PC{0,40}", data in vec(any::<u8>(), 0..100), typ in 0..128u8, code: u8, mtu: u32, reserve: bool,
    ) {
        let number = ChannelNumber::new(number).unwrap();
        let icmp = Icmp { typ, code, data: mtu };
        let bytes = write(Class::Request, Method::Allocate, |w| {
            w.xor_peer_address(peer).xor_relayed_address(relayed).mapped_address(peer).lifetime(lifetime);
            w.channel_number(number).reservation_token(&token).username(&name).data(&data).icmp(icmp);
            w.even_port(reserve).requested_address_family(AddressFamily::of(peer.ip())).error_code(438, &name);
        });
        let m = Message::parse(&bytes).unwrap();
        prop_assert_eq!(m.xor_peer_address(), Ok(Some(peer)));
        prop_assert_eq!(m.xor_relayed_address(), Ok(Some(relayed)));
        prop_assert_eq!(m.mapped_address(), Ok(Some(peer)));
        prop_assert_eq!(m.lifetime(), Ok(Some(lifetime)));
        prop_assert_eq!(m.channel_number(), Ok(Some(number)));
        prop_assert_eq!(m.reservation_token(), Ok(Some(token)));
        prop_assert_eq!(m.username(), Ok(Some(&name[..])));
        prop_assert_eq!(m.data(), Ok(Some(&data[..])));
        prop_assert_eq!(m.icmp(), Ok(Some(icmp)));
        prop_assert_eq!(m.even_port(), Ok(Some(reserve)));
        prop_assert_eq!(m.requested_address_family(), Ok(Some(AddressFamily::of(peer.ip()))));
        prop_assert_eq!(m.error_code().unwrap().unwrap().reason, &name);
        prop_assert_eq!(m.unknown_required().count(), 0);
    }

    #[test]
    fn a_stream_is_cut_into_the_messages_that_were_put_in(
        messages in vec((any::<bool>(), vec(any::<u8>(), 0..50)), 1..6),
        step in 1..40usize,
    ) {
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (is_stun, payload) in &messages {
            let bytes = if *is_stun {
                write(Class::Indication, Method::Data, |w| { w.data(payload); })
            } else {
                let header = stun_codec::channel_data_header(ChannelNumber::MIN, payload.len() as u16);
                [&header[..], payload].concat()
            };
            stream.extend(&bytes);
            stream.resize(stream.len() + stun_codec::padding(bytes.len()), 0);
            expected.push(bytes);
        }
        let (mut received, mut found) = (Vec::new(), Vec::new());
        for chunk in stream.chunks(step) {
            received.extend(chunk);
            loop {
                let (len, taken) = match frame(&received) {
                    Ok(Framing::Stun(len)) => (len, len),
                    Ok(Framing::ChannelData { len, padded }) => (len, padded),
                    Ok(Framing::NeedMore(wanted)) => {
                        prop_assert!(wanted > received.len());
                        break;
                    }
                    Err(error) => panic!("{error}"),
                };
                found.push(received[..len].to_vec());
                received.drain(..taken);
            }
        }
        prop_assert_eq!(found, expected);
        prop_assert!(received.is_empty());
    }
}
