//! Payload in both directions.

use super::*;
use stun_codec::{ChannelData, Method};

const PEER: &str = "192.0.2.1:7000";

fn send(rig: &mut Rig, peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut out = [0xAA; 200];
    let len = rig.client.send(peer, payload, &mut out).expect("permitted");
    let mut built = rig.client.header(peer, payload.len()).unwrap();
    assert_eq!(built.as_slice().len() + payload.len() + built.pad(), len, "both forms agree");
    if len == 4 + payload.len() {
        built = rig.client.header(peer, payload.len()).unwrap();
        assert_eq!(built.as_slice(), &out[..4]);
    }
    out[..len].to_vec()
}

#[test]
fn without_channel_payload_goes_in_send_indications() {
    let mut rig = Rig::allocated(config());
    for (peer, header) in [(PEER, 36), ("[2001:db8::7]:9", 48)] {
        let peer = addr(peer);
        rig.permit(peer.ip());
        let bytes = send(&mut rig, peer, b"hello");
        assert_eq!(bytes.len(), header + 5 + 3);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Indication, Method::Send));
        assert_eq!(message.xor_peer_address(), Ok(Some(peer)));
        assert_eq!(message.data(), Ok(Some(&b"hello"[..])));
        assert!(!message.dont_fragment());
    }
}

#[test]
fn no_two_indications_have_the_same_transaction_id() {
    let mut rig = Rig::allocated(config());
    rig.permit(addr(PEER).ip());
    let ids: Vec<_> =
        (0..3).map(|_| Message::parse(&send(&mut rig, addr(PEER), b"x")).unwrap().transaction_id()).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}

#[test]
fn dont_fragment_is_in_every_send_indication_when_configured() {
    let mut rig = Rig::allocated(ClientConfig { dont_fragment: true, ..config() });
    for peer in [PEER, "[2001:db8::7]:9"] {
        let peer = addr(peer);
        rig.permit(peer.ip());
        let bytes = send(&mut rig, peer, b"hello");
        let message = Message::parse(&bytes).unwrap();
        assert!(message.dont_fragment());
        assert_eq!(message.xor_peer_address(), Ok(Some(peer)));
        assert_eq!(message.data(), Ok(Some(&b"hello"[..])));
    }
}

#[test]
fn a_bound_channel_takes_the_payload_once_the_server_said_so() {
    let mut rig = Rig::allocated(config());
    let number = rig.client.bind_channel(rig.now, addr(PEER)).unwrap();
    let request = rig.sent();
    assert!(has(&send(&mut rig, addr(PEER), b"early"), AttributeType::DATA));
    rig.receive(&success(&request));
    let bytes = send(&mut rig, addr(PEER), b"hello");
    assert_eq!(ChannelData::parse(&bytes), Ok(ChannelData { number, data: b"hello" }));
    assert_eq!(bytes.len(), 4 + 5, "no padding on datagrams");
}

#[test]
fn on_a_stream_channel_data_is_padded() {
    let mut rig = Rig::allocated(ClientConfig { transport: Transport::Stream, ..config() });
    rig.bind(addr(PEER));
    let bytes = send(&mut rig, addr(PEER), b"hello");
    assert_eq!(bytes[..4], [0x40, 0, 0, 5]);
    assert_eq!(bytes[9..], [0, 0, 0]);
}

#[test]
fn a_mapped_ipv4_address_is_the_ipv4_address() {
    let mut rig = Rig::allocated(config());
    let mapped = addr("[::ffff:192.0.2.1]:7000");
    rig.client.create_permission(rig.now, &[mapped.ip()]).unwrap();
    let request = rig.sent();
    assert_eq!(Message::parse(&request).unwrap().xor_peer_address(), Ok(Some(addr("192.0.2.1:0"))));
    rig.receive(&success(&request));
    let bytes = send(&mut rig, mapped, b"hello");
    assert_eq!(Message::parse(&bytes).unwrap().xor_peer_address(), Ok(Some(addr(PEER))));
}

