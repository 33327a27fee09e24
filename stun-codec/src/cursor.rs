//! Reading and writing without index arithmetic: nothing here can panic, whatever the lengths in a packet claim.

/// Reads big-endian fields from the front of a slice; `None` when it ran out.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    #[inline]
    pub(crate) fn take_array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(*head)
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take_array().map(u8::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take_array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take_array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// Writes to the front of a slice; `None` when it ran out, in which case nothing of that item was written.
pub(crate) struct Put<'b>(&'b mut [u8]);

impl<'b> Put<'b> {
    #[inline]
    pub(crate) fn new(bytes: &'b mut [u8]) -> Self {
        Self(bytes)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        // On failure the slice stays taken, that is empty: every later write fails as well.
        let (head, tail) = core::mem::take(&mut self.0).split_first_chunk_mut::<N>()?;
        *head = bytes;
        self.0 = tail;
        Some(())
    }

    #[inline]
    pub(crate) fn slice(&mut self, bytes: &[u8]) -> Option<()> {
        let (head, tail) = core::mem::take(&mut self.0).split_at_mut_checked(bytes.len())?;
        head.copy_from_slice(bytes);
        self.0 = tail;
        Some(())
    }
}

/// Zero bytes that bring `len` to a multiple of four: 0 to 3.
#[inline]
#[must_use]
pub const fn padding(len: usize) -> usize {
    len.wrapping_neg() & 3
}
