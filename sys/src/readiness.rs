//! Waiting for a descriptor in a tokio runtime.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets the current tokio runtime watch `fd` for readability.
///
/// # Errors
/// What `epoll_ctl` returned.
///
/// # Panics
/// Outside of a runtime with its I/O driver.
pub fn watch_readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is an open descriptor, always the same one, until it is dropped, and the `AsyncFd` owns it until then.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(|error| error.into_parts().1)
}
