//! The secret that lets clients write.

use std::{env, fmt};

use anyhow::{Context, bail};
use subtle::ConstantTimeEq;

use crate::{config::Config, identity::secret_file};

/// Least number of characters in a token. As hexadecimal digits they are 64 bits, too many
/// values to try out over a network.
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

    /// Whether a client shows this token. Compares in constant time, so that the time tells
    /// nothing about the token.
    pub(crate) fn is(&self, shown: &[u8]) -> bool {
        shown.ct_eq(self.0.as_bytes()).into()
    }
}
