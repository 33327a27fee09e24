//! The server's contract with its caller, one call at a time; what clients see of it over a network is in testkit's simulated world.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use stun_codec::{
    AddressFamily, AttributeType, ChannelNumber, Class, Message, MessageWriter, Method, TransactionId,
    channel_data_header,
};
use turn_auth::{AuthError, Authenticator, ClientAuth, Credential, Credentials, NonceKey, UserId, Verified};
use turn_core::{
    Admission, ClientAction, ClientId, DropReason, Effect, FiveTuple, Instant, Limit, Limits, ListenerId, Now,
    OpenError, Opened, PeerAction, Permit, Policy, Quotas, RelayId, Report, RouteId, Server, ServerConfig, UnixSeconds,
    WorkerId,
};

struct TestPolicy {
    auth: Authenticator,
    limits: Limits,
    quotas: Arc<Quotas>,
    version: u64,
    refused: Option<IpAddr>,
}

impl Policy for TestPolicy {
    fn version(&self) -> u64 {
        self.version
    }
    fn authenticate(
        &self,
        request: &Message<'_>,
        client: &ClientId,
        now: UnixSeconds,
        kept: Option<&Credential>,
    ) -> Result<Verified, AuthError> {
        self.auth.verify(request, client.address().ip(), now, kept)
    }
    fn challenge(
        &self,
        client: &ClientId,
        now: UnixSeconds,
        salt: [u8; 4],
        _: Option<&Credential>,
        writer: &mut MessageWriter<'_>,
    ) {
        self.auth.challenge(client.address().ip(), now, salt).write(writer);
    }
    fn admits(&self, listener: ListenerId, peer: SocketAddr) -> Option<RouteId> {
        self.admits_host(listener, peer.ip())
    }
    fn admits_host(&self, _: ListenerId, host: IpAddr) -> Option<RouteId> {
        (Some(host) != self.refused).then_some(RouteId(7))
    }
    fn admits_stream(&self, _: ListenerId, _: SocketAddr) -> Option<RouteId> {
        None
    }
    fn relays_streams(&self, _: ListenerId) -> bool {
        false
    }
    fn reserve(&self, user: &UserId, source: IpAddr) -> Result<Permit, Limit> {
        self.quotas.reserve(&self.limits, user, source)
    }
    fn relays(&self, _: ListenerId, _: IpAddr, _: AddressFamily) -> bool {
        true
    }
    fn admission(&self, _: &ClientId) -> Admission {
        Admission::Open
    }
    fn limits(&self) -> &Limits {
        &self.limits
    }
}

struct World {
    policy: TestPolicy,
    server: Server,
    auth: ClientAuth,
    client: ClientId,
    now: Now,
    transactions: u8,
}

const RELAYED: &str = "203.0.113.1:50000";
const PEER: &str = "198.51.100.9:9000";

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

impl World {
    fn new() -> Self {
        let users = Credentials::Static(vec![("alice".into(), "secret".into())]);
        let auth =
            Authenticator::builder("stunner.l7mp.io", users, NonceKey::new([7; 32])).build().expect("a short realm");
        let limits = Limits::default();
        let policy = TestPolicy { auth, limits, quotas: Quotas::new(), version: 1, refused: None };
        let five_tuple =
            FiveTuple { listener: ListenerId(0), client: addr("192.0.2.1:4000"), local: addr("203.0.113.1:3478") };
        Self {
            policy,
            server: Server::new(ServerConfig { worker: WorkerId(0), seed: [1; 32] }),
            auth: ClientAuth::new("alice", "secret".into()),
            client: ClientId::Udp(five_tuple),
            now: Now { mono: Instant::ZERO + Duration::from_secs(1), unix: UnixSeconds(1_800_000_000) },
            transactions: 0,
        }
    }

    /// A world whose client has an allocation.
    fn allocated() -> (Self, RelayId) {
        let mut world = Self::new();
        let refused = world.request(Method::Allocate, |w| {
            w.requested_transport(17);
        });
        world.auth.challenged(&Message::parse(&refused).expect("a reply")).expect("a challenge");
        assert!(
            world
                .try_request(Method::Allocate, |w| {
                    w.requested_transport(17);
                })
                .is_none()
        );
        let Some(Effect::OpenRelay(open)) = world.server.poll_effect() else { panic!("no socket is asked for") };
        world.server.relay_opened(world.now, open.relay, Ok(Opened { addr: addr(RELAYED), pair: None }));
        let Some(Effect::Transmit { bytes, .. }) = world.server.poll_effect() else { panic!("no late reply") };
        let reply = Message::parse(&bytes).expect("a reply");
        assert_eq!((reply.class(), reply.xor_relayed_address()), (Class::Success, Ok(Some(addr(RELAYED)))));
        world.auth.check(&reply).expect("a signed reply");
        assert!(matches!(world.server.poll_effect(), Some(Effect::Report(Report::AllocationOpened { .. }))));
        (world, open.relay)
    }

