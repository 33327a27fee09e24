//! Carrying out what servers ask for.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use stun_codec::AddressFamily;
use turn_core::{Effect, Mail, OpenError, OpenRelay, Opened, RelayId, WorkerId};

use super::world::{Event, SERVER_V4, SERVER_V6, World};

impl World {
    /// Carries out all effects of a server, as its caller must after each call.
    pub(super) fn drain(&mut self, worker: usize) {
        while let Some(effect) = self.workers[worker].server.0.poll_effect() {
            match effect {
                Effect::OpenRelay(open) | Effect::ListenTcp(open) => self.open(worker, open),
                Effect::CloseRelay(relay) => self.close_socket(worker, relay),
                Effect::Transmit { client, bytes } => self.reach_client(worker, &client, &bytes),
                Effect::Post { to, mail, sockets, stream } => {
                    let sockets = sockets.map(|relay| relay.map(|relay| self.take_socket(worker, relay)));
                    let stream = stream.map(|stream| self.take_stream(worker, stream));
                    self.schedule(self.mail_delay, Event::Mail { to, mail, sockets, stream });
                }
                Effect::ConnectPeer { relay, connection, peer } => {
                    let peer = peer.addr();
                    let delay = self.peer_link.latency;
                    self.schedule(delay, Event::PeerConnected { worker, relay, connection, peer });
                }
                Effect::PairStreams { connection, client, peer } => self.pair(worker, connection, client, peer),
                Effect::CloseStream(stream) => self.close_stream(worker, stream),
                Effect::BindingUp(binding) => self.workers[worker].bind(binding),
                Effect::BindingDown(binding) => self.workers[worker].unbind(binding),
                Effect::Report(report) => self.reports.push(report),
                other => panic!("the simulated world does not know {other:?}"),
            }
        }
        self.workers[worker].check();
    }

    fn open(&mut self, worker: usize, open: OpenRelay) {
        let ip = relay_ip(open.family);
        let result = self.opening.open(&mut self.ports, &mut self.chance, &open, ip);
        let fresh = [Some(open.relay), open.pair].into_iter().flatten();
        assert!(fresh.into_iter().all(|relay| self.workers[worker].opening.insert(relay)), "{open:?} twice");
        if self.opening.delay == Duration::ZERO {
            self.opened(worker, &open, result);
        } else {
            self.schedule(self.opening.delay, Event::Opened { worker, open, result });
        }
    }

    pub(super) fn opened(&mut self, worker: usize, open: &OpenRelay, result: Result<Opened, OpenError>) {
        for relay in [Some(open.relay), open.pair].into_iter().flatten() {
            assert!(self.workers[worker].opening.remove(&relay), "{relay:?} was not being opened");
        }
        if let Ok(opened) = &result {
            self.put_socket(worker, open.relay, opened.addr);
            if let Some((relay, addr)) = opened.pair {
                self.put_socket(worker, relay, addr);
            }
        }
        self.workers[worker].server.0.relay_opened(self.now, open.relay, result);
    }

    pub(super) fn mail_arrived(
        &mut self,
        to: WorkerId,
        mail: Mail,
        sockets: [Option<SocketAddr>; 2],
        stream: Option<usize>,
    ) {
        let worker = usize::from(to.0);
        if worker >= self.workers.len() {
            // No such worker: mail for it is lost, and what came along is closed.
            sockets.into_iter().flatten().for_each(|addr| self.ports.give_back(addr));
            stream.into_iter().for_each(|stream| self.connections[stream].is_open = false);
            return;
        }
        let stream = stream.map(|stream| self.put_stream(worker, stream));
        let relays = self.workers[worker].server.0.handle_mail(self.now, mail, stream);
        for (addr, relay) in sockets.into_iter().zip(relays) {
            match (addr, relay) {
                (Some(addr), Some(relay)) => self.put_socket(worker, relay, addr),
                (Some(addr), None) => self.ports.give_back(addr),
                (None, relay) => assert_eq!(relay, None, "a socket was expected that did not come"),
            }
        }
        self.drain(worker);
    }

    fn put_socket(&mut self, worker: usize, relay: RelayId, addr: SocketAddr) {
        let earlier = self.workers[worker].sockets.insert(relay, addr);
        assert_eq!(earlier, None, "{relay:?} is in use");
        self.relays.insert(addr, (worker, relay));
    }

    fn take_socket(&mut self, worker: usize, relay: RelayId) -> SocketAddr {
        let addr = self.workers[worker].sockets.remove(&relay);
        let addr = addr.unwrap_or_else(|| panic!("{relay:?} is no open socket"));
        self.relays.remove(&addr);
        addr
    }

    fn close_socket(&mut self, worker: usize, relay: RelayId) {
        let addr = self.take_socket(worker, relay);
        self.ports.give_back(addr);
    }
}

fn relay_ip(family: AddressFamily) -> IpAddr {
    let server: SocketAddr = match family {
        AddressFamily::V4 => SERVER_V4,
        AddressFamily::V6 => SERVER_V6,
    }
    .parse()
    .expect("an address");
    server.ip()
}
