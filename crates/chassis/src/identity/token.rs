//! Who may write: whoever has the token.

use std::{env, fmt};

use anyhow::{Context, bail};
use axum::http::{HeaderMap, HeaderValue, header};
use common::Problem;
use subtle::ConstantTimeEq;

use crate::{config::Config, identity::secret_file, problem::ProblemDetails};

/// Characters that a token has at least: hexadecimal digits of 64 bits, which
/// nobody tries out over a network.
const CHARACTERS_MIN: usize = 16;

/// The secret that a client must show to write.
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// A token of at least 16 visible ASCII characters.
    ///
    /// # Errors
    /// When it has others, or fewer.
    pub fn new(token: &str) -> anyhow::Result<Self> {
        let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || token.len() < CHARACTERS_MIN {
            bail!(
                "a write token is {CHARACTERS_MIN} or more visible ASCII characters without spaces; \
                 make one with: openssl rand -hex 32"
            );
        }
        Ok(Self(token.to_owned()))
    }

    /// The token from `WRITE_TOKEN` or the file that the configuration names, if any.
    pub(crate) fn configured(config: &Config) -> anyhow::Result<Option<Self>> {
        let given = env::var_os("WRITE_TOKEN").filter(|token| !token.is_empty());
        match (given, &config.write_token_file) {
            (Some(_), Some(_)) => bail!(
                "WRITE_TOKEN and --write-token-file (or WRITE_TOKEN_FILE) both name a token; keep one"
            ),
            (Some(token), None) => {
                let token = token.to_string_lossy();
                Self::new(&token).map(Some).context("invalid WRITE_TOKEN")
            }
            (None, Some(path)) => {
                let setting = || {
                    format!(
                        "cannot take the write token from {} (--write-token-file or WRITE_TOKEN_FILE)",
                        path.display()
                    )
                };
                let token = secret_file::read(path).with_context(setting)?;
                Self::new(&token).map(Some).with_context(setting)
            }
            (None, None) => Ok(None),
        }
    }

    /// Whether the request shows the token.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), ProblemDetails> {
        // RFC 6750 §3: whoever shows no token, or by another scheme, is told no error.
        const NOTHING_SHOWN: &str = "Bearer realm=\"forum\"";
        const WRONG: &str = "Bearer realm=\"forum\", error=\"invalid_token\"";
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let shown = lines.next().and_then(bearer);
        let (detail, challenge) = match (shown, lines.next()) {
            (_, Some(_)) => ("expected one header Authorization, not several", WRONG),
            (Some(token), None) if token.ct_eq(self.0.as_bytes()).into() => return Ok(()),
            (Some(_), None) => ("this is not the service's write token", WRONG),
            (None, None) => (
                "writing needs the header Authorization: Bearer <token>",
                NOTHING_SHOWN,
            ),
        };
        Err(
            ProblemDetails::new(Problem::Unauthorized, detail).with_header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            ),
        )
    }
}

/// What the client shows by the scheme `Bearer`, whose case does not matter (RFC 9110 §11.1).
fn bearer(authorization: &HeaderValue) -> Option<&[u8]> {
    let value = authorization.as_bytes();
    let (scheme, rest) = value.split_at_checked("Bearer".len())?;
    let shown = rest.is_empty() || rest.starts_with(b" ");
    (shown && scheme.eq_ignore_ascii_case(b"Bearer")).then(|| rest.trim_ascii())
}
