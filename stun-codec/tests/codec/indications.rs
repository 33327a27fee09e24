//! The bytes in front of a relayed payload equal what the writer makes.

use crate::common::*;
use stun_codec::{
    Class, INDICATION_HEADER_LEN, Message, Method, data_indication_header, padding, send_indication_header,
};

#[test]
fn header_payload_and_padding_are_the_message_that_the_writer_makes() {
    for peer in ["192.0.2.1:5000", "[2001:db8::1]:5000", "[::ffff:192.0.2.1]:5000"] {
        let peer = peer.parse().unwrap();
        for len in (0..20).chain([1200, 1472, 65_507]) {
            let payload = vec![0x77; len];
            for method in [Method::Data, Method::Send] {
                let make = if method == Method::Data { data_indication_header } else { send_indication_header };
                let mut header = [0xAA; INDICATION_HEADER_LEN];
                let Some(header_len) = make(TXID, peer, len as u16, &mut header) else {
                    assert!(peer.is_ipv6() && len == 65_507);
                    continue;
                };
                assert_eq!(header_len, if peer.is_ipv4() { 36 } else { 48 });
                let bytes = [&header[..header_len], &payload[..], &[0; 3][..padding(len)]].concat();
                let expected = write(Class::Indication, method, |writer| {
                    writer.xor_peer_address(peer).data(&payload);
                });
                assert_eq!(bytes, expected);
                let message = Message::parse(&bytes).unwrap();
                assert_eq!(message.xor_peer_address(), Ok(Some(peer)));
                assert_eq!(message.data(), Ok(Some(&payload[..])));
            }
        }
    }
}

#[test]
fn a_payload_that_the_length_field_cannot_hold_is_none() {
    let mut out = [0; INDICATION_HEADER_LEN];
    for (peer, max) in [("192.0.2.1:1", 65_516), ("[2001:db8::1]:1", 65_504)] {
        let peer = peer.parse().unwrap();
        assert!(data_indication_header(TXID, peer, max, &mut out).is_some());
        let bytes = [&out[..], &vec![0; usize::from(max)]].concat();
        let header_len = if peer.is_ipv4() { 36 } else { 48 };
        assert!(Message::parse(&[&bytes[..header_len], &bytes[48..]].concat()).is_ok());
        assert_eq!(data_indication_header(TXID, peer, max + 1, &mut out), None);
        assert_eq!(data_indication_header(TXID, peer, u16::MAX, &mut out), None);
    }
}
