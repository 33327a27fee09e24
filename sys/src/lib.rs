//! Batched UDP over Linux system calls, with no protocol, no policy, no event loop and no allocation per datagram.
//!
//! Three things the safe crates do not bind sufficiently: receiving many datagrams with one call into memory with headroom
//! ([`ReceiveArena`]), sending many to different destinations with one call, runs of equal ones as one segmented message ([`SendQueue`]),
//! and reading ICMP errors ([`receive_error`]); and the socket options these need. This is the only crate of the workspace
//! that may use `unsafe`.
//!
//! ```
//! use std::net::UdpSocket;
//! use std::os::fd::AsFd;
//! use stunner_sys::{Family, ReceiveArena, SendQueue, Target};
//!
//! let (here, there) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
//! let mut queue = SendQueue::default();
//! let mut sends = queue.start();
//! let target = Target { socket: 0, family: Family::V4, destination: there.local_addr()?, source: None, traffic_class: 0 };
//! sends.push(&target, b"head", b"payload", 1).expect("an empty queue has room");
//! sends.flush(false, |_socket| Some(here.as_fd()));
//!
//! let mut arena = ReceiveArena::default();
//! let received = arena.fill().receive(there.as_fd(), 8)?.next().expect("loopback delivers at once");
//! assert_eq!(received.payload(), b"headpayload\0");
//! # Ok::<(), std::io::Error>(())
//! ```
#![allow(unsafe_code)]
#![cfg(target_os = "linux")]
// The kernel's types are of all widths and signs; the conversions are of small constants and of lengths it bounded.
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, clippy::unnecessary_cast)]

mod address;
mod control;
mod errors;
mod option;
mod readiness;
mod receive;
mod send;
mod wire;

pub use address::Family;
pub use errors::{ErrorOrigin, QueuedError, receive_error};
pub use option::{
    BufferSizes, buffers, set_buffers, set_dont_fragment, set_gro, set_only_v6, set_receive_destination,
    set_receive_errors, set_receive_traffic_class, set_reuse_port,
};
pub use readiness::watch_readable;
pub use receive::{BATCH, Datagram, Filling, HEADROOM, ReceiveArena, Received, Segment, Segments};
pub use send::{Full, SendQueue, SendStats, Sends, Target};
