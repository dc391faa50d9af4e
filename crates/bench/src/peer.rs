//! The bare servers: hyper and axum alone, which answer what our services answered.

use std::{convert::Infallible, net::Ipv4Addr, path::PathBuf, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Request, Response, Uri, header},
    routing::get,
};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;

use crate::answers::Answers;

/// A bare server, for the bench to start.
#[derive(Debug, Args)]
pub struct Peer {
    kind: Kind,
    /// The file that holds its answers.
    answers: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Hyper,
    Axum,
}

impl Peer {
    /// Serves until it is killed.
    pub fn serve(&self) -> anyhow::Result<()> {
        let answers = Arc::new(Answers::read(&self.answers)?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.live(answers))
    }

    async fn live(&self, answers: Arc<Answers>) -> anyhow::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{{\"addr\":\"{}\"}}", listener.local_addr()?);
        let mut http = http1::Builder::new();
        http.pipeline_flush(true);
        let router = router(Arc::clone(&answers));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let io = TokioIo::new(stream);
            match self.kind {
                Kind::Hyper => {
                    let answers = Arc::clone(&answers);
                    let service = service_fn(move |request| answer(&answers, &request));
                    tokio::spawn(http.serve_connection(io, service));
                }
                Kind::Axum => {
                    let service = TowerToHyperService::new(router.clone());
                    tokio::spawn(http.serve_connection(io, service));
                }
            }
        }
    }
}

fn answer(
    answers: &Answers,
    request: &Request<Incoming>,
) -> impl Future<Output = Result<Response<Full<Bytes>>, Infallible>> + use<> {
    let target = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let conditional = request.headers().contains_key(header::IF_NONE_MATCH);
    std::future::ready(Ok(answers.to(target, conditional)))
}

fn router(answers: Arc<Answers>) -> axum::Router {
    axum::Router::new()
        .route("/api/{collection}", get(routed))
        .route("/api/{collection}/{id}", get(routed))
        .route("/api/{collection}/{by}/{id}", get(routed))
        .with_state(answers)
}

async fn routed(
    State(answers): State<Arc<Answers>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let target = uri.path_and_query().map_or("/", |it| it.as_str());
    let answer = answers.to(target, headers.contains_key(header::IF_NONE_MATCH));
    answer.map(Body::new)
}
