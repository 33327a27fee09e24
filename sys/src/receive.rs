//! Batched receiving into an arena that lives as long as its worker.

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::address::RawAddress;
use crate::control::Control;

/// Datagrams (with GRO: trains) that one arena holds. More save no system call worth having, and cost cache and TLB entries.
pub const BATCH: usize = 16;
/// Bytes free in front of every received datagram: room for the largest header that is put there (48), and a cache line.
pub const HEADROOM: usize = 64;
/// The largest UDP payload and the largest GRO train both fit.
const CAPACITY: usize = 65_536;
/// Buffers do not start at equal offsets of a page, or all first lines would compete for the same few cache sets.
const STRIDE: usize = HEADROOM + CAPACITY + 33 * 64;
/// Destination address, traffic class and GRO segment size, each in its largest form, with room to spare.
const CONTROL: usize = 96;

struct Slot {
    name: RawAddress,
    control: Control<CONTROL>,
    len: u32,
    control_len: u32,
    truncated: bool,
}

/// Buffers for [`BATCH`] datagrams of up to 64 KiB. Pages that no datagram reached are never touched, so the resident size is that of
/// the traffic (one or two pages a buffer), not the megabyte of address space.
pub struct ReceiveArena {
    data: Box<[u8]>,
    slots: Box<[Slot]>,
}

impl Default for ReceiveArena {
    fn default() -> Self {
        let slot =
            || Slot { name: RawAddress::EMPTY, control: Control::EMPTY, len: 0, control_len: 0, truncated: false };
        Self {
            data: vec![0; STRIDE * BATCH].into_boxed_slice(),
            slots: std::iter::repeat_with(slot).take(BATCH).collect(),
        }
    }
}

impl ReceiveArena {
    /// Starts to fill the arena anew. What was received before can no longer be borrowed, the compiler sees to it.
    pub fn fill(&mut self) -> Filling<'_> {
        Filling { data: &mut self.data, slots: &mut self.slots }
    }
}

/// The part of an arena that is still empty. Several sockets may be received from, one after the other.
pub struct Filling<'d> {
    data: &'d mut [u8],
    slots: &'d mut [Slot],
}

impl<'d> Filling<'d> {
    /// How many datagrams still fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.slots.len()
    }

    /// Receives at most `max` datagrams with one call, without blocking. Fewer than [`room`](Self::room) and `max` means that the socket
    /// was empty then; nothing at all is an empty batch, not an error.
    ///
    /// # Errors
    /// What `recvmmsg` returned; on a socket with [`set_receive_errors`](crate::set_receive_errors) also a pending ICMP error, once.
    #[inline]
    pub fn receive(&mut self, socket: BorrowedFd<'_>, max: usize) -> io::Result<Received<'d>> {
        let count = receive_into(self.data, self.slots, socket, max)?;
        let (data, empty_data) = mem::take(&mut self.data).split_at_mut(count * STRIDE);
        let (slots, empty_slots) = mem::take(&mut self.slots).split_at_mut(count);
        self.data = empty_data;
        self.slots = empty_slots;
        Ok(Received { data, slots })
    }
}

fn receive_into(data: &mut [u8], slots: &mut [Slot], socket: BorrowedFd<'_>, max: usize) -> io::Result<usize> {
    let count = max.min(slots.len()).min(BATCH);
    let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let buffers = data.chunks_exact_mut(STRIDE);
    for (((slot, buffer), vector), header) in
        slots.iter_mut().zip(buffers).zip(&mut vectors).zip(&mut headers).take(count)
    {
        let vector = vector.write(libc::iovec { iov_base: buffer[HEADROOM..].as_mut_ptr().cast(), iov_len: CAPACITY });
        // SAFETY: `mmsghdr` is plain data (integers and pointers), for which all zeroes is a valid value.
        let mut filled: libc::mmsghdr = unsafe { mem::zeroed() };
        filled.msg_hdr.msg_name = (&raw mut slot.name).cast();
        filled.msg_hdr.msg_namelen = RawAddress::SIZE as libc::socklen_t;
        filled.msg_hdr.msg_iov = vector;
        filled.msg_hdr.msg_iovlen = 1;
        filled.msg_hdr.msg_control = slot.control.as_mut_ptr();
        filled.msg_hdr.msg_controllen = CONTROL as _;
        header.write(filled);
    }
    let received = loop {
        // SAFETY: the first `count` headers are initialised; each points to a name, a control buffer and a vector with a buffer of the
        // stated sizes, all distinct and borrowed mutably here until after the call. A null timeout is allowed.
        let result = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        if let Ok(received) = usize::try_from(result) {
            break received.min(count);
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error => return Err(error),
        }
    };
    for (slot, header) in slots.iter_mut().zip(&headers).take(received) {
        // SAFETY: the first `count` headers were initialised above, and `received` is at most `count`.
        let header = unsafe { header.assume_init_ref() };
        slot.len = header.msg_len.min(CAPACITY as u32);
        slot.control_len = header.msg_hdr.msg_controllen as u32;
        slot.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
    }
    Ok(received)
}

/// What one call received: an iterator over its datagrams. It owns its part of the arena, not the arena.
pub struct Received<'d> {
    data: &'d mut [u8],
    slots: &'d mut [Slot],
}

impl<'d> Iterator for Received<'d> {
    type Item = Datagram<'d>;

