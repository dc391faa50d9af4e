//! The routes of a collection.

use axum::{
    body::{Body, HttpBody},
    extract::FromRequestParts,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts,
    },
};
use common::{Id, InvalidId, Key, Model, Problem};
use percent_encoding::percent_decode_str;
use store::Filter;

use crate::{
    api::{conditional, entity_tag, list_body::ListBody, query},
    app::App,
    path::without_slash,
    problem::ProblemDetails,
};

/// What a handler answers.
pub(crate) type Answer = Result<Response<Body>, ProblemDetails>;

const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Headers of most answers, those that `Observe` adds included: room for all at once. For more
/// the map would take more than a kibibyte, which allocators are slower to give.
const HEADERS: usize = 6;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a route of the collection answers to `GET` and `HEAD`.
#[derive(Clone, Copy)]
pub(crate) enum Read {
    /// `/api/{collection}`: 200 with an array, 304; 400 for a parameter that cannot be.
    List,
    /// `/api/{collection}/{name}/{id}`: the same with the records whose member with this
    /// index is the id in the path.
    ListBy(usize),
    /// `/api/{collection}/{id}`: 200 with the record, 304; 400 for what is no id, 404.
    Record,
}

impl Read {
    pub async fn answer<M: Model>(self, app: &App<M>, request: Parts) -> Answer {
        let mut response = match self {
            Self::List => answer_list(app, &request, None).await,
            Self::ListBy(index) => {
                let PathId(id) = PathId::<M>::of(request.uri.path())?;
                let key = Key::Id(id.get());
                answer_list(app, &request, Some(Filter { index, key })).await
            }
            Self::Record => answer_record(app, &request).await,
        }?;
        if request.method == Method::HEAD && response.status() == StatusCode::OK {
            let length = response.body().size_hint().exact().map(HeaderValue::from);
            let length = length.map(|length| (header::CONTENT_LENGTH, length));
            response.headers_mut().extend(length);
            *response.body_mut() = Body::empty();
        }
        Ok(response)
    }
}

async fn answer_list<M: Model>(app: &App<M>, request: &Parts, filter: Option<Filter>) -> Answer {
    let mut query = query::parse::<M>(&request.uri)?;
    query.filters.extend(filter);
    let list = app.store()?.list(&query).await?;
    let mut response = conditional(request, entity_tag::etag(list.digest), || {
        Body::new(ListBody(list.frames))
    });
    let headers = response.headers_mut();
    headers.insert(TOTAL_COUNT, list.total.into());
    if let Some(after) = list.next_after {
        let link = query::next_link::<M>(&request.uri, after);
        headers.insert(
            header::LINK,
            link.try_into().map_err(|_| ProblemDetails::internal())?,
        );
    }
    Ok(response)
}

async fn answer_record<M: Model>(app: &App<M>, request: &Parts) -> Answer {
    let PathId(id) = PathId::of(request.uri.path())?;
    let record = app.store()?.get(id).await?.ok_or_else(|| absent(id))?;
    Ok(conditional(
        request,
        entity_tag::etag(record.digest),
        || record.json.into(),
    ))
}

pub(crate) fn absent<M: Model>(id: Id<M>) -> ProblemDetails {
    ProblemDetails::new(
        Problem::NotFound,
        format!("{} {id} does not exist", M::SINGULAR),
    )
}

/// 200 with the body, or 304 when the client has it already.
fn conditional(request: &Parts, etag: HeaderValue, body: impl FnOnce() -> Body) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = HeaderMap::with_capacity(HEADERS);
    if conditional::not_modified(&request.headers, &etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = body();
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    }
    response.headers_mut().insert(header::ETAG, etag);
    response
}

/// The id that a path ends with.
pub(crate) struct PathId<M>(pub Id<M>);

impl<M: Model> PathId<M> {
    fn of(path: &str) -> Result<Self, ProblemDetails> {
        let segment = without_slash(path).rsplit('/').next().unwrap_or_default();
        let id = percent_decode_str(segment).decode_utf8().ok();
        let id = id.and_then(|id| id.parse().ok());
        id.map(Self)
            .ok_or_else(|| ProblemDetails::new(Problem::InvalidId, InvalidId.to_string()))
    }
}

impl<M: Model, S: Sync> FromRequestParts<S> for PathId<M> {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ProblemDetails> {
        Self::of(parts.uri.path())
    }
}
