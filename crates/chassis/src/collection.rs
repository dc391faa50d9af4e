//! The routes of a collection.

use axum::{
    body::Body,
    extract::{FromRequestParts, RawPathParams, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts},
};
use common::{Id, InvalidId, Key, Model, Problem};
use store::Filter;

use crate::{app::App, conditional, list_body::ListBody, problem::ProblemDetails, query};

/// What a handler answers.
pub(crate) type Answer = Result<Response<Body>, ProblemDetails>;

const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Headers of an answer, those that `Observe` adds included: room for all at once.
const HEADERS: usize = 8;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `GET /api/{collection}`: 200 with an array, 304; 400 for a parameter that cannot be.
pub(crate) async fn list<M: Model>(State(app): State<App<M>>, request: Request) -> Answer {
    answer_list(&app, &request.into_parts().0, None).await
}

/// `GET /api/{collection}/{filter}/{id}`: the list of the records whose member
/// with the index `I` is the id in the path.
pub(crate) async fn list_by<M: Model, const I: usize>(
    State(app): State<App<M>>,
    PathId(id): PathId<M>,
    request: Request,
) -> Answer {
    let filter = Filter {
        index: I,
        key: Key::Id(id.get()),
    };
    answer_list(&app, &request.into_parts().0, Some(filter)).await
}

async fn answer_list<M: Model>(app: &App<M>, request: &Parts, filter: Option<Filter>) -> Answer {
    let mut query = query::parse::<M>(&request.uri)?;
    query.filters.extend(filter);
    let list = app.store()?.list(&query).await;
    let mut response = conditional(request, conditional::etag(list.digest), || {
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

/// `GET /api/{collection}/{id}`: 200 with the record, 304; 400 for what is no id, 404.
pub(crate) async fn record<M: Model>(
    State(app): State<App<M>>,
    PathId(id): PathId<M>,
    request: Request,
) -> Answer {
    let request = request.into_parts().0;
    let record = app.store()?.get(id).await.ok_or_else(|| absent(id))?;
    Ok(conditional(
        &request,
        conditional::etag(record.digest),
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

/// The id in the path.
pub(crate) struct PathId<M>(pub Id<M>);

impl<M: Model, S: Send + Sync> FromRequestParts<S> for PathId<M> {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemDetails> {
        let invalid = || ProblemDetails::new(Problem::InvalidId, InvalidId.to_string());
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| invalid())?;
        let (_, id) = params.iter().next().ok_or_else(invalid)?;
        if id.is_empty() {
            // The router takes what stands between two slashes for a segment.
            return Err(ProblemDetails::no_route(parts.uri.path()));
        }
        id.parse().map(|id| Self(id)).map_err(|_| invalid())
    }
}
