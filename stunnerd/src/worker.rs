//! A worker: one thread, one `turn_core::Server`, one poll set. It joins the server to sockets and carries out its effects.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use stun_codec::Icmp;
use tokio::{
    sync::{mpsc, mpsc::error::TrySendError, watch},
    time::{MissedTickBehavior, interval, sleep_until},
};
use tracing::{debug, warn};
use turn_core::{
    ClientAction, ClientId, DropReason, Effect, FiveTuple, ListenerId, Mail, Now, OpenError, OpenRelay, Opened,
    PeerAction, RelayId, Report, Server, ServerConfig, WorkerId,
};

use crate::{
    clock::Clock,
    net::{
        ClientSource, Datapath, Dscp, FromClient, FromPeer, Handler, Header, IcmpError, IoStats, ListenerSocket,
        PortPool, PortWish, RelayError, RelayKey, RelaySocket, Sockets, ToClient, ToPeer,
    },
    report::{Drops, Throttled, log},
    snapshot::Snapshot,
};

/// How many mails may wait for a worker. They are rare (a reservation redeemed elsewhere); one that finds no room is returned, and
/// the client that waits for it gets 508.
pub const MAILBOX: usize = 1024;

/// How often a worker shows that it is alive when nothing else happens.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// A mail between workers' servers, with the sockets that travel along.
pub struct Parcel {
    mail: Mail,
    sockets: [Option<RelaySocket>; 2],
}

/// What a worker shares with the rest of the process.
pub struct Shared {
    /// The configuration in force.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// Turns true when the process ends.
    pub stop: watch::Receiver<bool>,
    /// Every worker's mailbox, by its number.
    pub mailboxes: Arc<[mpsc::Sender<Parcel>]>,
    /// Counts up at least once per second while the worker is alive.
    pub heartbeat: Arc<AtomicU64>,
    /// The relay ports of the process.
    pub ports: Arc<PortPool>,
    /// The process's clocks.
    pub clock: Clock,
}

/// What a worker starts from. Buffers and poll set are made on its own thread.
pub struct Seat {
    /// The worker's number: its place in [`Shared::mailboxes`].
    pub number: u16,
    /// Its socket of each listener, by the listener's number.
    pub sockets: Vec<(u16, ListenerSocket)>,
    /// Where its mail arrives.
    pub mailbox: mpsc::Receiver<Parcel>,
    /// Seeds of the server's random numbers and of the relay ports: 32 bytes each from the operating system.
    pub seeds: [[u8; 32]; 2],
    /// What it shares with the rest of the process.
    pub shared: Shared,
}

/// A worker at work.
struct Worker {
    datapath: Datapath,
    core: Core,
    mailbox: mpsc::Receiver<Parcel>,
    shared: Shared,
}

/// The server and what its effects need.
struct Core {
    server: Server,
    snapshot: Arc<Snapshot>,
    clock: Clock,
    now: Now,
    rng: ChaCha12Rng,
    ports: Arc<PortPool>,
    mailboxes: Arc<[mpsc::Sender<Parcel>]>,
    drops: Drops,
    open_failures: Throttled,
    refusals: Throttled,
}

/// Serves until the process ends.
///
/// # Errors
/// The poll set failed, which leaves the worker's share of clients without service.
pub async fn run(seat: Seat) -> io::Result<Summary> {
    let Seat { number, sockets, mailbox, seeds: [server_seed, port_seed], shared } = seat;
    let mut datapath = Datapath::new(Dscp::Copy)?;
    for (id, socket) in sockets {
        datapath.sockets().add_listener(id, socket)?;
    }
    let core = Core {
        server: Server::new(ServerConfig { worker: WorkerId(number), seed: server_seed }),
        snapshot: shared.snapshot.borrow().clone(),
        clock: shared.clock,
        now: shared.clock.now(),
        rng: ChaCha12Rng::from_seed(port_seed),
        ports: Arc::clone(&shared.ports),
        mailboxes: Arc::clone(&shared.mailboxes),
        drops: Drops::default(),
        open_failures: Throttled::default(),
        refusals: Throttled::default(),
    };
    Worker { datapath, core, mailbox, shared }.run().await
}

