//! The load generator: clients and peers of all allocations on one thread.

mod flow;
mod packet;
mod setup;
mod sockets;
mod turn;

pub(crate) use flow::{Measured, measure, probe};
pub(crate) use setup::Session;
pub(crate) use sockets::Sockets;
