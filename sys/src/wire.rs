//! What the kernel reads when a batch is sent: `mmsghdr`s and all that they point to.

use std::io;
use std::mem;
use std::ptr;

use crate::address::RawAddress;
use crate::control::{Control, SEND_CONTROL};
use crate::send::{MESSAGES, Message, PARTS, Part};

/// What became of a call.
pub(crate) enum Outcome {
    /// So many messages, at least one, were taken.
    Sent(usize),
    WouldBlock,
    /// The first message was refused.
    Refused(io::Error),
}

/// What is kept about a prepared message beside its header.
#[derive(Clone, Copy)]
struct Prepared {
    first_part: u16,
    parts: u16,
    segment: u32,
    segments: u16,
    /// Bytes of control data that do not ask for segmentation.
    plain_control: u16,
}

impl Prepared {
    const EMPTY: Self = Self { first_part: 0, parts: 0, segment: 0, segments: 0, plain_control: 0 };
}

/// Arrays that are filled anew for every call; boxed, so that they are made once.
pub(crate) struct Wire {
    headers: [libc::mmsghdr; MESSAGES],
    names: [RawAddress; MESSAGES],
    controls: [Control<SEND_CONTROL>; MESSAGES],
    vectors: [libc::iovec; PARTS],
    prepared: [Prepared; MESSAGES],
}

