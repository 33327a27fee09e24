//! Closed loop: a fixed number of packets in flight, each arrival makes room for the next.

use super::packet::{self, TAG};
use super::setup::Session;
use super::sockets::{CHANNEL_PEER, PLAIN_PEER, Sockets};
use crate::batch::{BATCH, Outgoing, Received, Receiver, Sender};
use crate::cli::{Case, Direction, Framing, Options};
use crate::cpu;
use crate::netns::client_address;
use anyhow::{Result, ensure};
use nix::sys::socket::SockaddrIn;
use std::net::SocketAddrV4;
use std::thread::sleep;
use std::time::{Duration, Instant};
use stun_codec::{channel_data_header, padding};

/// After this long without an arrival what is in flight counts as lost.
const STALL: Duration = Duration::from_millis(50);
/// Time for a server to go to sleep, so that the kernel books its run time.
const SETTLE: Duration = Duration::from_millis(5);

/// What one server did in one window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// CPU time of the server's threads.
    pub(crate) server: Duration,
    /// CPU time of the load generator while packets were to be had; its empty polls not counted.
    pub(crate) load_busy: f64,
    pub(crate) wall: Duration,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
}

/// Drives `session` for `options.window()` as `case` says.
pub(crate) fn measure(
    sockets: &mut Sockets,
    session: &Session,
    case: Case,
    options: &Options,
    mark: u32,
) -> Result<Measured> {
    let mut paths = paths(sockets, session, case, mark);
    let window = options.in_flight / u32::try_from(paths.len())?;
    for path in &mut paths {
        path.window = window;
        path.run = options.run;
    }
    sleep(SETTLE);
    let before = cpu::run_time(session.pid)?;
    let (wall, load_busy) = run(&mut paths, options.window())?;
    sleep(SETTLE);
    let server = cpu::run_time(session.pid)? - before;
    let (sent, delivered) = paths.iter().fold((0, 0), |(s, d), path| (s + path.sent, d + path.delivered));
    let strange: u64 = paths.iter().map(|path| path.strange).sum();
    ensure!(strange == 0, "{}: {strange} packets were not what was sent ({case})", session.label);
    ensure!(delivered > 0, "{}: nothing was delivered ({case})", session.label);
    Ok(Measured { server, load_busy, wall, sent, delivered })
}

/// Keeps packets in flight for `window` and then waits for the last. Returns the time to the last arrival, and the share of turns
/// that moved something.
fn run(paths: &mut [Path<'_>], window: Duration) -> Result<(Duration, f64)> {
    let start = Instant::now();
    let deadline = start + window;
    let (mut turns, mut idle_turns) = (0u64, 0u64);
    let mut last_arrival = start;
    let mut sending = true;
    loop {
        let mut moved = 0;
        for path in paths.iter_mut() {
            if sending {
                moved += path.send()?;
            }
            let arrived = path.receive()?;
            moved += arrived;
            if arrived > 0 {
                last_arrival = Instant::now();
            }
        }
        turns += 1;
        if moved == 0 {
            idle_turns += 1;
            // A spinning receiver needs no waking, which the server would pay for; it only should leave the queue's lock alone.
            for _ in 0..200 {
                std::hint::spin_loop();
            }
        }
        let now = Instant::now();
        sending = sending && now < deadline;
        let stalled = now - last_arrival > STALL;
        if !sending && (stalled || paths.iter().all(|path| path.in_flight == 0)) {
            break;
        }
        if stalled {
            paths.iter_mut().for_each(|path| path.in_flight = 0);
            last_arrival = now;
        }
    }
    Ok((last_arrival - start, 1.0 - idle_turns as f64 / turns as f64))
}

/// One packet on every allocation: each must come out at the right place, from the right place.
pub(crate) fn probe(sockets: &mut Sockets, session: &Session, case: Case, mark: u32) -> Result<()> {
    for mut path in paths(sockets, session, case, mark) {
        let relayed: Vec<_> = session.allocations.iter().map(|allocation| allocation.relayed).collect();
        let to_peer = path.to_peer;
        let wrong = |allocation: u16, source: SockaddrIn, destination: Option<_>| {
            let source = SocketAddrV4::from(source);
            if to_peer {
                source != relayed[usize::from(allocation)]
            } else {
                source != session.address || destination != Some(client_address(allocation))
            }
        };
        let mut seen = vec![false; session.allocations.len()];
        path.window = u32::MAX;
        path.run = 1;
        let deadline = Instant::now() + Duration::from_secs(2);
        while seen.contains(&false) && Instant::now() < deadline {
            let left = seen.len() as u64 - path.sent;
            path.send_up_to(usize::try_from(left)?)?;
            sleep(Duration::from_millis(1));
            let extract = path.extract;
            path.receiver.receive(|datagram| {
                let payload = extract(datagram.bytes).unwrap_or_default();
                if let Some((&[a, b, c, d, _, _, high, low], _)) = payload.split_first_chunk()
                    && u32::from_be_bytes([a, b, c, d]) == mark
                {
                    let allocation = u16::from_be_bytes([high, low]);
                    seen[usize::from(allocation)] |= !wrong(allocation, datagram.source, datagram.destination);
                }
            })?;
        }
        let missing = seen.iter().filter(|&&seen| !seen).count();
        ensure!(missing == 0, "{}: {missing} of {} allocations do not relay ({case})", session.label, seen.len());
    }
    Ok(())
}

/// One direction of the load.
struct Path<'a> {
    sender: &'a mut Sender,
    receiver: &'a mut Receiver,
    /// Where packets of each allocation go, and how they begin: headers and tag.
    heads: Vec<(SockaddrIn, Vec<u8>)>,
    /// The rest of every payload.
    tail: Vec<u8>,
    /// Finds the payload in what arrives.
    extract: fn(&[u8]) -> Option<&[u8]>,
    to_peer: bool,
    size: usize,
    mark: [u8; 4],
    window: u32,
    run: u32,
    next: usize,
    repeated: u32,
    in_flight: u32,
    sent: u64,
    delivered: u64,
    strange: u64,
}

