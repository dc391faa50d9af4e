//! Ids of requests.

use axum::http::HeaderValue;

/// The request's id as the client gave it, or a new one.
pub(crate) fn request_id(given: Option<&HeaderValue>) -> HeaderValue {
    match given {
        Some(id) if acceptable(id.as_bytes()) => id.clone(),
        _ => {
            let mut id = [0; 32];
            for (digits, byte) in id.chunks_exact_mut(2).zip(fastrand::u128(..).to_be_bytes()) {
                digits.copy_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
            }
            HeaderValue::from_bytes(&id).expect("hexadecimal digits make a header value")
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
            assert_eq!(request_id(Some(&given)), kept);
        }
        for replaced in ["", "a b", "a\"b", "ü", &"x".repeat(129)] {
            let given = HeaderValue::from_str(replaced).unwrap();
            let made = request_id(Some(&given));
            assert!(
                made.len() == 32 && acceptable(made.as_bytes()),
                "{replaced}"
            );
        }
        assert_ne!(request_id(None), request_id(None));
    }
}
