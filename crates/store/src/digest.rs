//! Digests of contents.

use std::{fmt, iter::Sum, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use xxhash_rust::xxh3::xxh3_128;

/// A digest of the contents of a record, a list or a file (XXH3, 128 bits). Equal contents
/// have equal digests in every process and after every restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest(u128);

impl Digest {
    /// The digest of these contents.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(xxh3_128(bytes))
    }

    /// The hexadecimal digits, as `Display` writes them.
    #[must_use]
    pub fn hex(self) -> [u8; 32] {
        let digit = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        digits
    }
}

impl From<u128> for Digest {
    fn from(value: u128) -> Self {
        Self(value)
    }
}

/// The text is not a digest as `Display` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 hexadecimal digits in lower case")]
pub struct InvalidDigest;

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let canonical = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(canonical) {
            return Err(InvalidDigest);
        }
        u128::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| InvalidDigest)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// The size and digest of a set of records.
///
/// A record contains its id, so the sum of the records' digests identifies the set. Adding
/// or removing a record takes the same time for a set of any size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Summary {
    /// Number of records.
    pub count: usize,
    /// Bytes of the records' JSON, without commas and brackets.
    pub bytes: usize,
    /// Sum of the records' digests.
    pub digest: Digest,
}

impl Summary {
    pub fn of(record: &[u8]) -> Self {
        Self {
            count: 1,
            bytes: record.len(),
            digest: Digest::of(record),
        }
    }

    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
        self.digest.0 = self.digest.0.wrapping_add(other.digest.0);
    }

    pub fn remove(&mut self, other: Self) {
        self.count -= other.count;
        self.bytes -= other.bytes;
        self.digest.0 = self.digest.0.wrapping_sub(other.digest.0);
    }

    /// Bytes of the records as a JSON array.
    pub fn array_bytes(&self) -> usize {
        self.bytes + self.count.saturating_sub(1) + "[]".len()
    }
}

impl Sum for Summary {
    fn sum<I: Iterator<Item = Self>>(summaries: I) -> Self {
        let mut sum = Self::default();
        for summary in summaries {
            sum.add(summary);
        }
        sum
    }
}