impl Worker {
    async fn run(mut self) -> io::Result<Summary> {
        let readable = stunner_sys::watch_readable(self.datapath.poll_fd()?)?;
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            // Relaxed: only whether it changes matters.
            self.shared.heartbeat.fetch_add(1, Ordering::Relaxed);
            let timeout = self.core.server.poll_timeout().map(|at| self.core.clock.to_std(at).into());
            tokio::select! {
                biased;
                _ = self.shared.stop.wait_for(|stop| *stop) => break,
                guard = readable.readable() => {
                    let mut guard = guard?;
                    if self.datapath.turn(&mut self.core)?.more {
                        tokio::task::yield_now().await;
                    } else {
                        guard.clear_ready();
                    }
                    // `biased` would let a busy socket starve what follows.
                    self.core.catch_up(self.datapath.sockets());
                    while let Ok(parcel) = self.mailbox.try_recv() {
                        self.core.receive(parcel, self.datapath.sockets());
                    }
                }
                Some(parcel) = self.mailbox.recv() => self.core.receive(parcel, self.datapath.sockets()),
                changed = self.shared.snapshot.changed() => {
                    if changed.is_ok() {
                        self.core.snapshot = self.shared.snapshot.borrow_and_update().clone();
                        self.core.server.policy_changed();
                    }
                }
                () = async { sleep_until(timeout.expect("checked by the branch's condition")).await }, if timeout.is_some() => {
                    self.core.catch_up(self.datapath.sockets());
                }
                _ = heartbeat.tick() => (),
            }
        }
        Ok(Summary { io: self.datapath.stats(), drops: self.core.drops, allocations: self.core.server.allocations() })
    }
}

impl Core {
    /// Lets the server do what is due by now.
    fn catch_up(&mut self, sockets: &mut Sockets) {
        self.now = self.clock.now();
        if self.server.poll_timeout().is_some_and(|at| at <= self.now.mono) {
            self.server.handle_timeout(&*self.snapshot, self.now);
            self.effects(sockets);
        }
    }

    fn receive(&mut self, parcel: Parcel, sockets: &mut Sockets) {
        self.now = self.clock.now();
        let ids = self.server.handle_mail(self.now, parcel.mail, None);
        for (id, socket) in ids.into_iter().zip(parcel.sockets) {
            if let (Some(id), Some(socket)) = (id, socket)
                && let Err(error) = sockets.add_relay(key(id), socket)
            {
                warn!(target: "relay", "a reserved socket is lost, its allocation will hear nothing: {error}");
            }
        }
        self.effects(sockets);
    }

    fn effects(&mut self, sockets: &mut Sockets) {
        while let Some(effect) = self.server.poll_effect() {
            match effect {
                Effect::OpenRelay(open) => {
                    let result = self.open(&open, sockets);
                    self.server.relay_opened(self.now, open.relay, result);
                }
                Effect::CloseRelay(relay) => drop(sockets.remove_relay(key(relay))),
                Effect::Transmit { client: ClientId::Udp(to), bytes } => {
                    sockets.send_to_client(to.listener.0, to.local, to.client, &bytes);
                }
                Effect::Post { to, mail, sockets: ids, stream: _ } => {
                    let taken = ids.map(|id| id.and_then(|id| sockets.remove_relay(key(id))));
                    self.post(to, Parcel { mail, sockets: taken });
                }
                Effect::Report(Report::LimitReached { user, client, limit }) => {
                    let (user, client, limit) = (user.as_str(), client.address(), limit.name());
                    let line = format!("allocation of user {user:?} at {client} refused: limit {limit} is reached");
                    self.refusals.warn(self.now, &line);
                }
                Effect::Report(report) => log(&report),
                // No listener of this version has stream clients or TCP relays, and nothing mirrors bindings.
                other => debug!(target: "turn", "not carried out: {other:?}"),
            }
        }
    }

