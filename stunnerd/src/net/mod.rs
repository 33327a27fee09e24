//! Batched UDP: listeners, relayed sockets, and the turn of a worker. No TURN rules, no runtime, no clock, no configuration.
//!
//! # How a worker uses it
//!
//! Once per process: [`raise_descriptor_limit`], one [`PortPool`], and one [`ListenerGroup`] per listener, whose sockets are handed to
//! the workers. Each worker has a [`Datapath`] and a [`Handler`] around its `turn_core::Server`:
//!
//! ```no_run
//! # use std::io;
//! # use stunnerd::net::{Datapath, Dscp, Handler, ListenerSocket};
//! # async fn worker(mut handler: impl Handler, socket: ListenerSocket) -> io::Result<()> {
//! use tokio::io::{Interest, unix::AsyncFd};
//!
//! let mut datapath = Datapath::new(Dscp::Copy)?;
//! datapath.sockets().add_listener(0, socket)?;
//! let readable = AsyncFd::with_interest(datapath.poll_fd()?, Interest::READABLE)?;
//! loop {
//!     // Beside it, in a `select!`: the mailbox, the next timeout, a new configuration.
//!     let mut guard = readable.readable().await?;
//!     if datapath.turn(&mut handler)?.more {
//!         tokio::task::yield_now().await;
//!     } else {
//!         guard.clear_ready();
//!     }
//! }
//! # }
//! ```
//!
//! The handler translates: `ClientAction::Reply(bytes)` to [`FromClient::Reply`]`(bytes.len())`, `ToPeer` to [`FromClient::ToPeer`],
//! `ToClient` to [`FromPeer::ToClient`]. In [`Handler::batch_ended`], with everything sent, it drains the core's effects:
//! `OpenRelay` is [`RelaySocket::open`] and [`Sockets::add_relay`], `CloseRelay` is [`Sockets::remove_relay`], `Transmit` is
//! [`Sockets::send_to_client`]; a [`RelaySocket`] that goes to another worker takes its port along.
//!
//! # What holds
//!
//! - Nothing is allocated per datagram, and no payload is copied in user space.
//! - Everything a batch refers to is sent before its buffers are received into again; the compiler checks it.
//! - Sends never wait: what would block is dropped and counted.
//! - Every socket that is ready gets a bounded share before any gets a second one.
//! - An IPv4-mapped address never gets in: it is the IPv4 address that it is.

mod batch;
mod datapath;
mod limits;
mod listener;
mod ports;
mod relay;
mod sockets;

pub use datapath::{
    ClientSource, Datapath, Dscp, FromClient, FromPeer, Handler, Header, IcmpError, IoStats, ToClient, ToPeer, Turn,
};
pub use limits::{DescriptorLimit, raise_descriptor_limit};
pub use listener::{Binding, LISTENER_BUFFER_BYTES, ListenError, ListenerGroup, ListenerSocket};
pub use ports::{PortLease, PortPool, PortWish};
pub use relay::{OpenedRelay, RelayError, RelaySocket};
pub use sockets::{RelayKey, Sockets};
pub use stunner_sys::{BufferSizes, SendStats};

#[cfg(test)]
mod tests;
