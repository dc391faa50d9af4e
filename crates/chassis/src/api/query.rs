//! The query parameters of lists.

use std::borrow::Cow;

use axum::http::Uri;
use common::{Id, Model, Problem};
use store::{Filter, Query};

use crate::problem::ProblemDetails;

/// The largest number of records on one page.
pub(crate) const LIMIT_MAX: usize = 1000;

/// Reads `limit`, `after`, `sort` and the model's filters; ignores all others.
pub(crate) fn parse<M: Model>(uri: &Uri) -> Result<Query, ProblemDetails> {
    let mut query = Query::default();
    let mut seen = Vec::new();
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        let index = M::index(&name);
        if index.is_none() && !matches!(&*name, "limit" | "after" | "sort") {
            continue;
        }
        if seen.contains(&name) {
            return Err(invalid(&name, "expected only once"));
        }
        match (index, &*name) {
            (Some((number, index)), _) => query.filters.push(Filter {
                index: number,
                key: index
                    .parse(&value)
                    .ok_or_else(|| invalid(&name, "expected an id"))?,
            }),
            (None, "limit") => query.limit = Some(limit(&value)?),
            (None, "after") => query.after = Some(after::<M>(&value)?),
            (None, _) => query.descending = descending(&value)?,
        }
        seen.push(name);
    }
    Ok(query)
}

/// Reads `after`: an id, or 0, which is below all ids.
fn after<M: Model>(value: &str) -> Result<u64, ProblemDetails> {
    if value == "0" {
        return Ok(0);
    }
    let id = value.parse::<Id<M>>();
    id.map(Id::get)
        .map_err(|_| invalid("after", "expected an id, or 0"))
}

fn limit(value: &str) -> Result<usize, ProblemDetails> {
    let written = !value.starts_with('0') && value.bytes().all(|byte| byte.is_ascii_digit());
    let limit = value
        .parse()
        .ok()
        .filter(|limit| written && (1..=LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| {
        let expected = format!("expected an integer from 1 to {LIMIT_MAX}");
        invalid("limit", &expected)
    })
}

fn descending(value: &str) -> Result<bool, ProblemDetails> {
    match value {
        "id" => Ok(false),
        "-id" => Ok(true),
        _ => Err(invalid("sort", "expected id or -id")),
    }
}

fn invalid(name: &str, expected: &str) -> ProblemDetails {
    ProblemDetails::new(
        Problem::InvalidParameter,
        format!("query parameter {name}: {expected}"),
    )
}

/// The value of a `Link` header to the page that begins after the id `after`.
pub(crate) fn next_link<M: Model>(uri: &Uri, after: u64) -> String {
    let known =
        |name: &Cow<'_, str>| matches!(&**name, "limit" | "sort") || M::index(name).is_some();
    let mut next = form_urlencoded::Serializer::new(String::new());
    let given = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    next.extend_pairs(given.filter(|(name, _)| known(name)));
    next.append_pair("after", &after.to_string());
    format!("<{}?{}>; rel=\"next\"", uri.path(), next.finish())
}
