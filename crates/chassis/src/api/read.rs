//! The reads of a collection. The API's document lists the problems that each can meet.

pub(crate) mod summary;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts},
};
use common::{Id, InvalidId, Key, Model, Problem};
use percent_encoding::percent_decode_str;
use store::Filter;

use crate::{
    api::{conditional, entity_tag, list_body::ListBody, query},
    app::App,
    cors,
    path::without_slash,
    problem::ProblemDetails,
};

/// What a handler answers.
pub(crate) type Answer = Result<Response<Body>, ProblemDetails>;

const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Capacity of an answer's header map. Most answers have no more headers, including those that
/// `Exchange` adds. A larger map takes more than a kibibyte, which allocators are slower to give.
const HEADERS: usize = 6;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `GET /api/{collection}`: 200 with an array, 304.
pub(crate) async fn list<M: Model>(app: &App<M>, request: &Parts) -> Answer {
    list_of(app, request, None).await
}

/// `GET /api/{collection}/{name}/{id}`: the same for the records whose member with this index
/// is the id in the path.
pub(crate) async fn list_by<M: Model>(app: &App<M>, request: &Parts, index: usize) -> Answer {
    let id = path_id::<M>(request)?;
    let key = Key::Id(id.get());
    list_of(app, request, Some(Filter { index, key })).await
}

/// `GET /api/{collection}/{id}`: 200 with the record, 304.
pub(crate) async fn record<M: Model>(app: &App<M>, request: &Parts) -> Answer {
    let id = path_id(request)?;
    let record = app.store()?.get(id).await?.ok_or_else(|| absent(id))?;
    Ok(conditional(
        app,
        request,
        entity_tag::etag(record.digest),
        || record.json.into(),
    ))
}

async fn list_of<M: Model>(app: &App<M>, request: &Parts, filter: Option<Filter>) -> Answer {
    let mut query = query::parse::<M>(&request.uri)?;
    query.filters.extend(filter);
    let list = app.store()?.list(&query).await?;
    let mut response = conditional(app, request, entity_tag::etag(list.digest), || {
        Body::new(ListBody(list.frames))
    });
    let headers = response.headers_mut();
    headers.insert(TOTAL_COUNT, list.total.into());
    if let Some(after) = list.next_after {
        let link = query::next_link(&request.uri, after);
        headers.insert(
            header::LINK,
            link.try_into().map_err(|_| ProblemDetails::internal())?,
        );
    }
    Ok(response)
}

pub(crate) fn absent<M: Model>(id: Id<M>) -> ProblemDetails {
    ProblemDetails::new(
        Problem::NotFound,
        format!("{} {id} does not exist", M::SINGULAR),
    )
}

/// 200 with the body, or 304 when the client has it already.
fn conditional<M: Model>(
    app: &App<M>,
    request: &Parts,
    etag: HeaderValue,
    body: impl FnOnce() -> Body,
) -> Response<Body> {
    let headers = HEADERS + app.origins().map_or(0, |_| cors::HEADERS);
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = HeaderMap::with_capacity(headers);
    if conditional::not_modified(&request.headers, &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = body();
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    }
    response.headers_mut().insert(header::ETAG, etag);
    response
}

/// The id that the path of a request ends with.
pub(crate) fn path_id<M: Model>(request: &Parts) -> Result<Id<M>, ProblemDetails> {
    let path = without_slash(request.uri.path());
    let segment = path.rsplit('/').next().unwrap_or_default();
    let id = percent_decode_str(segment).decode_utf8().ok();
    id.and_then(|id| id.parse().ok())
        .ok_or_else(|| ProblemDetails::new(Problem::InvalidId, InvalidId.to_string()))
}