    fn open(&mut self, open: &OpenRelay, sockets: &mut Sockets) -> Result<Opened, OpenError> {
        let address = self.snapshot.relay_address(open.listener, open.local, open.family).ok_or(OpenError::Family)?;
        let wish = match (open.pair, open.even) {
            (Some(_), _) => PortWish::EvenAndNext,
            (None, true) => PortWish::Even,
            (None, false) => PortWish::Any,
        };
        let opened = RelaySocket::open(&self.ports, address.bind, wish, &mut self.rng).map_err(|error| {
            self.open_failures.warn(self.now, &format!("no relayed address on {}: {error}", address.bind));
            if matches!(error, RelayError::NoAddress(_)) { OpenError::Family } else { OpenError::Capacity }
        })?;
        let advertised = |socket: &RelaySocket| SocketAddr::new(address.advertised, socket.local().port());
        let addr = advertised(&opened.relay);
        let mut pair = None;
        if let (Some(id), Some(socket)) = (open.pair, opened.next) {
            pair = Some((id, advertised(&socket)));
            sockets.add_relay(key(id), socket).map_err(|_| OpenError::Capacity)?;
        }
        if sockets.add_relay(key(open.relay), opened.relay).is_err() {
            pair.map(|(id, _)| sockets.remove_relay(key(id)));
            return Err(OpenError::Capacity);
        }
        Ok(Opened { addr, pair })
    }

    fn post(&mut self, to: WorkerId, parcel: Parcel) {
        // A token names its worker, and a client may make one up.
        let undelivered = match self.mailboxes.get(usize::from(to.0)) {
            Some(mailbox) => mailbox.try_send(parcel).err().map(TrySendError::into_inner),
            None => Some(parcel),
        };
        let Some(Parcel { mail, .. }) = undelivered else { return };
        self.drops.count("mail");
        // No socket can come along: what waits for it is answered with 508.
        if let Some(mail) = mail.returned() {
            self.server.handle_mail(self.now, mail, None);
        }
    }
}

impl Handler for Core {
    fn batch_started(&mut self) {
        self.now = self.clock.now();
    }

    fn on_client<'d>(&mut self, from: &ClientSource, datagram: &'d [u8], reply: &mut [u8]) -> FromClient<'d> {
        let client =
            ClientId::Udp(FiveTuple { listener: ListenerId(from.listener), client: from.client, local: from.local });
        match self.server.handle_client(&*self.snapshot, self.now, &client, datagram, reply) {
            ClientAction::ToPeer(to) => FromClient::ToPeer(ToPeer {
                relay: key(to.relay),
                peer: to.peer.addr(),
                dont_fragment: to.dont_fragment,
                payload: to.payload,
            }),
            ClientAction::Reply(bytes) => FromClient::Reply(bytes.len()),
            ClientAction::Pending => FromClient::Done,
            ClientAction::Drop(reason) => self.dropped(reason, FromClient::Done),
        }
    }

    fn on_peer(&mut self, relay: RelayKey, peer: SocketAddr, payload: &[u8]) -> FromPeer {
        match self.server.handle_peer(&*self.snapshot, self.now, id(relay), peer, payload.len()) {
            PeerAction::ToClient(to) => FromPeer::ToClient(ToClient {
                listener: to.client.listener().0,
                client: to.client.address(),
                local: to.client.local(),
                header: Header::new(to.header.as_slice()),
                pad: to.pad,
            }),
            PeerAction::Drop(reason) => self.dropped(reason, FromPeer::Done),
        }
    }

    fn on_icmp(&mut self, relay: RelayKey, peer: SocketAddr, error: IcmpError) {
        let icmp = Icmp { typ: error.icmp_type, code: error.icmp_code, data: error.data };
        self.server.handle_icmp(&*self.snapshot, self.now, id(relay), peer, icmp);
    }

    fn batch_ended(&mut self, sockets: &mut Sockets) {
        self.effects(sockets);
    }
}

impl Core {
    #[cold]
    fn dropped<T>(&mut self, reason: DropReason, done: T) -> T {
        self.drops.count(reason.name());
        done
    }
}

/// What a worker did, for the last lines of the log.
#[derive(Debug)]
pub struct Summary {
    /// Datagrams in and out.
    pub io: IoStats,
    /// Packets dropped, by reason.
    pub drops: Drops,
    /// Allocations that were alive at the end.
    pub allocations: usize,
}

fn key(id: RelayId) -> RelayKey {
    RelayKey { index: id.index() as u32, generation: id.generation() }
}

fn id(key: RelayKey) -> RelayId {
    RelayId::new(key.index, key.generation)
}
