//! Batched sending: different destinations with one call, runs of equal ones as one segmented message.

use std::io;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::address::Family;
use crate::wire::{Outcome, Wire};

/// Messages that one queue holds.
pub(crate) const MESSAGES: usize = 64;
/// I/O vectors that one queue holds, which is also the kernel's limit for one message (`UIO_MAXIOV`).
pub(crate) const PARTS: usize = 1024;
/// Bytes of headers that do not fit in front of their payload: 512 of the longest.
const HEADER_BYTES: usize = 512 * 48;
/// What every kernel with `UDP_SEGMENT` takes in one message.
const RUN_SEGMENTS: u16 = 64;
/// Payload bytes of one message: an IPv6 datagram with room for extension headers.
const RUN_BYTES: u32 = 65_000;
/// Longer datagrams would be fragmented on nearly every path, and a segment cannot be.
const RUN_SEGMENT: u32 = 1_472;

static ZEROES: [u8; 3] = [0; 3];

/// Where and how a datagram is sent. Consecutive datagrams with equal targets may leave as one segmented message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The caller's number of the socket to send from.
    pub socket: u32,
    /// What kind of socket that is.
    pub family: Family,
    /// Where to.
    pub destination: SocketAddr,
    /// The address to send from, on a socket that is bound to the wildcard.
    pub source: Option<IpAddr>,
    /// DSCP and ECN; 0 leaves the socket's default.
    pub traffic_class: u8,
}

/// The queue has no room: flush it, then push again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What became of the datagrams of a queue, counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendStats {
    /// Datagrams handed to the kernel.
    pub sent: u64,
    /// Dropped because the socket's buffer was full.
    pub would_block: u64,
    /// Dropped because the kernel refused them: no route, a firewall, too long with "don't fragment" set.
    pub refused: u64,
    /// System calls made.
    pub calls: u64,
    /// Runs that had to be sent one by one, because a segment did not fit the path's MTU or the device cannot segment.
    pub split_runs: u64,
}

impl std::ops::AddAssign for SendStats {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.would_block += other.would_block;
        self.refused += other.refused;
        self.calls += other.calls;
        self.split_runs += other.split_runs;
    }
}

/// A piece of a message: an own header, or borrowed bytes.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Header { start: u16, len: u16 },
    Bytes { start: *const u8, len: u32 },
}

/// One `msghdr`-to-be: a datagram, or a run of them.
pub(crate) struct Message {
    pub(crate) target: Target,
    pub(crate) first_part: u16,
    pub(crate) parts: u16,
    pub(crate) segment: u32,
    pub(crate) segments: u16,
    bytes: u32,
    /// Another datagram may join: so far all are equally long, and short enough.
    open: bool,
    pub(crate) flushed: bool,
}

/// Room for messages to be sent, made once and used for every batch.
pub struct SendQueue {
    messages: Vec<Message>,
    parts: Vec<Part>,
    headers: Vec<u8>,
    wire: Box<Wire>,
    segmentation: bool,
    stats: SendStats,
}

// SAFETY: the raw pointers in `parts` are used only through a `Sends`, which borrows what they point to, and each `Sends` starts with
// none; a queue that moves to another thread carries no pointer that will be followed.
unsafe impl Send for SendQueue {}

impl Default for SendQueue {
    fn default() -> Self {
        Self {
            messages: Vec::with_capacity(MESSAGES),
            parts: Vec::with_capacity(PARTS),
            headers: Vec::with_capacity(HEADER_BYTES),
            wire: Wire::new(),
            segmentation: true,
            stats: SendStats::default(),
        }
    }
}

impl SendQueue {
    /// Starts a batch of payloads that live for `'d`. What was pushed before and not flushed is forgotten.
    pub fn start<'d>(&mut self) -> Sends<'_, 'd> {
        self.clear();
        Sends { queue: self, payloads: PhantomData }
    }

    /// Switches `UDP_SEGMENT` for runs on (the default) or off.
    pub fn set_segmentation(&mut self, on: bool) {
        self.segmentation = on;
    }

    /// What became of everything pushed so far.
    #[must_use]
    pub fn stats(&self) -> SendStats {
        self.stats
    }

    fn clear(&mut self) {
        self.messages.clear();
        self.parts.clear();
        self.headers.clear();
    }

    /// Adds the parts of a datagram that joins the last message.
    fn join(&mut self, len: u32, parts: u16) {
        if let Some(last) = self.messages.last_mut() {
            last.parts += parts;
            last.segments += 1;
            last.bytes += len;
            last.open = len == last.segment;
        }
    }

    /// Adds a message of one datagram; its parts follow.
    fn begin(&mut self, target: &Target, len: u32, parts: u16) {
        self.messages.push(Message {
            target: *target,
            first_part: self.parts.len() as u16,
            parts,
            segment: len,
            segments: 1,
            bytes: len,
            open: len <= RUN_SEGMENT,
            flushed: false,
        });
    }

    fn joins(&self, target: &Target, len: u32) -> bool {
        self.segmentation
            && len > 0
            && self.messages.last().is_some_and(|last| {
                last.open
                    && len <= last.segment
                    && last.segments < RUN_SEGMENTS
                    && last.bytes + len <= RUN_BYTES
                    && last.target == *target
            })
    }
}

