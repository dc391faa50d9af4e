//! The writes of a collection. The API's document lists the problems that each can meet.

pub(crate) mod idempotency_key;

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header, request::Parts},
};
use common::{Id, MemberError, Model, Problem};
use serde_json::Value;
use store::{NotAllowed, Object, Precondition, Record, Store, WriteError};

use self::idempotency_key::REPLAYED;
use crate::{
    api::{
        body::{self, Accepts},
        conditional,
        entity_tag::etag,
        read::{Answer, JSON, absent, path_id},
    },
    app::App,
    identity::caller::Caller,
    problem::ProblemDetails,
    write_room::WriteRoom,
};

/// `POST /api/{collection}`: 201 with the record. A key (`Idempotency-Key`) that the caller has
/// used already leads to the record that there is.
pub(crate) async fn create<M: Model>(
    app: &App<M>,
    head: &Parts,
    body: Body,
    caller: &mut Caller,
) -> Answer {
    let (author, mut room) = app.admit_write(&head.headers, caller)?;
    let key = idempotency_key::of(&head.headers)?;
    let members = object(app, head, body, &body::POST, &mut room).await?;
    let created = app.store()?.create_once(author, key, members).await;
    let created = created.map_err(|error| refused(app, error, None))?;
    let location = format!("/api/{}/{}", M::COLLECTION, created.id);
    let mut response = stored(StatusCode::CREATED, created.record);
    let location = HeaderValue::try_from(location).map_err(|_| ProblemDetails::internal())?;
    response.headers_mut().insert(header::LOCATION, location);
    if created.replayed {
        let replayed = HeaderValue::from_static("true");
        response.headers_mut().insert(REPLAYED, replayed);
    }
    Ok(response)
}

/// `PUT /api/{collection}/{id}`: 200 with the record.
pub(crate) async fn replace<M: Model>(
    app: &App<M>,
    head: &Parts,
    body: Body,
    caller: &mut Caller,
) -> Answer {
    let id = path_id(head)?;
    let (author, mut room) = app.admit_write(&head.headers, caller)?;
    let members = object(app, head, body, &body::PUT, &mut room).await?;
    let replace = async |store: &Store<M>, precondition| {
        store.replace(author, id, members, precondition).await
    };
    edit(app, head, id, replace).await
}

/// `PATCH /api/{collection}/{id}`, a merge patch (RFC 7396): 200 with the record.
pub(crate) async fn patch<M: Model>(
    app: &App<M>,
    head: &Parts,
    body: Body,
    caller: &mut Caller,
) -> Answer {
    let id = path_id(head)?;
    let (author, mut room) = app.admit_write(&head.headers, caller)?;
    let patch = json(app, head, body, &body::PATCH, &mut room).await?;
    let patch =
        async |store: &Store<M>, precondition| store.patch(author, id, patch, precondition).await;
    edit(app, head, id, patch).await
}

/// Edits a record and answers with it. The answer may be much longer than the request, since
/// the record keeps members that the request does not name.
async fn edit<M: Model>(
    app: &App<M>,
    head: &Parts,
    id: Id<M>,
    edit: impl AsyncFnOnce(&Store<M>, Precondition) -> Result<Record, WriteError>,
) -> Answer {
    let store = app.store()?;
    let room = app.room_for_answer(store.record_bytes(id).await?).await;
    let edited = edit(store, conditional::precondition(&head.headers)).await;
    let mut record = edited.map_err(|error| refused(app, error, Some(id)))?;
    if let Some(room) = room {
        record.json = room.hold(record.json);
    }
    Ok(stored(StatusCode::OK, record))
}

