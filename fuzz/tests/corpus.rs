//! Replays `corpus/TARGET`, and feeds each target pseudo-random inputs: the properties hold without libFuzzer, too.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use stunner_fuzz::{TARGETS, Target};

/// Pseudo-random inputs per target; half of them are mutations of the corpus.
const INPUTS: u64 = 5_000;

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).expect("a file");
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no target is called {name}")).1
}

fn replay(name: &str) {
    let target = target(name);
    for (path, bytes) in corpus(name) {
        if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
            panic!("{} breaks its property", path.display());
        }
    }
}

/// SplitMix64: the same inputs on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// A few edits of the kinds that break parsers.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7F, 0x80, 0xFF][self.below(5)],
                2 => bytes.truncate(at),
                3 => {
                    let end = bytes.len().min(at + self.below(9));
                    let copy = bytes[at.min(end)..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                _ => {
                    let len = self.below(9);
                    let new = self.bytes(len);
                    bytes.splice(at..at, new);
                }
            }
        }
    }
}

fn pseudo_random(name: &str) {
    let (target, corpus) = (target(name), corpus(name));
    let mut random = Random(name.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte)));
    for n in 0..INPUTS {
        let bytes = if n % 2 == 0 {
            let mut bytes = corpus[random.below(corpus.len())].1.clone();
            random.mutate(&mut bytes);
            bytes
        } else {
            let len = random.below(600);
            random.bytes(len)
        };
        if catch_unwind(AssertUnwindSafe(|| target(&bytes))).is_err() {
            panic!("input {n} breaks the property of {name}: {bytes:02x?}");
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[test]
                fn holds_for_the_corpus() {
                    super::replay(stringify!($name));
                }

                #[test]
                fn holds_for_pseudo_random_inputs() {
                    super::pseudo_random(stringify!($name));
                }
            }
        )*

        #[test]
        fn no_target_is_forgotten() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(tested.to_vec(), TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        }
    };
}

targets! { channel_data config endpoint message nonce operations roundtrip stream }

#[test]
fn the_corpora_are_small() {
    let all: usize = TARGETS.iter().flat_map(|(name, _)| corpus(name)).map(|(_, bytes)| bytes.len()).sum();
    assert!(all < 1 << 20, "{all} bytes");
}
