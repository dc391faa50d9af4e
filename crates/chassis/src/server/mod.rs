//! Serves connections until the service stops.

pub(crate) mod connections;
pub(crate) mod descriptors;
pub(crate) mod head;
pub(crate) mod repeats;
pub(crate) mod socket;
pub(crate) mod unparsed;
pub(crate) mod unread_body;

use std::{
    convert::Infallible,
    io::{self, ErrorKind},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    BoxError,
    http::{Request, Response},
};
use bytes::Bytes;
use http_body::Body;
use hyper::{server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{interval, interval_at, sleep, timeout},
};

use crate::{
    config::Limits,
    lifecycle::{Lifecycle, Phase},
    server::{
        connections::{Activity, Admitted, Connections},
        head::CheckHead,
        repeats::Repeats,
        socket::Socket,
        unread_body::{DrainUnread, RequestBody},
    },
};

/// Bytes that hyper buffers of a connection in each direction. Also the longest
/// request head (the ALB's own bound is 64 KiB).
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// How often a stopping server closes connections that have become idle.
const QUIET_INTERVAL: Duration = Duration::from_millis(10);

/// How often the server looks for connections that have been idle too long. Used instead of
/// hyper's own timeout, which creates and drops a timer for each request.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The answer to a client when there is no room for another connection. Sent without looking at
/// the request, for which there is no memory.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// How long the server waits for such a client's request, and reads and drops it. If it closed the
/// connection at once, the system could answer the request with a reset before the client has read
/// the 503.
const REFUSED: Duration = Duration::from_secs(1);

/// The largest number of such clients at a time: each takes a descriptor. Further ones get the 503
/// at once.
const REFUSED_MAX: usize = 8;

/// Serves connections from `listener` until the service stops, and then finishes the requests in
/// flight. `service_for` makes the service that answers the requests of one connection.
pub(crate) async fn serve<S, R>(
    listener: TcpListener,
    service_for: impl Fn(SocketAddr, Arc<Activity>) -> S,
    limits: &Limits,
    lifecycle: &Lifecycle,
) where
    S: Service<Request<RequestBody>, Response = Response<R>, Error = Infallible, Future: Send>
        + Send
        + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let connections = Connections::new(limits.max_connections);
    let mut http = http1::Builder::new();
    http.max_buf_size(BUFFER_BYTES_MAX);
    let mut tasks = JoinSet::new();
    let mut stopping = pin!(lifecycle.reached(Phase::Stopping));
    let mut sweep = interval(SWEEP_INTERVAL);
    let mut numbers = 0..;
    let (mut failures, mut refusals) = (Repeats::default(), Repeats::default());
    let refused = Arc::new(Semaphore::new(REFUSED_MAX));
    loop {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener, &connections, &mut failures) => accepted,
            () = &mut stopping => break,
            _ = sweep.tick() => {
                connections.close_idle(Instant::now(), limits.head_timeout);
                continue;
            }
        };
        while tasks.try_join_next().is_some() {}
        let now = Instant::now();
        let admitted = numbers
            .next()
            .and_then(|number| connections.admit(number, now));
        if let Some(admitted) = admitted {
            let activity = Arc::clone(&admitted.activity);
            let service = service_for(peer, Arc::clone(&activity));
            let task = tasks.spawn(connection(http.clone(), stream, service, admitted));
            activity.runs_as(task);
        } else {
            if let Some(connections) = refusals.count(now) {
                tracing::warn!(%peer, connections, "no room for another connection");
            }
            tasks.spawn(refuse(stream, Arc::clone(&refused)));
        }
    }
    drop(listener);
    if timeout(limits.drain_deadline, finish(&connections, &mut tasks))
        .await
        .is_err()
    {
        tracing::warn!(
            connections = tasks.len(),
            "closing connections with requests in flight"
        );
    }
}

/// Closes connections as they become idle, until none is left. A connection with a request in
/// flight ends after the answer, whose headers say so.
async fn finish(connections: &Connections, tasks: &mut JoinSet<()>) {
    // Not at once: a request may have arrived that is still to be read.
    let mut quiet = interval_at(tokio::time::Instant::now() + QUIET_INTERVAL, QUIET_INTERVAL);
    while !tasks.is_empty() {
        tokio::select! {
            _ = tasks.join_next() => {}
            _ = quiet.tick() => connections.close_idle(Instant::now(), Duration::ZERO),
        }
    }
}

/// Accepts the next connection. When the system refuses, mostly for lack of descriptors, this
/// closes another connection and tries again.
async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    failures: &mut Repeats,
) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Without it an answer can wait 40 ms for the client's acknowledgement.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            // The client left before it was accepted.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                let now = Instant::now();
                if let Some(failures) = failures.count(now) {
                    tracing::warn!(%error, failures, "cannot accept a connection");
                }
                connections.make_room(now);
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn refuse(mut stream: TcpStream, refused: Arc<Semaphore>) {
    let refusing = async {
        let Ok(_place) = refused.try_acquire() else {
            return stream.write_all(NO_ROOM).await;
        };
        // Many clients take an answer that comes before the request for a broken connection.
        stream.peek(&mut [0]).await?;
        stream.write_all(NO_ROOM).await?;
        stream.shutdown().await?;
        let mut dropped = [0; 1024];
        while stream.read(&mut dropped).await? > 0 {}
        io::Result::Ok(())
    };
    // The client has closed the connection, or its time is over.
    let _ = timeout(REFUSED, refusing).await;
}

async fn connection<S, R>(http: http1::Builder, stream: TcpStream, service: S, admitted: Admitted)
where
    S: Service<Request<RequestBody>, Response = Response<R>, Error = Infallible>,
    R: Body<Data = Bytes, Error: Into<BoxError>> + 'static,
{
    let io = TokioIo::new(Socket::new(
        stream,
        Arc::clone(&admitted.activity),
        admitted.connections.clone(),
    ));
    let service = DrainUnread {
        service: CheckHead(service),
        activity: Arc::clone(&admitted.activity),
    };
    // The client causes all errors: it went away, or did not send HTTP.
    let _ = http.serve_connection(io, service).await;
}