/// A batch that is being put together. Its payloads stay borrowed as long as it lives, and it forgets what was not flushed.
pub struct Sends<'q, 'd> {
    queue: &'q mut SendQueue,
    payloads: PhantomData<&'d [u8]>,
}

impl<'d> Sends<'_, 'd> {
    /// The socket of the last message, if any.
    #[must_use]
    pub fn last_socket(&self) -> Option<u32> {
        self.queue.messages.last().map(|message| message.target.socket)
    }

    /// Nothing waits to be flushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.messages.is_empty()
    }

    /// Adds a datagram made of a header (which is copied), a payload (which is not) and 0 to 3 bytes of zero padding.
    ///
    /// # Errors
    /// [`Full`]: flush first. An empty queue takes any datagram with a header of up to 24,576 bytes.
    #[inline]
    pub fn push(&mut self, target: &Target, header: &[u8], payload: &'d [u8], pad: u8) -> Result<(), Full> {
        let queue = &mut *self.queue;
        let pad = usize::from(pad).min(ZEROES.len());
        let len = (header.len() + payload.len() + pad) as u32;
        let has_payload = !payload.is_empty() || header.len() + pad == 0;
        let parts = u16::from(!header.is_empty()) + u16::from(has_payload) + u16::from(pad > 0);
        let joins = queue.joins(target, len);
        if queue.parts.len() + usize::from(parts) > PARTS
            || queue.headers.len() + header.len() > HEADER_BYTES
            || (!joins && queue.messages.len() == MESSAGES)
        {
            return Err(Full);
        }
        if joins {
            queue.join(len, parts);
        } else {
            queue.begin(target, len, parts);
        }
        if !header.is_empty() {
            queue.parts.push(Part::Header { start: queue.headers.len() as u16, len: header.len() as u16 });
            queue.headers.extend_from_slice(header);
        }
        if has_payload {
            queue.parts.push(Part::Bytes { start: payload.as_ptr(), len: payload.len() as u32 });
        }
        if pad > 0 {
            queue.parts.push(Part::Bytes { start: ZEROES.as_ptr(), len: pad as u32 });
        }
        Ok(())
    }

    /// Sends everything, with one call per socket where the kernel lets it, and empties the queue. Nothing is kept: a datagram that would
    /// block or is refused is dropped and counted.
    ///
    /// `retry`: the sockets report ICMP errors, so that a send may return one that belongs to an earlier datagram; such a send is
    /// repeated once. `socket` finds the socket by its number; the datagrams of an unknown one are counted as refused.
    pub fn flush<'f>(&mut self, retry: bool, socket: impl Fn(u32) -> Option<BorrowedFd<'f>>) {
        let queue = &mut *self.queue;
        for first in 0..queue.messages.len() {
            if queue.messages[first].flushed {
                continue;
            }
            let number = queue.messages[first].target.socket;
            let count = queue.wire.prepare(&mut queue.messages[first..], &queue.parts, &queue.headers, number);
            let Some(fd) = socket(number) else {
                queue.stats.refused += queue.wire.datagrams(0, count);
                continue;
            };
            send_group(&mut queue.wire, &mut queue.stats, fd, count, retry);
        }
        queue.clear();
    }
}

/// Sends the `count` prepared messages of one socket.
fn send_group(wire: &mut Wire, stats: &mut SendStats, fd: BorrowedFd<'_>, count: usize, retry: bool) {
    let fd = fd.as_raw_fd();
    let mut next = 0;
    let mut retried = false;
    while next < count {
        stats.calls += 1;
        match wire.send(fd, next, count) {
            Outcome::Sent(messages) => {
                stats.sent += wire.datagrams(next, next + messages);
                next += messages;
                retried = false;
            }
            // The others would fail as well, and each would cost a call to learn it.
            Outcome::WouldBlock => {
                stats.would_block += wire.datagrams(next, count);
                return;
            }
            Outcome::Refused(_) if retry && !retried => retried = true,
            Outcome::Refused(error) => {
                if wire.is_run(next) && may_be_segmentation(&error) {
                    stats.split_runs += 1;
                    split_run(wire, stats, fd, next, retry);
                } else {
                    stats.refused += wire.datagrams(next, next + 1);
                }
                next += 1;
                retried = false;
            }
        }
    }
}

/// The errors with which a kernel or device refuses to segment, among others.
fn may_be_segmentation(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMSGSIZE | libc::EINVAL | libc::EIO | libc::EOPNOTSUPP))
}

/// Sends the datagrams of a run one by one.
fn split_run(wire: &mut Wire, stats: &mut SendStats, fd: i32, message: usize, retry: bool) {
    let mut done = 0;
    while let Some(parts) = wire.next_of_run(message, done) {
        let mut attempts = 1 + u8::from(retry);
        loop {
            stats.calls += 1;
            attempts -= 1;
            match wire.send_parts(fd, message, done, parts) {
                Outcome::Sent(_) => stats.sent += 1,
                Outcome::WouldBlock => stats.would_block += 1,
                Outcome::Refused(_) if attempts > 0 => continue,
                Outcome::Refused(_) => stats.refused += 1,
            }
            break;
        }
        done += parts;
    }
}
