use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, Socket, Type};
use stunner_sys::Family;

use super::support::{World, address, has_ipv6, receive, socket};
use crate::net::*;

fn in_use(result: &Result<ListenerGroup, ListenError>) -> bool {
    matches!(result, Err(ListenError::InUse(_)))
}

#[test]
fn a_foreign_socket_is_found_even_with_so_reuseport() {
    let foreign = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    foreign.set_reuse_port(true).unwrap();
    foreign.bind(&address("127.0.0.1:0").into()).unwrap();
    let taken = foreign.local_addr().unwrap().as_socket().unwrap();
    let error = ListenerGroup::open(taken, 2).unwrap_err();
    assert_eq!(error.to_string(), format!("UDP {taken}: address in use"));
    drop(foreign);
    assert_eq!(ListenerGroup::open(taken, 2).unwrap().local, taken);
}

#[test]
fn a_group_excludes_plain_sockets_and_another_group() {
    let group = ListenerGroup::open(address("127.0.0.1:0"), 3).unwrap();
    assert!(UdpSocket::bind(group.local).is_err());
    assert!(in_use(&ListenerGroup::open(group.local, 1)));
    assert!(in_use(&ListenerGroup::open(group.local, 3)));
    assert!(in_use(&ListenerGroup::open(SocketAddr::from(([0, 0, 0, 0], group.local.port())), 1)));
}

#[test]
fn clients_are_spread_over_the_group_and_each_stays_with_one_socket() {
    let group = ListenerGroup::open(address("127.0.0.1:0"), 4).unwrap();
    let clients: Vec<_> = (0..64).map(|_| socket("127.0.0.1:0")).collect();
    for round in 0..4u8 {
        for client in &clients {
            client.send_to(&[round], group.local).unwrap();
        }
    }
    let mut homes = std::collections::HashMap::new();
    let mut arena = stunner_sys::ReceiveArena::default();
    for (index, listener) in group.sockets.iter().enumerate() {
        let mut count = 0;
        loop {
            let mut filling = arena.fill();
            let received = filling.receive(listener.as_fd(), 32).unwrap();
            if received.len() == 0 {
                break;
            }
            for datagram in received {
                count += 1;
                assert_eq!(*homes.entry(datagram.source).or_insert(index), index);
            }
        }
        assert!(count > 0, "socket {index} got nothing of 64 clients");
    }
    assert_eq!(homes.len(), 64);
}

#[test]
fn exact_address_where_the_host_has_it_else_the_wildcard() {
    let exact = ListenerGroup::open(address("127.0.0.9:0"), 1).unwrap();
    assert_eq!((exact.binding, exact.local.ip()), (Binding::Exact, address("127.0.0.9:0").ip()));
    let foreign = ListenerGroup::open(address("192.0.2.1:0"), 2).unwrap();
    assert_eq!((foreign.binding, foreign.local.ip()), (Binding::NotLocal, address("0.0.0.0:0").ip()));
    let any = ListenerGroup::open(address("0.0.0.0:0"), 2).unwrap();
    assert_eq!(any.binding, Binding::Wildcard);
    assert!(any.buffers.receive > 4096 && any.buffers.send > 4096);
}

#[test]
fn a_wildcard_answers_from_the_address_that_was_asked() {
    let mut world = World::new("0.0.0.0:0");
    let port = world.listener.port();
    let client = socket("127.0.0.1:0");
    for asked in ["127.0.0.2", "127.0.0.1", "127.7.7.7"] {
        let asked: SocketAddr = format!("{asked}:{port}").parse().unwrap();
        client.send_to(b"?ping", asked).unwrap();
        world.run_until("the request", |toy, _| toy.seen.last().is_some_and(|source| source.local == asked));
        assert_eq!(receive(&client), (b"ping".to_vec(), asked));
        let source = *world.toy.seen.last().unwrap();
        world.datapath.sockets().send_to_client(source.listener, source.local, source.client, b"late");
        assert_eq!(receive(&client), (b"late".to_vec(), asked));
    }
}

#[test]
fn a_dual_stack_listener_serves_both_families_from_the_asked_address() {
    if !has_ipv6() {
        return;
    }
    let mut world = World::new("[::]:0");
    let port = world.listener.port();
    for (client, asked) in [("127.0.0.1:0", format!("127.0.0.3:{port}")), ("[::1]:0", format!("[::1]:{port}"))] {
        let (client, asked) = (socket(client), address(&asked));
        client.send_to(b"?ping", asked).unwrap();
        world.run_until("the request", |toy, _| toy.seen.last().is_some_and(|source| source.local == asked));
        assert_eq!(world.toy.seen.last().unwrap().client, client.local_addr().unwrap());
        assert_eq!(receive(&client), (b"ping".to_vec(), asked));
    }
}

#[test]
fn an_ipv6_listener_takes_ipv4_only_if_the_wildcard_was_asked_for() {
    if !has_ipv6() {
        return;
    }
    let group = ListenerGroup::open(address("[2001:db8::1]:0"), 1).unwrap();
    assert_eq!(group.binding, Binding::NotLocal);
    assert_eq!(group.sockets[0].family(), Family::V6);
    // The IPv4 side of the port is free.
    assert!(UdpSocket::bind(("0.0.0.0", group.local.port())).is_ok());
    let dual = ListenerGroup::open(address("[::]:0"), 1).unwrap();
    assert!(UdpSocket::bind(("0.0.0.0", dual.local.port())).is_err());
}

#[test]
fn a_removed_listener_frees_its_port_and_answers_nothing() {
    let mut world = World::new("127.0.0.1:0");
    world.datapath.sockets().remove_listener(3);
    let again = ListenerGroup::open(world.listener, 1).unwrap();
    world.datapath.sockets().send_to_client(3, world.listener, address("127.0.0.1:9"), b"nobody");
    assert_eq!(again.local, world.listener);
}
