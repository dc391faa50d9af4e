//! Who may write: whoever has the token.

use std::{env, fmt, fs};

use anyhow::{Context, bail};
use axum::http::{HeaderMap, HeaderValue, header};
use common::Problem;
use subtle::ConstantTimeEq;

use crate::{config::Config, problem::ProblemDetails};

/// The secret that a client must show to write.
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// A token of visible ASCII characters.
    ///
    /// # Errors
    /// When it has others, or none.
    pub fn new(token: &str) -> anyhow::Result<Self> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("a write token is one or more visible ASCII characters without spaces");
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
                let token = fs::read_to_string(path).with_context(setting)?;
                Self::new(token.trim_end()).map(Some).with_context(setting)
            }
            (None, None) => Ok(None),
        }
    }

    /// Whether the request shows the token.
    pub(crate) fn admit(&self, headers: &HeaderMap) -> Result<(), ProblemDetails> {
        let shown = headers
            .get(header::AUTHORIZATION)
            .map(HeaderValue::as_bytes);
        let shown = shown.and_then(|value| {
            // RFC 9110 §11.1: the scheme's name is case-insensitive.
            let (scheme, token) = value.split_at_checked("Bearer ".len())?;
            scheme
                .eq_ignore_ascii_case(b"Bearer ")
                .then_some(token.trim_ascii())
        });
        let detail = match shown {
            Some(token) if token.ct_eq(self.0.as_bytes()).into() => return Ok(()),
            Some(_) => "this is not the service's write token",
            None => "writing needs the header Authorization: Bearer <token>",
        };
        let challenge = HeaderValue::from_static("Bearer realm=\"forum\"");
        Err(ProblemDetails::new(Problem::Unauthorized, detail)
            .with_header(header::WWW_AUTHENTICATE, challenge))
    }
}
