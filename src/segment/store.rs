//! Where a segment's bytes are: a map of a file in production, plain memory in tests.

/// The bytes of one segment. The length never changes during the life of a store.
pub trait Store {
    /// All bytes, from the first superblock to the end of the last block.
    fn bytes(&self) -> &[u8];
    /// The same bytes, to be written.
    fn bytes_mut(&mut self) -> &mut [u8];
}

/// A segment in plain memory, for tests, fuzzing and the simulator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemStore(pub Vec<u8>);

impl MemStore {
    /// A store of `bytes` zero bytes.
    pub fn zeroed(bytes: usize) -> Self {
        Self(vec![0; bytes])
    }
}

impl Store for MemStore {
    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl<S: Store + ?Sized> Store for &mut S {
    #[inline]
    fn bytes(&self) -> &[u8] {
        (**self).bytes()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        (**self).bytes_mut()
    }
}