    fn write(&mut self, method: Method, body: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
        self.transactions += 1;
        let mut buf = [0; 1024];
        let mut writer = MessageWriter::new(&mut buf, Class::Request, method, TransactionId([self.transactions; 12]));
        body(&mut writer);
        self.auth.complete(&mut writer);
        let len = writer.finish().expect("room");
        buf[..len].to_vec()
    }

    fn send(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let mut out = [0; 1500];
        match self.server.handle_client(&self.policy, self.now, &self.client, request, &mut out) {
            ClientAction::Reply(bytes) => Some(bytes.to_vec()),
            ClientAction::Pending => None,
            other => panic!("{other:?}"),
        }
    }

    fn try_request(&mut self, method: Method, body: impl FnOnce(&mut MessageWriter<'_>)) -> Option<Vec<u8>> {
        let request = self.write(method, body);
        self.send(&request)
    }

    fn request(&mut self, method: Method, body: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
        self.try_request(method, body).expect("an immediate answer")
    }

    fn code(&mut self, method: Method, body: impl FnOnce(&mut MessageWriter<'_>)) -> u16 {
        let reply = self.request(method, body);
        Message::parse(&reply).expect("a reply").error_code().expect("well-formed").map_or(200, |error| error.code)
    }

    fn bind(&mut self, number: u16, peer: &str) -> u16 {
        self.code(Method::ChannelBind, |w| {
            w.channel_number(ChannelNumber::new(number).expect("in range")).xor_peer_address(addr(peer));
        })
    }

    fn permit(&mut self, peer: &str) -> u16 {
        self.code(Method::CreatePermission, |w| {
            w.xor_peer_address(addr(peer));
        })
    }

    fn peer_sends(&mut self, relay: RelayId, peer: &str, len: usize) -> Result<Vec<u8>, DropReason> {
        match self.server.handle_peer(&self.policy, self.now, relay, addr(peer), len) {
            PeerAction::ToClient(to_client) => Ok(to_client.header.as_slice().to_vec()),
            PeerAction::Drop(reason) => Err(reason),
        }
    }

    fn channel_data(&mut self, number: u16, payload: &[u8]) -> Result<(SocketAddr, Vec<u8>), DropReason> {
        let number = ChannelNumber::new(number).expect("in range");
        let mut datagram = channel_data_header(number, payload.len() as u16).to_vec();
        datagram.extend_from_slice(payload);
        let mut out = [0; 1500];
        match self.server.handle_client(&self.policy, self.now, &self.client, &datagram, &mut out) {
            ClientAction::ToPeer(to_peer) => Ok((to_peer.peer.addr(), to_peer.payload.to_vec())),
            ClientAction::Drop(reason) => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now.mono = self.now.mono + Duration::from_secs(seconds);
        self.now.unix.0 += seconds;
        self.server.handle_timeout(&self.policy, self.now);
    }
}

#[test]
fn an_allocation_relays_both_ways_until_it_is_deleted() {
    let (mut world, relay) = World::allocated();
    assert_eq!(world.channel_data(0x4000, b"early"), Err(DropReason::NoChannel));
    assert_eq!(world.peer_sends(relay, PEER, 5), Err(DropReason::NoPermission));
    assert_eq!(world.bind(0x4000, PEER), 200);
    assert!(matches!(world.server.poll_effect(), Some(Effect::BindingUp(up)) if up.channel == 0x4000));
    assert_eq!(world.channel_data(0x4000, b"hello"), Ok((addr(PEER), b"hello".to_vec())));
    assert_eq!(world.peer_sends(relay, PEER, 5), Ok(vec![0x40, 0, 0, 5]));
    // Another port of the permitted host has no channel.
    let indication = world.peer_sends(relay, "198.51.100.9:9001", 6).expect("relayed");
    assert_eq!(indication.len(), 36);
    assert_eq!(
        world.code(Method::Refresh, |w| {
            w.lifetime(0);
        }),
        200
    );
    assert!(matches!(world.server.poll_effect(), Some(Effect::BindingDown(_))));
    assert!(matches!(world.server.poll_effect(), Some(Effect::CloseRelay(id)) if id == relay));
    assert!(matches!(world.server.poll_effect(), Some(Effect::Report(Report::AllocationEnded { traffic, .. }))
        if traffic.bytes_to_peer == 5 && traffic.packets_to_client == 2));
    assert_eq!(world.peer_sends(relay, PEER, 5), Err(DropReason::NoRelay));
    assert!(world.policy.quotas.is_empty());
}

#[test]
fn two_families_are_opened_at_even_ports_and_each_hears_only_its_own_peers() {
    let (mut world, _) = World::allocated();
    world.code(Method::Refresh, |w| {
        w.lifetime(0);
    });
    while world.server.poll_effect().is_some() {}
    let pending = world.try_request(Method::Allocate, |w| {
        w.requested_transport(17).additional_address_family(AddressFamily::V6).even_port(false);
    });
    assert_eq!(pending, None);
    let mut relays = Vec::new();
    for relayed in [RELAYED, "[2001:db8::1]:50000"] {
        let Some(Effect::OpenRelay(open)) = world.server.poll_effect() else { panic!("no socket is asked for") };
        assert!(open.even, "EVEN-PORT holds for each of two families (RFC 8656 §7.2)");
        relays.push((open.relay, addr(relayed)));
    }
    for (relay, addr) in &relays {
        world.server.relay_opened(world.now, *relay, Ok(Opened { addr: *addr, pair: None }));
    }
    assert_eq!(world.permit(PEER), 200);
    assert!(world.peer_sends(relays[0].0, PEER, 5).is_ok());
    assert_eq!(world.peer_sends(relays[1].0, PEER, 5), Err(DropReason::WrongFamily));
    assert_eq!(world.peer_sends(relays[1].0, "[::ffff:198.51.100.9]:9000", 5), Err(DropReason::WrongFamily));
}

#[test]
fn what_does_not_fit_behind_its_header_is_dropped_and_not_counted() {
    const PEER_V6: &str = "[2001:db8::9]:9000";
    let (mut world, _) = World::allocated();
    world.code(Method::Refresh, |w| {
        w.lifetime(0);
    });
    while world.server.poll_effect().is_some() {}
    let pending = world.try_request(Method::Allocate, |w| {
        w.requested_transport(17).requested_address_family(AddressFamily::V6);
    });
    assert_eq!(pending, None);
    let Some(Effect::OpenRelay(open)) = world.server.poll_effect() else { panic!("no socket is asked for") };
    world.server.relay_opened(world.now, open.relay, Ok(Opened { addr: addr("[2001:db8::1]:50000"), pair: None }));
    assert_eq!(world.permit(PEER_V6), 200);
    assert!(world.peer_sends(open.relay, PEER_V6, 65_504).is_ok());
    assert_eq!(world.peer_sends(open.relay, PEER_V6, 65_505), Err(DropReason::TooLong));
    world.code(Method::Refresh, |w| {
        w.lifetime(0);
    });
    let ended = std::iter::from_fn(|| world.server.poll_effect()).find_map(|effect| match effect {
        Effect::Report(Report::AllocationEnded { traffic, .. }) => Some(traffic),
        _ => None,
    });
    assert_eq!(ended.map(|traffic| (traffic.packets_to_client, traffic.bytes_to_client)), Some((1, 65_504)));
}

#[test]
fn a_retransmitted_request_gets_the_same_answer() {
    let (mut world, _) = World::allocated();
    // The Allocate itself: the same transaction, the same bytes.
    world.transactions -= 1;
    let again = world.request(Method::Allocate, |w| {
        w.requested_transport(17);
    });
    assert_eq!(Message::parse(&again).expect("a reply").xor_relayed_address(), Ok(Some(addr(RELAYED))));
    assert_eq!(
        world.code(Method::Allocate, |w| {
            w.requested_transport(17);
        }),
        437
    );
    let delete = world.write(Method::Refresh, |w| {
        w.lifetime(0);
    });
    assert_eq!(world.send(&delete), world.send(&delete));
    assert_eq!(
        world.code(Method::Refresh, |w| {
            w.lifetime(0);
        }),
        437
    );
}

#[test]
fn a_channel_keeps_its_number_and_peer_through_the_cool_down() {
    let (mut world, _) = World::allocated();
    assert_eq!(world.bind(0x4000, PEER), 200);
    assert_eq!(world.bind(0x4000, PEER), 200);
    assert_eq!(world.bind(0x4001, PEER), 400);
    assert_eq!(world.bind(0x4000, "198.51.100.9:9001"), 400);
    assert_eq!(
        world.code(Method::Refresh, |w| {
            w.lifetime(3600);
        }),
        200
    );
    world.wait(601);
    assert_eq!(world.channel_data(0x4000, b"late"), Err(DropReason::NoChannel));
    assert_eq!(world.bind(0x4000, "198.51.100.9:9001"), 400);
    assert_eq!(world.bind(0x4000, PEER), 200);
    world.wait(601 + 300);
    assert_eq!(world.bind(0x4000, "198.51.100.9:9001"), 200);
}

#[test]
fn a_permission_lasts_300_seconds_and_a_channel_keeps_sending_without_it() {
    let (mut world, relay) = World::allocated();
    assert_eq!(world.bind(0x4000, PEER), 200);
    world.wait(299);
    assert!(world.peer_sends(relay, PEER, 1).is_ok());
    world.wait(2);
    assert_eq!(world.peer_sends(relay, PEER, 1), Err(DropReason::NoPermission));
    assert!(world.channel_data(0x4000, b"x").is_ok());
    assert_eq!(world.permit(PEER), 200);
    assert!(world.peer_sends(relay, PEER, 1).is_ok());
}

#[test]
fn a_changed_policy_cuts_before_the_next_packet_and_revokes_what_it_no_longer_admits() {
    let (mut world, relay) = World::allocated();
    assert_eq!(world.bind(0x4000, PEER), 200);
    world.server.poll_effect();
    world.policy.version = 2;
    world.policy.refused = Some(addr(PEER).ip());
    assert_eq!(world.channel_data(0x4000, b"x"), Err(DropReason::PeerRefused));
    assert_eq!(world.peer_sends(relay, PEER, 1), Err(DropReason::PeerRefused));
    world.server.policy_changed();
    assert_eq!(world.server.poll_timeout(), Some(Instant::ZERO));
    world.wait(0);
    assert!(matches!(world.server.poll_effect(), Some(Effect::BindingDown(_))));
    assert!(matches!(world.server.poll_effect(), Some(Effect::Report(Report::Revoked { entries: 2, .. }))));
    assert_eq!((world.server.usage().permissions, world.server.usage().channels), (0, 0));
}

#[test]
fn an_allocation_that_cannot_be_opened_leaves_nothing_behind() {
    let (mut world, _) = World::allocated();
    assert_eq!(
        world.code(Method::Refresh, |w| {
            w.lifetime(0);
        }),
        200
    );
    while world.server.poll_effect().is_some() {}
    let request = world.write(Method::Allocate, |w| {
        w.requested_transport(17);
    });
    assert_eq!(world.send(&request), None);
    let Some(Effect::OpenRelay(open)) = world.server.poll_effect() else { panic!("no socket is asked for") };
    world.server.relay_opened(world.now, open.relay, Err(OpenError::Capacity));
    let Some(Effect::Transmit { bytes, .. }) = world.server.poll_effect() else { panic!("no late reply") };
    let code = Message::parse(&bytes).expect("a reply").error_code().expect("well-formed").map(|error| error.code);
    assert_eq!(code, Some(508));
    assert_eq!(world.send(&request).as_deref(), Some(&*bytes));
    assert_eq!((world.server.usage().allocations, world.server.usage().relays), (0, 0));
    assert!(world.policy.quotas.is_empty());
}

#[test]
fn sockets_that_nobody_opens_are_waited_for_ten_seconds() {
    let (mut world, _) = World::allocated();
    assert_eq!(
        world.code(Method::Refresh, |w| {
            w.lifetime(0);
        }),
        200
    );
    while world.server.poll_effect().is_some() {}
    assert!(
        world
            .try_request(Method::Allocate, |w| {
                w.requested_transport(17);
            })
            .is_none()
    );
    let Some(Effect::OpenRelay(open)) = world.server.poll_effect() else { panic!("no socket is asked for") };
    world.wait(11);
    assert!(matches!(world.server.poll_effect(), Some(Effect::Transmit { .. })));
    assert_eq!(world.server.usage().relays, 0);
    world.server.relay_opened(world.now, open.relay, Ok(Opened { addr: addr(RELAYED), pair: None }));
    assert!(matches!(world.server.poll_effect(), Some(Effect::CloseRelay(id)) if id == open.relay));
}

#[test]
fn an_unauthenticated_answer_says_no_more_than_it_must() {
    let mut world = World::new();
    let mut buf = [0; 128];
    let len =
        MessageWriter::new(&mut buf, Class::Request, Method::Binding, TransactionId([9; 12])).finish().expect("room");
    assert_eq!(world.send(&buf[..len]).expect("an answer").len(), 32);
    let mut writer = MessageWriter::new(&mut buf, Class::Request, Method::Allocate, TransactionId([9; 12]));
    writer.requested_transport(17);
    let len = writer.finish().expect("room");
    let reply = world.send(&buf[..len]).expect("an answer");
    assert_eq!(reply.len(), 104);
    assert_eq!(Message::parse(&reply).expect("a reply").error_code().expect("well-formed").expect("there").reason, "");
    let types: Vec<_> = Message::parse(&reply).expect("a reply").attributes().map(|a| a.typ).collect();
    use AttributeType as A;
    assert_eq!(types, [A::ERROR_CODE, A::REALM, A::NONCE, A::PASSWORD_ALGORITHMS]);
}

#[test]
fn a_reservation_counts_as_an_allocation_until_it_is_redeemed_or_expires() {
    let (mut world, _) = World::allocated();
    assert_eq!(
        world.code(Method::Refresh, |w| {
            w.lifetime(0);
        }),
        200
    );
    while world.server.poll_effect().is_some() {}
    assert_eq!(world.policy.quotas.total(), 0);
    // EVEN-PORT with R needs two places.
    world.policy.limits.allocations_per_user = 1;
    let reserve = |w: &mut MessageWriter<'_>| {
        w.requested_transport(17).even_port(true);
    };
    assert_eq!(world.code(Method::Allocate, reserve), 486);
    assert!(world.policy.quotas.is_empty());
    world.policy.limits.allocations_per_user = 2;
    while world.server.poll_effect().is_some() {}
    assert!(world.try_request(Method::Allocate, reserve).is_none());
    let Some(Effect::OpenRelay(open)) = world.server.poll_effect() else { panic!("no socket is asked for") };
    let pair = open.pair.expect("a reservation");
    let opened = Opened { addr: addr("203.0.113.1:50000"), pair: Some((pair, addr("203.0.113.1:50001"))) };
    world.server.relay_opened(world.now, open.relay, Ok(opened));
    let Some(Effect::Transmit { bytes, .. }) = world.server.poll_effect() else { panic!("no late reply") };
    let token = Message::parse(&bytes).expect("a reply").reservation_token().expect("well-formed").expect("there");
    while world.server.poll_effect().is_some() {}
    assert_eq!(world.policy.quotas.total(), 2);
    // Another five-tuple redeems it although the quota is used up: its place is there.
    let first = world.client;
    let ClientId::Udp(five_tuple) = first else { panic!("a UDP client") };
    world.client = ClientId::Udp(FiveTuple { client: addr("192.0.2.1:4001"), ..five_tuple });
    assert!(
        world
            .try_request(Method::Allocate, |w| {
                w.requested_transport(17).reservation_token(&token);
            })
            .is_none()
    );
    let Some(Effect::Transmit { bytes, .. }) = world.server.poll_effect() else { panic!("no late reply") };
    let relayed = Message::parse(&bytes).expect("a reply").xor_relayed_address();
    assert_eq!(relayed, Ok(Some(addr("203.0.113.1:50001"))));
    assert_eq!((world.policy.quotas.total(), world.server.usage().reservations), (2, 0));
    world.wait(3700);
    assert!(world.policy.quotas.is_empty());
    assert_eq!(world.server.usage().relays, 0);
}

#[test]
fn an_additional_family_is_heard_by_its_number_and_by_that_of_the_drafts() {
    for number in [0x8000, 0x8032] {
        let (mut world, _) = World::allocated();
        assert_eq!(
            world.code(Method::Refresh, |w| {
                w.lifetime(0);
            }),
            200
        );
        while world.server.poll_effect().is_some() {}
        let pending = world.try_request(Method::Allocate, |w| {
            w.requested_transport(17).attribute(AttributeType(number), &[2, 0, 0, 0]);
        });
        assert!(pending.is_none());
        for family in [AddressFamily::V4, AddressFamily::V6] {
            let Some(Effect::OpenRelay(open)) = world.server.poll_effect() else {
                panic!("{number:#x}: no {family:?}")
            };
            assert_eq!(open.family, family);
        }
    }
}
