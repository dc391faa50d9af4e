//! What the handlers of a service share.

use std::sync::{Arc, OnceLock};

use axum::http::HeaderMap;
use common::Model;
use store::Store;

use crate::{
    identity::token::Token,
    lifecycle::{Lifecycle, Phase},
    problem::ProblemDetails,
    room::{Room, Rooms},
    telemetry::{log::Sink, metrics::Metrics},
};

/// A service, as its binary describes it.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Its name, which is the binary's.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
}

impl Service {
    /// The revision of the sources, given at build time as `REVISION`.
    pub const REVISION: &'static str = match option_env!("REVISION") {
        Some(revision) => revision,
        None => "unknown",
    };
}

/// What the handlers of a service share. Clones are the same.
pub struct App<M: Model>(Arc<Inner<M>>);

struct Inner<M: Model> {
    service: Service,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    sink: Sink,
    store: OnceLock<Store<M>>,
    /// `None` when the service only reads.
    token: Option<Token>,
    rooms: Rooms,
}

impl<M: Model> Clone for App<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Model> App<M> {
    /// A service whose collection is not loaded yet. With a token it writes too.
    #[must_use]
    pub fn new(service: Service, sink: Sink, token: Option<Token>) -> Self {
        Self(Arc::new(Inner {
            service,
            lifecycle: Lifecycle::default(),
            metrics: Arc::default(),
            sink,
            store: OnceLock::new(),
            token,
            rooms: Rooms::default(),
        }))
    }

    /// Gives the service its collection: from now on it is ready.
    pub fn ready(&self, store: Store<M>) {
        if self.0.store.set(store).is_ok() {
            self.lifecycle().advance(Phase::Ready);
        }
    }

    /// The service's phase.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    /// Room for one more write, given back when dropped. Only for those who may
    /// write: others must not keep them waiting.
    pub(crate) fn admit_write(&self, headers: &HeaderMap) -> Result<Room<'_>, ProblemDetails> {
        let only_reads = || ProblemDetails::unavailable("this service only reads");
        let token = self.0.token.as_ref().ok_or_else(only_reads)?;
        token.admit(headers)?;
        self.0.rooms.admit()
    }

    /// The mode's name.
    pub(crate) fn mode(&self) -> &'static str {
        if self.writable() {
            "writable"
        } else {
            "read-only"
        }
    }

    /// Whether this service takes writes.
    pub(crate) fn writable(&self) -> bool {
        self.0.token.is_some()
    }

    pub(crate) fn service(&self) -> Service {
        self.0.service
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    pub(crate) fn sink(&self) -> &Sink {
        &self.0.sink
    }

    /// The collection, once it is loaded.
    pub(crate) fn loaded(&self) -> Option<&Store<M>> {
        self.0.store.get()
    }

    /// The collection, or what to tell the client while there is none.
    pub(crate) fn store(&self) -> Result<&Store<M>, ProblemDetails> {
        self.loaded()
            .ok_or_else(|| ProblemDetails::unavailable("the collection is being loaded"))
    }
}