impl Wire {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            // SAFETY: `mmsghdr` is plain data (integers and pointers), for which all zeroes is a valid value.
            headers: [const { unsafe { mem::zeroed() } }; MESSAGES],
            names: [RawAddress::EMPTY; MESSAGES],
            controls: [Control::EMPTY; MESSAGES],
            vectors: [const { libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 } }; PARTS],
            prepared: [Prepared::EMPTY; MESSAGES],
        })
    }

    /// Takes the messages of socket number `socket`, marks them as flushed, and returns how many there are.
    pub(crate) fn prepare(&mut self, messages: &mut [Message], parts: &[Part], headers: &[u8], socket: u32) -> usize {
        let mut count = 0;
        let mut vectors = 0;
        for message in messages.iter_mut().filter(|message| message.target.socket == socket) {
            message.flushed = true;
            let first = usize::from(message.first_part);
            let own = &parts[first..first + usize::from(message.parts)];
            self.prepared[count] = Prepared {
                first_part: vectors as u16,
                parts: message.parts,
                segment: message.segment,
                segments: message.segments,
                plain_control: 0,
            };
            for (vector, part) in self.vectors[vectors..].iter_mut().zip(own) {
                *vector = match *part {
                    Part::Header { start, len } => libc::iovec {
                        iov_base: headers[usize::from(start)..].as_ptr().cast_mut().cast(),
                        iov_len: usize::from(len),
                    },
                    Part::Bytes { start, len } => {
                        libc::iovec { iov_base: start.cast_mut().cast(), iov_len: len as usize }
                    }
                };
            }
            vectors += own.len();
            self.address(count, message);
            count += 1;
        }
        count
    }

    /// Writes name and control data of prepared message `at`.
    fn address(&mut self, at: usize, message: &Message) {
        let target = &message.target;
        let header = &mut self.headers[at].msg_hdr;
        header.msg_namelen = self.names[at].encode(&target.destination, target.family);
        header.msg_controllen = 0;
        if target.source.is_none() && target.traffic_class == 0 && message.segments == 1 {
            return;
        }
        let mut control = self.controls[at].writer();
        if let Some(source) = target.source {
            control.source(source, target.family == crate::Family::V6);
        }
        if target.traffic_class != 0 {
            control.traffic_class(target.traffic_class, target.destination.is_ipv4());
        }
        self.prepared[at].plain_control = control.len() as u16;
        if message.segments > 1 {
            control.segment_size(message.segment as u16);
        }
        header.msg_controllen = control.len() as _;
    }

    /// Datagrams in prepared messages `from..to`.
    pub(crate) fn datagrams(&self, from: usize, to: usize) -> u64 {
        self.prepared[from..to].iter().map(|prepared| u64::from(prepared.segments)).sum()
    }

    pub(crate) fn is_run(&self, at: usize) -> bool {
        self.prepared[at].segments > 1
    }

    /// Sends prepared messages `from..to`, or as many as the kernel takes with one call.
    pub(crate) fn send(&mut self, fd: i32, from: usize, to: usize) -> Outcome {
        if to - from == 1 {
            let parts = usize::from(self.prepared[from].parts);
            let control = self.headers[from].msg_hdr.msg_controllen as usize;
            return self.send_single(fd, from, 0, parts, control);
        }
        for at in from..to {
            let Prepared { first_part, parts, .. } = self.prepared[at];
            self.point(at, usize::from(first_part), usize::from(parts));
        }
        loop {
            // SAFETY: headers `from..to` were just pointed at names, control data and vectors of this `Wire`, whose parts in turn point
            // to headers and payloads that the caller borrows during the call. The kernel writes only `msg_len`.
            let result = unsafe {
                libc::sendmmsg(
                    fd,
                    self.headers[from..to].as_mut_ptr(),
                    (to - from) as libc::c_uint,
                    libc::MSG_DONTWAIT as _,
                )
            };
            if let Some(outcome) = outcome(result as isize) {
                return outcome;
            }
        }
    }

    /// How many parts make up the datagram of a run that follows the first `done` parts; `None` at its end.
    pub(crate) fn next_of_run(&self, at: usize, done: usize) -> Option<usize> {
        let Prepared { first_part, parts, segment, .. } = self.prepared[at];
        let first = usize::from(first_part);
        let rest = &self.vectors[first + done..first + usize::from(parts)];
        let mut bytes = 0;
        let whole = rest.iter().position(|vector| {
            bytes += vector.iov_len;
            bytes >= segment as usize
        });
        match whole {
            Some(last) => Some(last + 1),
            None => (!rest.is_empty()).then_some(rest.len()),
        }
    }

    /// Sends `parts` parts of a message, after its first `done`, as a datagram of their own.
    pub(crate) fn send_parts(&mut self, fd: i32, at: usize, done: usize, parts: usize) -> Outcome {
        let control = usize::from(self.prepared[at].plain_control);
        self.send_single(fd, at, done, parts, control)
    }

    fn send_single(&mut self, fd: i32, at: usize, skip: usize, parts: usize, control: usize) -> Outcome {
        let first = usize::from(self.prepared[at].first_part) + skip;
        self.point(at, first, parts);
        self.headers[at].msg_hdr.msg_controllen = control as _;
        let header = &self.headers[at].msg_hdr;
        loop {
            let result = if parts == 1 && control == 0 {
                let vector = &self.vectors[first];
                // SAFETY: the vector describes bytes that the caller borrows during the call, the name lies in this `Wire`; both are only read.
                unsafe {
                    libc::sendto(
                        fd,
                        vector.iov_base,
                        vector.iov_len,
                        libc::MSG_DONTWAIT,
                        header.msg_name.cast_const().cast(),
                        header.msg_namelen,
                    )
                }
            } else {
                // SAFETY: as in `send`: the header was just pointed at live parts of this `Wire`. The kernel only reads.
                unsafe { libc::sendmsg(fd, header, libc::MSG_DONTWAIT) }
            };
            if let Some(outcome) = outcome(result.min(1)) {
                return outcome;
            }
        }
    }

    /// Points header `at` to its name, its control data and the given vectors.
    fn point(&mut self, at: usize, first_part: usize, parts: usize) {
        let vectors = self.vectors[first_part..first_part + parts].as_mut_ptr();
        let header = &mut self.headers[at].msg_hdr;
        header.msg_name = (&raw mut self.names[at]).cast();
        header.msg_iov = vectors;
        header.msg_iovlen = parts as _;
        header.msg_control = if header.msg_controllen == 0 { ptr::null_mut() } else { self.controls[at].as_mut_ptr() };
    }
}

/// What a system call's result means; `None`: it was interrupted, call again.
fn outcome(result: isize) -> Option<Outcome> {
    if let Ok(sent) = usize::try_from(result) {
        // A datagram of no bytes is sent too.
        return Some(Outcome::Sent(sent.max(1)));
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::Interrupted => None,
        error if error.kind() == io::ErrorKind::WouldBlock => Some(Outcome::WouldBlock),
        error => Some(Outcome::Refused(error)),
    }
}
