//! The I/O layer over real loopback sockets. Nothing sleeps: what must arrive is waited for, with a bound.

mod errors;
mod listeners;
mod paths;
mod ports;
mod relaying;
mod support;
