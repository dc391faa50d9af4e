//! Pages of other origins, in browsers. Behaviour that all three services share is tested with this
//! one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod browser;
mod hostile;
#[path = "../support/people.rs"]
mod people;
mod preflights;
mod requests;
mod unset;

use people::{DB, SERVICE_KEY, key};
use testkit::{Binary, Response};

/// Origins whose pages may use the service.
const ORIGINS: [&str; 2] = ["https://a.example", "http://localhost:5173"];

/// The headers of answers that pages may read.
const EXPOSED: &str = "ETag, Link, Location, Retry-After, WWW-Authenticate, X-Request-Id, \
                       X-Total-Count, Idempotency-Replayed, Forum-State-Age";

/// The service with users who write once a minute, and without the setting.
fn service() -> Binary {
    people::service().env("USER_WRITES_PER_MINUTE", "1")
}

/// The same for pages of [`ORIGINS`].
fn for_pages() -> Binary {
    service().env("CORS_ORIGINS", ORIGINS.join(","))
}

/// The headers that tell a browser about pages, in alphabetical order.
fn about_pages(response: &Response) -> Vec<(String, String)> {
    let headers = response.headers.iter();
    let about = headers.filter(|(name, _)| {
        let name = name.as_str();
        name == "vary" || name.starts_with("access-control-")
    });
    let mut about: Vec<_> = about
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    about.sort();
    about
}

fn headers(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    expected.iter().map(owned).collect()
}
