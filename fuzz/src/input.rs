//! A fuzzer's bytes as a row of choices.

use std::net::{IpAddr, SocketAddr};

/// Reads choices from the front. Behind the end all is zero, so that every input means something and a prefix means nearly the same.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let (taken, rest) = self.0.split_at(N.min(self.0.len()));
        out[..taken.len()].copy_from_slice(taken);
        self.0 = rest;
        out
    }

    pub(crate) fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.array())
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    /// Below `end`, which is at most 256.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.u8()) % end
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// At most 255 bytes: a length and what it counts.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.u8()).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    /// Text of [`Self::bytes`], what is no UTF-8 replaced: at most 480 bytes, which is less than any attribute's limit.
    pub(crate) fn text(&mut self) -> String {
        let mut text = String::from_utf8_lossy(self.bytes()).into_owned();
        text.truncate(text.floor_char_boundary(480));
        text
    }

    pub(crate) fn address(&mut self) -> SocketAddr {
        let ip: IpAddr = if self.flag() { self.array::<16>().into() } else { self.array::<4>().into() };
        SocketAddr::new(ip, self.u16())
    }
}
