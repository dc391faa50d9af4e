//! The secret that lets clients write.

use std::{env, fmt, path::Path};

use anyhow::{Context, bail};
use subtle::ConstantTimeEq;

use crate::{config::Config, identity::secret_file};

/// Least number of characters in a token. As hexadecimal digits they are 64 bits, too many
/// values to try out over a network.
const CHARACTERS_MIN: usize = 16;

/// Bytes that the file with a token may have.
const BYTES_MAX: u64 = 8 * 1024;

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
    /// When it has other characters, or fewer.
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

    /// The tokens that the configuration names: none, one, or two while one is being replaced.
    pub(crate) fn configured(config: &Config) -> anyhow::Result<Vec<Self>> {
        let current = Self::from("WRITE_TOKEN", config.write_token_file.as_deref())?;
        let next = Self::from("WRITE_TOKEN_NEXT", config.write_token_next_file.as_deref())?;
        if current.is_none() && next.is_some() {
            bail!(
                "WRITE_TOKEN_NEXT or WRITE_TOKEN_NEXT_FILE names the token that follows another, \
                 and there is no other; name it with WRITE_TOKEN or WRITE_TOKEN_FILE"
            );
        }
        Ok(current.into_iter().chain(next).collect())
    }

    /// The token from the environment variable of this name or from this file, if any.
    fn from(variable: &str, file: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let flag = variable.to_lowercase().replace('_', "-");
        let given = env::var_os(variable).filter(|token| !token.is_empty());
        match (given, file) {
            (Some(_), Some(_)) => bail!(
                "{variable} and --{flag}-file (or {variable}_FILE) both name a token; keep one"
            ),
            (Some(token), None) => {
                let token = token.to_string_lossy();
                let invalid = || format!("invalid {variable}");
                Self::new(&token).map(Some).with_context(invalid)
            }
            (None, Some(path)) => {
                let setting = || {
                    format!(
                        "cannot take the write token from {} (--{flag}-file or {variable}_FILE)",
                        path.display()
                    )
                };
                let token = secret_file::read(path, BYTES_MAX).with_context(setting)?;
                Self::new(&token).map(Some).with_context(setting)
            }
            (None, None) => Ok(None),
        }
    }

    /// Whether a client shows this token. Compares in constant time, so that the time tells
    /// nothing about the token.
    pub(crate) fn is(&self, shown: &[u8]) -> bool {
        shown.ct_eq(self.0.as_bytes()).into()
    }
}
