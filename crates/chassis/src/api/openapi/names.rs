//! The names in the API's document. Code generators make names of types and functions of them.

use common::{Model, Problem};
use serde_json::{Value, json};

/// A reference to the component with this name, of a kind such as `schemas`.
pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// The schema of a record as the server sends it, such as `Post`.
pub(super) fn record<M: Model>() -> String {
    capitalised(M::SINGULAR)
}

/// The schema of a record as a client creates it, such as `NewPost`.
pub(super) fn new_record<M: Model>() -> String {
    format!("New{}", record::<M>())
}

/// The schema of a record as a client replaces it, such as `PostReplacement`.
pub(super) fn replacement<M: Model>() -> String {
    format!("{}Replacement", record::<M>())
}

/// The schema of a merge patch, such as `PostPatch`.
pub(super) fn patch<M: Model>() -> String {
    format!("{}Patch", record::<M>())
}

/// The schema of a row of a summary, such as `PostSummary`.
pub(super) fn summary<M: Model>() -> String {
    format!("{}Summary", record::<M>())
}

/// The schema of a problem, such as `NotFoundProblem`.
pub(super) fn problem(problem: Problem) -> String {
    format!("{}Problem", response(problem))
}

/// The response with a problem, such as `NotFound`.
pub(super) fn response(problem: Problem) -> String {
    let kind = problem.urn().rsplit(':').next().unwrap_or_default();
    kind.split('-').map(capitalised).collect()
}

/// An operation's id, such as `listPosts` of the words `list` and `posts`.
pub(super) fn operation(words: &[&str]) -> String {
    let (first, others) = words
        .split_first()
        .map_or(("", words), |(first, others)| (*first, others));
    let others = others.iter().map(|word| capitalised(word));
    std::iter::once(first.to_owned()).chain(others).collect()
}

/// A header's name as documents write it: `accept-post` as `Accept-Post`.
pub(super) fn header(name: &str) -> String {
    name.split('-')
        .map(capitalised)
        .collect::<Vec<_>>()
        .join("-")
}

fn capitalised(word: &str) -> String {
    let (initial, rest) = word.split_at(word.len().min(1));
    initial.to_ascii_uppercase() + rest
}