#[test]
fn nothing_is_sent_that_the_server_would_drop() {
    let mut rig = Rig::allocated(config());
    assert_eq!(rig.client.header(addr(PEER), 5), Err(SendError::NoPermission));
    rig.permit(addr(PEER).ip());
    assert_eq!(rig.client.header(addr(PEER), 65_536), Err(SendError::TooLong));
    assert_eq!(rig.client.header(addr(PEER), 65_535), Err(SendError::TooLong), "with its header it is");
    assert_eq!(rig.client.send(addr(PEER), b"hello", &mut [0; 43]), Err(SendError::BufferTooSmall));
    assert_eq!(rig.client.send(addr(PEER), b"hello", &mut [0; 44]), Ok(44));
}

fn indication(fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut buf = [0; 200];
    let mut writer = MessageWriter::new(&mut buf, Class::Indication, Method::Data, TransactionId([1; 12]));
    fill(&mut writer);
    let len = writer.finish().unwrap();
    buf[..len].to_vec()
}

#[test]
fn a_data_indication_of_a_permitted_peer_is_a_slice_of_the_message() {
    let mut rig = Rig::allocated(config());
    let bytes = indication(|w| {
        w.xor_peer_address(addr(PEER)).data(b"hello");
    });
    assert_eq!(rig.client.handle_input(rig.now, &bytes), Input::Nothing, "no permission yet");
    rig.permit(addr(PEER).ip());
    let data = Input::Data { peer: addr(PEER), payload: b"hello", channel: None };
    assert_eq!(rig.client.handle_input(rig.now, &bytes), data);
    for len in 0..bytes.len() {
        assert_eq!(rig.client.handle_input(rig.now, &bytes[..len]), Input::Nothing);
    }
}

#[test]
fn a_data_indication_that_cannot_be_understood_is_ignored() {
    let mut rig = Rig::allocated(config());
    rig.permit(addr(PEER).ip());
    let cases: [fn(&mut MessageWriter<'_>); 3] = [
        |w| {
            w.data(b"x");
        },
        |w| {
            w.xor_peer_address(addr(PEER));
        },
        |w| {
            w.xor_peer_address(addr(PEER)).data(b"x").attribute(AttributeType(0x7FFF), &[]);
        },
    ];
    for fill in cases {
        assert_eq!(rig.client.handle_input(rig.now, &indication(fill)), Input::Nothing);
    }
}

#[test]
fn channel_data_is_taken_as_soon_as_the_channel_was_asked_for() {
    let mut rig = Rig::allocated(config());
    let early = [0x40, 0, 0, 2, b'h', b'i'];
    assert_eq!(rig.client.handle_input(rig.now, &early), Input::Nothing);
    let number = rig.client.bind_channel(rig.now, addr(PEER)).unwrap();
    let data = Input::Data { peer: addr(PEER), payload: b"hi", channel: Some(number) };
    // The answer may be overtaken by the first data, or be lost.
    assert_eq!(rig.client.handle_input(rig.now, &early), data);
    let request = rig.sent();
    rig.receive(&success(&request));
    assert_eq!(rig.client.handle_input(rig.now, &early), data);
    assert_eq!(rig.client.handle_input(rig.now, &early[..5]), Input::Nothing);
    assert_eq!(rig.client.handle_input(rig.now, &[0x40, 1, 0, 0]), Input::Nothing, "another channel");
}

#[test]
fn an_icmp_error_is_told_with_its_peer() {
    let mut rig = Rig::allocated(config());
    rig.permit(addr(PEER).ip());
    let icmp = stun_codec::Icmp { typ: 3, code: 4, data: 1400 };
    let bytes = indication(|w| {
        w.xor_peer_address(addr(PEER)).icmp(icmp);
    });
    let expected = Input::Icmp { peer: addr(PEER), typ: 3, code: 4, data: 1400 };
    assert_eq!(rig.client.handle_input(rig.now, &bytes), expected);
}

#[test]
fn what_is_neither_stun_nor_channel_data_is_ignored() {
    let mut rig = Rig::allocated(config());
    for bytes in [&[][..], &[0x80; 40], &[0xFF; 4], &[0x00; 20]] {
        assert_eq!(rig.client.handle_input(rig.now, bytes), Input::Nothing);
    }
}
