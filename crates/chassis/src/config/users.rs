//! What an operator can set about the tokens of users.

use std::{num::NonZeroU32, path::PathBuf};

use clap::Args;

use super::parse::expecting;

/// The settings for user tokens. Without any, no user writes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Users who write as themselves")]
pub struct UserSettings {
    /// Issuer of user tokens, as their claim `iss` has it. Users write when this, the audience, the
    /// claim and the keys are all set
    #[arg(long, env, value_name = "URL")]
    pub token_issuer: Option<String>,

    /// Audience of user tokens, as their claim `aud`, or `client_id` where there is no `aud`, has it
    #[arg(long, env, value_name = "NAME")]
    pub token_audience: Option<String>,

    /// Claim that holds the user's id in the forum
    #[arg(long, env, value_name = "NAME")]
    pub user_claim: Option<String>,

    /// File with the issuer's public keys, a JSON Web Key Set: RSA of 2048 bits or more, or P-256.
    /// Looked at again every 10 s
    #[arg(long, env, value_name = "FILE")]
    pub jwks_file: Option<PathBuf>,

    /// Not supported yet: fetching keys comes with TLS. Use a file
    #[arg(long, env, value_name = "URL")]
    pub jwks_url: Option<String>,

    /// Scope that a user token must have to write [default: none]
    #[arg(long, env, value_name = "SCOPE")]
    pub write_scope: Option<String>,

    /// Scope that makes a user a moderator [default: forum:moderate]
    #[arg(long, env, value_name = "SCOPE")]
    pub moderator_scope: Option<String>,

    /// Writes a minute that a user may make on this task [default: 60]
    #[arg(long, env, value_name = "NUMBER", value_parser = expecting::<NonZeroU32>("a number from 1 on"))]
    pub user_writes_per_minute: Option<NonZeroU32>,
}
