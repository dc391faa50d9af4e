//! What the handlers of a service share.

use std::sync::{Arc, OnceLock};

use axum::http::HeaderMap;
use common::Model;
use store::{Author, Store};

use crate::{
    cors::Origins,
    identity::caller::{Caller, Identity, Writers},
    lifecycle::{Lifecycle, Phase},
    mode::Mode,
    problem::ProblemDetails,
    telemetry::{log::Sink, metrics::Metrics},
    write_room::{AnswerRoom, WriteBounds, WriteRoom},
};

/// A service, as its binary describes it.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Its name, which is the binary's.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What the service does, in one sentence.
    pub about: &'static str,
}

impl Service {
    /// The revision of the sources, given at build time as `REVISION`.
    pub const REVISION: &'static str = match option_env!("REVISION") {
        Some(revision) => revision,
        None => "unknown",
    };
}

/// What the handlers of a service share. Clones share it, too.
pub struct App<M: Model>(Arc<Inner<M>>);

struct Inner<M: Model> {
    service: Service,
    lifecycle: Lifecycle,
    metrics: Arc<Metrics>,
    sink: Sink,
    store: OnceLock<Store<M>>,
    mode: Mode,
    identity: Identity,
    origins: Option<Origins>,
    write_bounds: WriteBounds,
}

impl<M: Model> Clone for App<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Model> App<M> {
    /// A service whose collection is not loaded yet. Pages of these origins may use it in a browser.
    #[must_use]
    pub fn new(
        service: Service,
        sink: Sink,
        mode: Mode,
        identity: Identity,
        origins: Option<Origins>,
    ) -> Self {
        Self(Arc::new(Inner {
            service,
            lifecycle: Lifecycle::default(),
            metrics: Arc::default(),
            sink,
            store: OnceLock::new(),
            mode,
            identity,
            origins,
            write_bounds: WriteBounds::default(),
        }))
    }

    /// Gives the service its collection. The service is then ready.
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

    /// Admits one more write, until the room is dropped, and says on whose behalf it is. Callers who
    /// may not write are refused first: they must not take room from those who may. `caller` becomes
    /// who sent the request.
    pub(crate) fn admit_write(
        &self,
        headers: &HeaderMap,
        caller: &mut Caller,
    ) -> Result<(Author, WriteRoom<'_>), ProblemDetails> {
        let author = self.0.identity.author(headers, caller);
        let author = author.inspect_err(|refusal| self.0.metrics.refused(refusal.kind()))?;
        Ok((author, self.0.write_bounds.admit()?))
    }

    /// Which callers can write, none where this process does not write.
    pub(crate) fn writers(&self) -> Writers {
        match self.mode() {
            Mode::Writable => self.0.identity.writers(),
            Mode::ReadOnly(_) => Writers::default(),
        }
    }

    /// Tells callers apart.
    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Waits for room for the answer to an edit of a record of this many bytes. `None` if the
    /// answer needs none.
    pub(crate) async fn room_for_answer(&self, bytes: usize) -> Option<AnswerRoom> {
        self.0.write_bounds.for_answer(bytes).await
    }

    /// The origins whose pages may use the service in a browser. `None` if the answers say nothing
    /// about pages.
    pub(crate) fn origins(&self) -> Option<&Origins> {
        self.0.origins.as_ref()
    }

    /// Whether this process writes.
    pub(crate) fn mode(&self) -> Mode {
        self.0.mode
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

    /// The collection, or the problem to answer with until it is loaded.
    pub(crate) fn store(&self) -> Result<&Store<M>, ProblemDetails> {
        self.loaded()
            .ok_or_else(|| ProblemDetails::unavailable("the collection is being loaded"))
    }
}
