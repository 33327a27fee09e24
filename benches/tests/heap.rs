//! What the packet path asks of the heap: nothing; and what an idle allocation keeps.

use allocation_counter::{AllocationInfo, measure};
use stun_codec::{ChannelData, Message};
use stunner_benches::{PLAIN_PEER, World, scattered_prefixes, table};

const CLIENTS: u32 = 100;

fn world() -> World {
    let mut world = World::new(100);
    world.allocate(CLIENTS);
    world
}

fn all(mut one: impl FnMut(usize)) -> AllocationInfo {
    measure(|| {
        for _ in 0..10 {
            (0..CLIENTS as usize).for_each(&mut one);
        }
    })
}

#[test]
fn the_counter_counts() {
    let counted = measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!((counted.count_total, counted.bytes_total), (1, 100));
}

#[test]
fn a_packet_relayed_on_a_channel_allocates_nothing() {
    let mut world = world();
    let datagram = world.channel_data(&[0; 172]);
    let to_peer = all(|client| assert_eq!(world.to_peer(client, &datagram), Some(172)));
    assert_eq!(to_peer.count_total, 0, "client to peer");
    let to_client = all(|client| assert!(world.to_client(client, 172).is_some()));
    assert_eq!(to_client.count_total, 0, "peer to client");
}

#[test]
fn a_packet_relayed_as_an_indication_allocates_nothing() {
    let mut world = world();
    let datagram = world.send_indication(&[0; 172]);
    let to_peer = all(|client| assert_eq!(world.to_peer(client, &datagram), Some(172)));
    assert_eq!(to_peer.count_total, 0, "client to peer");
    let to_client = all(|client| assert!(world.to_client_from(client, PLAIN_PEER, 172).is_some()));
    assert_eq!(to_client.count_total, 0, "peer to client");
}

#[test]
fn a_packet_that_is_dropped_allocates_nothing() {
    let mut world = world();
    let mut wrong_channel = world.channel_data(&[0; 172]);
    wrong_channel[1] = 1;
    let truncated = &world.send_indication(&[0; 172])[..100];
    let stranger = "192.0.2.99:9".parse().expect("an address");
    let dropped = all(|client| {
        assert_eq!(world.to_peer(client, &wrong_channel), None);
        assert_eq!(world.to_peer(client, truncated), None);
        assert_eq!(world.to_peer(client, b"\xFFneither STUN nor ChannelData"), None);
        assert!(world.to_client_from(client, stranger, 172).is_none());
    });
    assert_eq!(dropped.count_total, 0);
}

#[test]
fn reading_a_message_and_asking_for_a_route_allocate_nothing() {
    let world = World::new(0);
    let (channel_data, indication) = (world.channel_data(&[0; 172]), world.send_indication(&[0; 172]));
    let table = table(&scattered_prefixes(1_000));
    let peers = [PLAIN_PEER, "[2001:db8::1]:15000".parse().expect("an address")];
    let read = measure(|| {
        assert!(ChannelData::parse(&channel_data).is_ok());
        let message = Message::parse(&indication).expect("a message");
        assert_eq!(message.xor_peer_address(), Ok(Some(PLAIN_PEER)));
        assert!(message.data().is_ok_and(|data| data.is_some()));
        assert!(peers.iter().all(|&peer| table.admits(peer).is_none() && table.admits_host(peer.ip()).is_none()));
    });
    assert_eq!(read.count_total, 0);
}
