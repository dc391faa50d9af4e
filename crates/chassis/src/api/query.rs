//! The query parameters of lists.

pub(crate) mod ids;

use axum::http::Uri;
use common::{Id, Model, Problem};
use store::{Filter, Query};

use crate::problem::ProblemDetails;

/// The largest number of records on one page.
pub(crate) const LIMIT_MAX: usize = 1000;

/// The parameters that all lists know. Each filter of the model is one more.
const KNOWN: [&str; 4] = ["id", "limit", "after", "sort"];

/// Reads the parameters of a list.
pub(crate) fn parse<M: Model>(uri: &Uri) -> Result<Query, ProblemDetails> {
    let mut query = Query::default();
    let mut seen = Vec::new();
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name == "id" {
            let read = ids::read(&value, query.ids.get_or_insert_default());
            read.map_err(|expected| invalid(&name, &expected))?;
            continue;
        }
        if seen.contains(&name) {
            return Err(invalid(&name, "expected only once"));
        }
        match &*name {
            "limit" => query.limit = Some(limit(&value)?),
            "after" => query.after = Some(after::<M>(&value)?),
            "sort" => query.descending = descending(&value)?,
            _ => query.filters.push(filter::<M>(&name, &value)?),
        }
        seen.push(name);
    }
    if let Some(ids) = &mut query.ids {
        ids.sort_unstable();
        ids.dedup();
    }
    Ok(query)
}

fn filter<M: Model>(name: &str, value: &str) -> Result<Filter, ProblemDetails> {
    let Some((number, index)) = M::index(name) else {
        let filters = M::indexes().map(|(member, _)| member);
        return Err(unknown(name, KNOWN.into_iter().chain(filters)));
    };
    let key = index.parse(value);
    Ok(Filter {
        index: number,
        key: key.ok_or_else(|| invalid(name, "expected an id"))?,
    })
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

/// A parameter with a value that it cannot have.
pub(crate) fn invalid(name: &str, expected: &str) -> ProblemDetails {
    ProblemDetails::new(
        Problem::InvalidParameter,
        format!("query parameter {name}: {expected}"),
    )
}

/// A parameter that the route does not know. It knows these.
pub(crate) fn unknown(name: &str, known: impl Iterator<Item = &'static str>) -> ProblemDetails {
    let known = known.collect::<Vec<_>>().join(", ");
    invalid(name, &format!("unknown; expected one of {known}"))
}

/// The value of a `Link` header to the page that begins after the id `after`. All other
/// parameters stay as the client wrote them.
pub(crate) fn next_link(uri: &Uri, after: u64) -> String {
    let given = uri.query().unwrap_or_default().split('&');
    let kept = given.filter(|pair| {
        let mut pair = form_urlencoded::parse(pair.as_bytes());
        pair.any(|(name, _)| name != "after")
    });
    let mut link = format!("<{}?", uri.path());
    for pair in kept {
        link.push_str(pair);
        link.push('&');
    }
    link + &format!("after={after}>; rel=\"next\"")
}