    #[inline]
    fn next(&mut self) -> Option<Datagram<'d>> {
        let (slot, slots) = mem::take(&mut self.slots).split_first_mut()?;
        let (buffer, data) = mem::take(&mut self.data).split_at_mut(STRIDE);
        self.slots = slots;
        self.data = data;
        Some(Datagram::new(slot, buffer))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.slots.len(), Some(self.slots.len()))
    }
}

impl ExactSizeIterator for Received<'_> {}

/// One received datagram, or a train of them that GRO joined.
pub struct Datagram<'d> {
    /// Who sent it; `None` if the kernel named no IPv4 or IPv6 address.
    pub source: Option<SocketAddr>,
    /// The address it was sent to, where [`set_receive_destination`](crate::set_receive_destination) asked for it.
    pub destination: Option<IpAddr>,
    /// DSCP and ECN, where [`set_receive_traffic_class`](crate::set_receive_traffic_class) asked for them, else 0.
    pub traffic_class: u8,
    /// It did not fit its buffer: what is here is not what was sent.
    pub truncated: bool,
    segment: usize,
    /// Headroom and payload.
    bytes: &'d mut [u8],
}

impl<'d> Datagram<'d> {
    #[inline]
    fn new(slot: &Slot, buffer: &'d mut [u8]) -> Self {
        let len = slot.len as usize;
        let mut datagram = Self {
            source: slot.name.decode(),
            destination: None,
            traffic_class: 0,
            truncated: slot.truncated,
            segment: len,
            bytes: &mut buffer[..HEADROOM + len],
        };
        for message in slot.control.iter(slot.control_len as usize) {
            match (message.level, message.kind) {
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    datagram.segment = message.int().and_then(|size| usize::try_from(size).ok()).unwrap_or(len);
                }
                (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    datagram.traffic_class = message.octet().unwrap_or(0);
                }
                _ => datagram.destination = message.destination().or(datagram.destination),
            }
        }
        datagram
    }

    /// The whole payload: that of all segments.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[HEADROOM..]
    }

    /// The datagrams as they were sent: one, or the segments of a train.
    #[must_use]
    pub fn segments(self) -> Segments<'d> {
        Segments { rest: Some(self.bytes), headroom: HEADROOM, size: self.segment }
    }
}

/// The datagrams of a train, in order.
pub struct Segments<'d> {
    rest: Option<&'d mut [u8]>,
    headroom: usize,
    size: usize,
}

impl<'d> Iterator for Segments<'d> {
    type Item = Segment<'d>;

    #[inline]
    fn next(&mut self) -> Option<Segment<'d>> {
        let rest = self.rest.take()?;
        let headroom = mem::take(&mut self.headroom);
        let end = headroom + self.size;
        if self.size == 0 || end >= rest.len() {
            return Some(Segment { bytes: rest, headroom });
        }
        let (bytes, rest) = rest.split_at_mut(end);
        self.rest = Some(rest);
        Some(Segment { bytes, headroom })
    }
}

/// One datagram as it was sent. Only the first of a train has headroom.
pub struct Segment<'d> {
    bytes: &'d mut [u8],
    headroom: usize,
}

impl<'d> Segment<'d> {
    /// What was sent.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.headroom..]
    }

    /// What was sent, for as long as the arena is not filled anew.
    #[inline]
    #[must_use]
    pub fn into_payload(self) -> &'d [u8] {
        &self.bytes[self.headroom..]
    }

    /// Writes `header` in front of the payload and returns both as one slice, without moving the payload.
    ///
    /// # Errors
    /// There is no room: the payload alone is returned, and the header must travel in an I/O vector of its own.
    #[inline]
    pub fn prepend(self, header: &[u8]) -> Result<&'d [u8], &'d [u8]> {
        let bytes = self.bytes;
        match self.headroom.checked_sub(header.len()) {
            Some(start) => {
                bytes[start..self.headroom].copy_from_slice(header);
                Ok(&bytes[start..])
            }
            None => Err(&bytes[self.headroom..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(len: usize, size: usize) -> Vec<(usize, usize)> {
        let mut bytes = vec![0; HEADROOM + len];
        let train = Segments { rest: Some(&mut bytes), headroom: HEADROOM, size };
        train.map(|segment| (segment.headroom, segment.payload().len())).collect()
    }

    #[test]
    fn trains_are_cut_at_the_segment_size_and_only_the_first_has_headroom() {
        assert_eq!(segments(30, 10), [(HEADROOM, 10), (0, 10), (0, 10)]);
        assert_eq!(segments(25, 10), [(HEADROOM, 10), (0, 10), (0, 5)]);
        assert_eq!(segments(10, 10), [(HEADROOM, 10)]);
    }

    #[test]
    fn an_empty_datagram_is_one_empty_segment() {
        assert_eq!(segments(0, 0), [(HEADROOM, 0)]);
        assert_eq!(segments(7, 0), [(HEADROOM, 7)]);
    }

    #[test]
    fn a_header_lands_in_front_of_the_payload() {
        let mut bytes = [0; HEADROOM + 3];
        bytes[HEADROOM..].copy_from_slice(b"abc");
        let segment = Segment { bytes: &mut bytes, headroom: HEADROOM };
        assert_eq!(segment.prepend(b"1234"), Ok(&b"1234abc"[..]));
        let mut bytes = *b"abc";
        let segment = Segment { bytes: &mut bytes, headroom: 0 };
        assert_eq!(segment.prepend(b"1234"), Err(&b"abc"[..]));
    }
}
