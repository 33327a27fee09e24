//! A worker's UDP sockets and the poll set that watches them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{Timespec, epoll};
use stunner_sys::{SendQueue, SendStats, Target};

use super::listener::ListenerSocket;
use super::relay::RelaySocket;

/// Events taken from the kernel with one call.
const EVENTS: usize = 256;
/// Set in the token of a listener; the rest is its number. That of a relayed socket is its index.
const LISTENER: u64 = 1 << 32;

/// A worker's number for a relayed socket: a place in its table, and which of the sockets that were there over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayKey {
    /// The place, small and reused.
    pub index: u32,
    /// Another for each socket at that place.
    pub generation: u32,
}

/// A socket that has something to read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ready {
    Listener(u16),
    Relay(u32),
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: ListenerSocket,
    /// It waits in the ready queue.
    queued: bool,
}

#[derive(Debug)]
pub(super) struct Relay {
    pub(super) key: RelayKey,
    pub(super) socket: RelaySocket,
    /// Its error queue is to be read.
    pub(super) errors: bool,
    queued: bool,
}

/// The UDP sockets of one worker, in one edge-triggered `epoll`.
///
/// A socket that has become readable stays in the ready queue until it was read empty, since the kernel reports it once.
pub struct Sockets {
    poll: OwnedFd,
    events: Vec<epoll::Event>,
    ready: VecDeque<Ready>,
    listeners: Vec<Option<Listener>>,
    relays: Vec<Option<Relay>>,
    single: SendQueue,
}

impl Sockets {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS),
            ready: VecDeque::with_capacity(EVENTS),
            listeners: Vec::new(),
            relays: Vec::new(),
            single: SendQueue::default(),
        })
    }

    /// Takes over a worker's socket of listener `id`. One that had this number is closed.
    ///
    /// # Errors
    /// What `epoll_ctl` returned, for lack of memory or watches.
    pub fn add_listener(&mut self, id: u16, socket: ListenerSocket) -> io::Result<()> {
        let token = epoll::EventData::new_u64(LISTENER | u64::from(id));
        epoll::add(&self.poll, socket.as_fd(), token, epoll::EventFlags::IN | epoll::EventFlags::ET)?;
        let index = usize::from(id);
        if self.listeners.len() <= index {
            self.listeners.resize_with(index + 1, || None);
        }
        self.listeners[index] = Some(Listener { socket, queued: false });
        Ok(())
    }

    /// Closes the worker's socket of listener `id`.
    pub fn remove_listener(&mut self, id: u16) {
        if let Some(listener) = self.listeners.get_mut(usize::from(id)) {
            *listener = None;
        }
    }

    /// Takes over a relayed socket under `key`. One at the same index is closed.
    ///
    /// # Errors
    /// What `epoll_ctl` returned, for lack of memory or watches.
    pub fn add_relay(&mut self, key: RelayKey, socket: RelaySocket) -> io::Result<()> {
        let token = epoll::EventData::new_u64(u64::from(key.index));
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ERR | epoll::EventFlags::ET;
        epoll::add(&self.poll, socket.as_fd(), token, flags)?;
        let index = key.index as usize;
        if self.relays.len() <= index {
            self.relays.resize_with(index + 1, || None);
        }
        self.relays[index] = Some(Relay { key, socket, errors: false, queued: false });
        Ok(())
    }

    /// Gives up a relayed socket: drop it to close it, or hand it to another worker.
    pub fn remove_relay(&mut self, key: RelayKey) -> Option<RelaySocket> {
        let place = self.relays.get_mut(key.index as usize)?;
        let socket = place.take_if(|relay| relay.key == key)?.socket;
        // Closing would do it too, but the socket may live on in another poll set.
        let _ = epoll::delete(&self.poll, socket.as_fd());
        Some(socket)
    }

    /// The address that a relayed socket is bound to.
    #[must_use]
    pub fn relay_address(&self, key: RelayKey) -> Option<SocketAddr> {
        self.relay(key).map(|relay| relay.socket.local())
    }

    /// Sends one datagram to a client at once: what is not part of a batch, such as a late reply. `local` is the address that the client
    /// knows the listener by. A datagram that cannot be sent now is dropped and counted.
    pub fn send_to_client(&mut self, listener: u16, local: SocketAddr, client: SocketAddr, bytes: &[u8]) {
        let Some(Listener { socket, .. }) = self.listeners.get(usize::from(listener)).and_then(Option::as_ref) else {
            return;
        };
        let target = Target {
            socket: 0,
            family: socket.family(),
            destination: client,
            source: socket.is_any().then(|| local.ip()),
            traffic_class: 0,
        };
        let mut send = self.single.start();
        if send.push(&target, &[], bytes, 0).is_ok() {
            send.flush(false, |_| Some(socket.as_fd()));
        }
    }

    pub(super) fn single_stats(&self) -> SendStats {
        self.single.stats()
    }

    pub(super) fn poll_fd(&self) -> io::Result<OwnedFd> {
        self.poll.try_clone()
    }

    /// Moves what the kernel reports into the ready queue. True: there may be more to report.
    pub(super) fn poll(&mut self) -> io::Result<bool> {
        self.events.clear();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spare = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.poll, spare, Some(&now)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            // Copied out: the kernel's struct is packed.
            let (token, flags) = (event.data.u64(), event.flags);
            let index = token as u32;
            if token & LISTENER != 0 {
                if let Some(Some(listener)) = self.listeners.get_mut(index as usize)
                    && !std::mem::replace(&mut listener.queued, true)
                {
                    self.ready.push_back(Ready::Listener(index as u16));
                }
            } else if let Some(Some(relay)) = self.relays.get_mut(index as usize) {
                relay.errors |= flags.contains(epoll::EventFlags::ERR);
                if !std::mem::replace(&mut relay.queued, true) {
                    self.ready.push_back(Ready::Relay(index));
                }
            }
        }
        Ok(self.events.len() == EVENTS)
    }

    pub(super) fn ready_len(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn next_ready(&mut self) -> Option<Ready> {
        self.ready.pop_front()
    }

    /// Puts a socket back that was not read empty: at the end, or (it was not read at all) at the front.
    pub(super) fn not_drained(&mut self, ready: Ready, front: bool) {
        if front {
            self.ready.push_front(ready);
        } else {
            self.ready.push_back(ready);
        }
    }

    /// The socket was read empty: the kernel will report the next datagram.
    pub(super) fn drained(&mut self, ready: Ready) {
        match ready {
            Ready::Listener(id) => {
                if let Some(Some(listener)) = self.listeners.get_mut(usize::from(id)) {
                    listener.queued = false;
                }
            }
            Ready::Relay(index) => {
                if let Some(Some(relay)) = self.relays.get_mut(index as usize) {
                    relay.queued = false;
                }
            }
        }
    }

    #[inline]
    pub(super) fn listener(&self, id: u16) -> Option<&ListenerSocket> {
        self.listeners.get(usize::from(id))?.as_ref().map(|listener| &listener.socket)
    }

    #[inline]
    pub(super) fn relay(&self, key: RelayKey) -> Option<&Relay> {
        self.relays.get(key.index as usize)?.as_ref().filter(|relay| relay.key == key)
    }

    #[inline]
    pub(super) fn relay_at(&self, index: u32) -> Option<&Relay> {
        self.relays.get(index as usize)?.as_ref()
    }

    pub(super) fn relay_at_mut(&mut self, index: u32) -> Option<&mut Relay> {
        self.relays.get_mut(index as usize)?.as_mut()
    }
}
