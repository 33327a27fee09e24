//! The TURN server and client state machines, sans-IO.
#![forbid(unsafe_code)]

mod action;
pub mod client;
mod limits;
mod mail;
mod policy;
mod server;
mod types;

pub use action::{
    Binding, ClientAction, DropReason, Effect, EndReason, Header, OpenError, OpenRelay, Opened, PeerAction, Report,
    ToClient, ToPeer, Traffic,
};
pub use limits::{Limit, Limits, Permit, Quotas, SourcePrefix};
pub use mail::Mail;
pub use policy::{Admission, AdmittedPeer, Policy};
pub use server::{Server, ServerConfig, Usage};
pub use types::{
    ClientId, FiveTuple, Instant, ListenerId, Now, RelayId, RouteId, StreamClient, StreamId, UnixSeconds, WorkerId,
};