/// `DELETE /api/{collection}/{id}`: 204.
pub(crate) async fn delete<M: Model>(app: &App<M>, head: &Parts, caller: &mut Caller) -> Answer {
    let id = path_id(head)?;
    let (author, _room) = app.admit_write(&head.headers, caller)?;
    let precondition = conditional::precondition(&head.headers);
    let deleted = app.store()?.delete(author, id, precondition).await;
    deleted.map_err(|error| refused(app, error, Some(id)))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Reads the JSON body of a request.
async fn json<M: Model>(
    app: &App<M>,
    head: &Parts,
    body: Body,
    accepts: &Accepts,
    room: &mut WriteRoom<'_>,
) -> Result<Value, ProblemDetails> {
    // Until the collection is loaded, no body is read.
    app.store()?;
    body::json(&head.headers, body, accepts, room).await
}

async fn object<M: Model>(
    app: &App<M>,
    head: &Parts,
    body: Body,
    accepts: &Accepts,
    room: &mut WriteRoom<'_>,
) -> Result<Object, ProblemDetails> {
    if let Value::Object(members) = json(app, head, body, accepts, room).await? {
        return Ok(members);
    }
    let detail = format!("expected an object: a {}", M::SINGULAR);
    Err(ProblemDetails::invalid(vec![MemberError::whole(detail)]))
}

fn stored(status: StatusCode, record: Record) -> Response<Body> {
    let etag = etag(record.digest);
    let mut response = Response::new(Body::from(record.json));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response.headers_mut().insert(header::ETAG, etag);
    response
}

fn refused<M: Model>(app: &App<M>, error: WriteError, id: Option<Id<M>>) -> ProblemDetails {
    match (error, id) {
        (WriteError::NotFound, Some(id)) => absent(id),
        (WriteError::NotAllowed(why), _) => {
            app.metrics().refused("not_allowed");
            forbidden(why, id)
        }
        (WriteError::PreconditionFailed, Some(id)) => {
            let detail = format!(
                "{} {id} is not as If-Match or If-None-Match says; read it again",
                M::SINGULAR
            );
            ProblemDetails::new(Problem::PreconditionFailed, detail)
        }
        (WriteError::Conflict { member, holder }, _) => {
            let detail = format!("{} {holder} has this {member} already", M::SINGULAR);
            ProblemDetails::new(Problem::Conflict, detail)
        }
        (WriteError::NoMoreIds, _) => {
            let (collection, last) = (M::COLLECTION, Id::<M>::MAX);
            let detail =
                format!("all ids up to {last} have been given; there can be no more {collection}");
            ProblemDetails::new(Problem::Conflict, detail)
        }
        (WriteError::KeyReused { id }, _) => {
            let detail = format!(
                "this Idempotency-Key came with another body, and made {} {id}; send another body \
                 with another key",
                M::SINGULAR
            );
            ProblemDetails::new(Problem::IdempotencyKeyReused, detail)
        }
        (WriteError::MadeAndDeleted { id }, _) => {
            let one = M::SINGULAR;
            let detail = format!(
                "the request with this Idempotency-Key made {one} {id}, which has been deleted; \
                 for a new {one}, send another key"
            );
            ProblemDetails::new(Problem::Conflict, detail)
        }
        (WriteError::Invalid(errors), _) => ProblemDetails::invalid(errors),
        (WriteError::Full { bytes_max }, _) => {
            let detail = format!(
                "the {} have no room for more within {bytes_max} bytes; what does not make them \
                 larger is still written",
                M::COLLECTION
            );
            ProblemDetails::new(Problem::CollectionFull, detail)
        }
        (WriteError::PutOff, _) => {
            ProblemDetails::unavailable("the store cannot write now; try again")
        }
        (WriteError::InDoubt, _) => ProblemDetails::unavailable_until_restart(
            "the disk failed: this write may have happened all the same; no other is taken until \
             the service is restarted; its log says why",
        ),
        (WriteError::Refused, _) => ProblemDetails::unavailable_until_restart(
            "no write is taken until the service is restarted; its log says why",
        ),
        (error, _) => {
            tracing::error!(%error, "a write failed");
            ProblemDetails::internal()
        }
    }
}

fn forbidden<M: Model>(why: NotAllowed, id: Option<Id<M>>) -> ProblemDetails {
    let (one, many) = (M::SINGULAR, M::COLLECTION);
    let detail = match (why, id) {
        (NotAllowed::Create, _) => format!("a user creates no {many}; a moderator may"),
        (NotAllowed::Delete, _) => format!("a user deletes no {many}; a moderator may"),
        (NotAllowed::OtherOwner { member, user }, _) => {
            format!("{member} must be {user}, the user who writes; only a moderator names another")
        }
        (NotAllowed::NotOwner, Some(id)) => {
            format!("{one} {id} is not yours; a moderator may write it")
        }
        (NotAllowed::NotOwner, None) => {
            format!("this {one} is not yours; a moderator may write it")
        }
    };
    ProblemDetails::new(Problem::Forbidden, detail)
}
