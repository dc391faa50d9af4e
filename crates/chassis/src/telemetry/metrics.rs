//! Metrics, in Prometheus' text format.

use std::{sync::OnceLock, time::Duration};

use axum::http::{Method, StatusCode};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};
use store::{Folding, Status};

/// Upper bounds of the duration buckets in seconds. Fixed, so that memory does
/// not grow with the number of requests.
const BUCKETS: [f64; 12] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0,
];

/// The values of the label `method`. The last one stands for all other methods.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OTHER"];

/// The statuses that a service answers with. A route looks up the counter of each only once.
const STATUSES: [u16; 19] = [
    200, 201, 204, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 429, 500, 503, 507,
];

/// The metrics of a service.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    /// How many requests are being answered.
    pub in_flight: IntGauge,
    /// Bytes of bodies handed to clients.
    pub response_bytes: IntCounter,
    records: IntGauge,
    bytes: IntGauge,
    bytes_max: IntGauge,
    writes: IntCounter,
    syncs: IntCounter,
    writes_refused: IntGauge,
    folds_failing: IntGauge,
    log_lines_dropped: IntCounter,
    refused: IntCounterVec,
    user_keys: IntGauge,
    user_keys_stale: IntGauge,
}

/// The metrics of one route, looked up once.
pub(crate) struct RouteMetrics {
    label: String,
    duration: Histogram,
    /// Counters by method and status, each looked up when first needed.
    requests: [[OnceLock<IntCounter>; STATUSES.len()]; METHODS.len()],
}

impl Metrics {
    /// The metrics of a service, all zero.
    fn new() -> Self {
        let valid = "the names are constants that a test registers";
        let metrics = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(
                Opts::new("http_requests_total", "Requests answered."),
                &["route", "method", "status"],
            )
            .expect(valid),
            durations: HistogramVec::new(
                HistogramOpts::new(
                    "http_request_duration_seconds",
                    "From a request's head to the end of its answer.",
                )
                .buckets(BUCKETS.to_vec()),
                &["route"],
            )
            .expect(valid),
            in_flight: IntGauge::new("http_requests_in_flight", "Requests being answered.")
                .expect(valid),
            response_bytes: IntCounter::new(
                "http_response_body_bytes_total",
                "Bytes of bodies handed to clients.",
            )
            .expect(valid),
            records: IntGauge::new("store_records", "Records in the collection.").expect(valid),
            bytes: IntGauge::new(
                "store_collection_bytes",
                "Bytes of the list of all records.",
            )
            .expect(valid),
            bytes_max: IntGauge::new(
                "store_collection_bytes_max",
                "Bytes that the list of all records may have (MAX_COLLECTION_BYTES).",
            )
            .expect(valid),
            writes: IntCounter::new("store_writes_total", "Durable writes.").expect(valid),
            syncs: IntCounter::new("store_syncs_total", "Syncs that made writes durable.")
                .expect(valid),
            writes_refused: IntGauge::new(
                "store_writes_refused",
                "1 while the store refuses writes because a write failed, otherwise 0.",
            )
            .expect(valid),
            folds_failing: IntGauge::new(
                "store_folds_failing",
                "1 while the journal cannot be folded into db.json and grows on, otherwise 0.",
            )
            .expect(valid),
            log_lines_dropped: IntCounter::new(
                "log_lines_dropped_total",
                "Log lines dropped because nobody read them.",
            )
            .expect(valid),
            refused: IntCounterVec::new(
                Opts::new(
                    "callers_refused_total",
                    "Writes refused because of who asked for them.",
                ),
                &["reason"],
            )
            .expect(valid),
            user_keys: IntGauge::new("user_keys", "Keys that verify the tokens of users.")
                .expect(valid),
            user_keys_stale: IntGauge::new(
                "user_keys_stale",
                "1 while the file with the keys is bad and older keys are used, otherwise 0.",
            )
            .expect(valid),
        };
        let all: [Box<dyn prometheus::core::Collector>; 15] = [
            Box::new(metrics.requests.clone()),
            Box::new(metrics.durations.clone()),
            Box::new(metrics.in_flight.clone()),
            Box::new(metrics.response_bytes.clone()),
            Box::new(metrics.records.clone()),
            Box::new(metrics.bytes.clone()),
            Box::new(metrics.bytes_max.clone()),
            Box::new(metrics.writes.clone()),
            Box::new(metrics.syncs.clone()),
            Box::new(metrics.writes_refused.clone()),
            Box::new(metrics.folds_failing.clone()),
            Box::new(metrics.log_lines_dropped.clone()),
            Box::new(metrics.refused.clone()),
            Box::new(metrics.user_keys.clone()),
            Box::new(metrics.user_keys_stale.clone()),
        ];
        for collector in all {
            metrics.registry.register(collector).expect(valid);
        }
        metrics
    }

    /// The metrics of the route with this label.
    pub fn route(&self, label: String) -> RouteMetrics {
        RouteMetrics {
            duration: self.durations.with_label_values(&[&label]),
            requests: Default::default(),
            label,
        }
    }

    /// Sets the store's metrics from its status.
    pub fn set_store(&self, status: &Status) {
        self.records
            .set(i64::try_from(status.records).unwrap_or(i64::MAX));
        self.bytes
            .set(i64::try_from(status.bytes).unwrap_or(i64::MAX));
        self.bytes_max
            .set(i64::try_from(status.bytes_max).unwrap_or(i64::MAX));
        raise(&self.writes, status.writes);
        raise(&self.syncs, status.syncs);
        self.writes_refused.set(status.refusal.is_some().into());
        let failing = status.folding != Folding::Works;
        self.folds_failing.set(failing.into());
    }

    /// Counts a write that was refused for this reason.
    pub fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// Sets the metrics of the keys that verify the tokens of users: their number, and whether they
    /// are older than their file.
    pub fn set_user_keys(&self, number: usize, stale: bool) {
        self.user_keys
            .set(i64::try_from(number).unwrap_or(i64::MAX));
        self.user_keys_stale.set(stale.into());
    }

    /// All metrics as text.
    pub fn text(&self, log_lines_dropped: u64) -> String {
        let known = self.log_lines_dropped.get();
        self.log_lines_dropped
            .inc_by(log_lines_dropped.saturating_sub(known));
        let encoder = TextEncoder::new();
        let text = encoder.encode_to_string(&self.registry.gather());
        text.unwrap_or_else(|error| format!("# {error}\n"))
    }

    /// Counts one answer.
    pub fn answered(
        &self,
        route: &RouteMetrics,
        method: &Method,
        status: StatusCode,
        duration: Duration,
        body_bytes: u64,
    ) {
        let method = METHODS.iter().position(|name| *name == method.as_str());
        let method = method.unwrap_or(METHODS.len() - 1);
        let counter = || {
            self.requests
                .with_label_values(&[&route.label, METHODS[method], status.as_str()])
        };
        match STATUSES.iter().position(|known| *known == status.as_u16()) {
            Some(status) => route.requests[method][status].get_or_init(counter).inc(),
            None => counter().inc(),
        }
        route.duration.observe(duration.as_secs_f64());
        self.response_bytes.inc_by(body_bytes);
    }
}

/// Raises a counter to a value that is counted elsewhere.
fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl RouteMetrics {
    pub fn label(&self) -> &str {
        &self.label
    }
}
