//! Serves connections until the service stops.

use std::{
    net::SocketAddr,
    pin::pin,
    time::{Duration, Instant},
};

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    app::Router,
    config::Limits,
    connections::{Connections, Place},
    lifecycle::{Lifecycle, Phase},
    observe::Observe,
    socket::Socket,
};

/// Bytes that hyper buffers of a connection in each direction. Also the longest
/// request head (the ALB's own bound is 64 KiB).
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// How often a stopping server looks whether a connection has gone idle.
const QUIET_INTERVAL: Duration = Duration::from_millis(10);

/// What a client gets for whom there is no room. Written without reading the
/// request: reading is what there is no room for.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
    Content-Length: 0\r\nConnection: close\r\n\r\n";

/// Serves connections from `listener` until the lifecycle reaches its last
/// phase, and then finishes what is in flight.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Observe<Router>,
    limits: &Limits,
    lifecycle: &Lifecycle,
) {
    let connections = Connections::new(limits.max_connections);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(BUFFER_BYTES_MAX);
    let mut tasks = JoinSet::new();
    let mut stopping = pin!(lifecycle.reached(Phase::Stopping));
    for number in 0.. {
        let (stream, peer) = tokio::select! {
            accepted = accept(&listener) => accepted,
            () = &mut stopping => break,
        };
        while tasks.try_join_next().is_some() {}
        if let Some(place) = connections.admit(number, Instant::now()) {
            let app = app.for_connection(peer, place.activity.clone());
            tasks.spawn(connection(
                http.clone(),
                stream,
                app,
                place,
                lifecycle.clone(),
            ));
        } else {
            tracing::warn!(%peer, "no room for another connection");
            tasks.spawn(refuse(stream));
        }
    }
    drop(listener);
    let finished = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain_deadline, finished)
        .await
        .is_err()
    {
        tracing::warn!(
            connections = tasks.len(),
            "closing connections with requests in flight"
        );
    }
}

/// The next connection. Waits out what keeps the system from giving one, such
/// as a lack of descriptors.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Without it an answer can wait 40 ms for the client's acknowledgement.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn refuse(mut stream: TcpStream) {
    let _ = tokio::time::timeout(Duration::from_secs(1), stream.write_all(NO_ROOM)).await;
}

async fn connection(
    http: http1::Builder,
    stream: TcpStream,
    app: Observe<Router>,
    place: Place,
    lifecycle: Lifecycle,
) {
    let activity = place.activity.clone();
    let io = TokioIo::new(Socket::new(stream, activity.clone()));
    let mut serving = pin!(http.serve_connection(io, app));
    tokio::select! {
        // Errors are the client's: it went away, or sent what is not HTTP.
        _ = serving.as_mut() => return,
        () = activity.evicted() => return,
        () = lifecycle.reached(Phase::Stopping) => {}
    }
    // hyper finishes the request in flight and closes idle connections, but
    // waits for the rest of a half-sent head: that is cut off here.
    serving.as_mut().graceful_shutdown();
    let mut quiet = tokio::time::interval(QUIET_INTERVAL);
    loop {
        tokio::select! {
            biased;
            _ = serving.as_mut() => return,
            _ = quiet.tick() => {
                if activity.idle() {
                    return;
                }
            }
        }
    }
}
