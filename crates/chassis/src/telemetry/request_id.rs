//! Ids of requests.

use axum::http::HeaderValue;

/// A request's id.
pub(crate) enum RequestId {
    Given(HeaderValue),
    Made([u8; 32]),
}

impl RequestId {
    /// The id that the client gave if it is acceptable, otherwise a new one.
    pub fn new(given: Option<&HeaderValue>) -> Self {
        match given {
            Some(id) if acceptable(id.as_bytes()) => Self::Given(id.clone()),
            _ => {
                let mut id = [0; 32];
                let random = fastrand::u128(..).to_be_bytes();
                for (digits, byte) in id.chunks_exact_mut(2).zip(random) {
                    digits.copy_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
                }
                Self::Made(id)
            }
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Given(id) => id.as_bytes(),
            Self::Made(id) => id,
        }
    }

    pub fn to_header(&self) -> HeaderValue {
        match self {
            Self::Given(id) => id.clone(),
            Self::Made(id) => {
                HeaderValue::from_bytes(id).expect("hexadecimal digits make a header value")
            }
        }
    }
}

fn acceptable(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=128).contains(&id.len()) && id.iter().all(allowed)
}

const fn hex(digit: u8) -> u8 {
    b"0123456789abcdef"[digit as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_kept() {
        for kept in ["a", "A-9_.z", &"x".repeat(128)] {
            let given = HeaderValue::from_str(kept).unwrap();
            assert_eq!(RequestId::new(Some(&given)).to_header(), kept);
        }
        for replaced in ["", "a b", "a\"b", "ü", &"x".repeat(129)] {
            let given = HeaderValue::from_str(replaced).unwrap();
            let made = RequestId::new(Some(&given)).to_header();
            assert!(
                made.len() == 32 && acceptable(made.as_bytes()),
                "{replaced}"
            );
        }
        assert_ne!(
            RequestId::new(None).to_header(),
            RequestId::new(None).to_header()
        );
    }
}