impl Path<'_> {
    fn send(&mut self) -> Result<usize> {
        let room = self.window.saturating_sub(self.in_flight) as usize;
        // Small batches would cost the load generator a call each.
        if room < BATCH.min(self.window as usize / 2) { Ok(0) } else { self.send_up_to(room) }
    }

    fn send_up_to(&mut self, room: usize) -> Result<usize> {
        let (start, repeated, run) = (self.next, self.repeated, self.run);
        let (heads, tail) = (&self.heads, &self.tail);
        let index = |i: usize| (start + (repeated as usize + i) / run as usize) % heads.len();
        let sent = self.sender.send(room, |i| {
            let (destination, head) = &heads[index(i)];
            Outgoing { destination: *destination, head, tail }
        })?;
        self.next = index(sent);
        self.repeated = ((u64::from(repeated) + sent as u64) % u64::from(run)) as u32;
        self.in_flight += u32::try_from(sent)?;
        self.sent += sent as u64;
        Ok(sent)
    }

    fn receive(&mut self) -> Result<usize> {
        let (mut delivered, mut strange) = (0, 0);
        let count = self.receiver.receive(|Received { bytes, .. }| match (self.extract)(bytes) {
            Some(payload) if payload.starts_with(&self.mark) && payload.len() == self.size => delivered += 1,
            // Left over from an earlier window, which then counted it as lost.
            Some(payload) if payload.len() >= TAG => {}
            _ => strange += 1,
        })?;
        self.delivered += delivered;
        self.strange += strange;
        self.in_flight = self.in_flight.saturating_sub(delivered as u32);
        Ok(count)
    }
}

fn paths<'a>(sockets: &'a mut Sockets, session: &Session, case: Case, mark: u32) -> Vec<Path<'a>> {
    let (peer, (peer_sender, peer_receiver)) = match case.framing {
        Framing::Channel => (CHANNEL_PEER, &mut sockets.channel_peer),
        Framing::Indication if session.is_raw() => (CHANNEL_PEER, &mut sockets.channel_peer),
        Framing::Indication => (PLAIN_PEER, &mut sockets.plain_peer),
    };
    // The raw forwarder knows only channels; it stays the limit for indications too.
    let channels = case.framing == Framing::Channel || session.is_raw();
    let size = usize::from(case.size);
    // ChannelData over UDP needs no padding (RFC 8656 §12.5).
    let pad = if channels { 0 } else { padding(size) };
    let path = |sender, receiver, heads, extract, to_peer| Path {
        sender,
        receiver,
        heads,
        tail: [vec![0x5A; size - TAG], vec![0; if to_peer { pad } else { 0 }]].concat(),
        extract,
        to_peer,
        size,
        mark: mark.to_be_bytes(),
        window: 0,
        run: 1,
        next: 0,
        repeated: 0,
        in_flight: 0,
        sent: 0,
        delivered: 0,
        strange: 0,
    };
    let numbered = || (0u16..).zip(&session.allocations);
    let to_peer = numbered().map(|(number, allocation)| {
        let framing = if channels {
            channel_data_header(allocation.channel, case.size).to_vec()
        } else {
            packet::send_header(number, peer, case.size)
        };
        let client = packet::client(client_address(number));
        let ip = packet::headers(client, session.address, framing.len() + size + pad);
        (session.address.into(), [&ip[..], &framing, &packet::tag(mark, number)].concat())
    });
    let to_client =
        numbered().map(|(number, allocation)| (allocation.relayed.into(), packet::tag(mark, number).to_vec()));
    let extract = if channels { packet::channel_payload } else { packet::data_payload };
    let mut paths = Vec::new();
    if case.direction != Direction::P2c {
        paths.push(path(&mut sockets.from_clients, peer_receiver, to_peer.collect(), whole, true));
    }
    if case.direction != Direction::C2p {
        paths.push(path(peer_sender, &mut sockets.to_clients, to_client.collect(), extract, false));
    }
    paths
}

/// What a peer gets is the payload.
fn whole(message: &[u8]) -> Option<&[u8]> {
    Some(message)
}
