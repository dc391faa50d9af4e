//! Where log lines go: one JSON object per line, or, on a terminal, a line for people.
//!
//! A request only appends to a buffer in memory. A separate thread writes the buffer out, so that
//! a slow reader of the log never delays a request.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tracing::{Event, Subscriber, field::Field};
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::telemetry::log_line::LogLine;

/// Bytes that may wait to be written. Further lines are dropped and counted.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// How long the thread collects lines before it writes again.
const COLLECT: Duration = Duration::from_millis(10);

/// Takes log lines. Clones share one buffer.
#[derive(Clone)]
pub struct Sink(Arc<Shared>);

struct Shared {
    buffer: Mutex<Buffer>,
    changed: Condvar,
    dropped: AtomicU64,
    service: &'static str,
    human: bool,
}

#[derive(Default)]
struct Buffer {
    lines: Vec<u8>,
    /// Whether lines that were taken out of the buffer are being written.
    writing: bool,
}

impl Sink {
    /// A sink that writes to `output` on a separate thread.
    pub fn new(service: &'static str, human: bool, output: impl Write + Send + 'static) -> Self {
        let sink = Self(Arc::new(Shared {
            buffer: Mutex::default(),
            changed: Condvar::new(),
            dropped: AtomicU64::new(0),
            service,
            human,
        }));
        let shared = Arc::clone(&sink.0);
        thread::spawn(move || shared.write_to(output));
        sink
    }

    /// The name of the service that logs.
    pub(crate) fn service(&self) -> &'static str {
        self.0.service
    }

    /// Whether lines are for people rather than JSON.
    pub(crate) fn human(&self) -> bool {
        self.0.human
    }

    /// How many lines were dropped because the buffer was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Lets `write` append whole lines to the buffer.
    pub(crate) fn append(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut buffer = self.0.lock();
        if buffer.lines.len() > BUFFER_BYTES_MAX {
            self.0.dropped.fetch_add(1, Relaxed);
            return;
        }
        let idle = buffer.lines.is_empty() && !buffer.writing;
        write(&mut buffer.lines);
        drop(buffer);
        if idle {
            self.0.changed.notify_all();
        }
    }

    /// Waits until all lines are written. The wait is short, since nobody may be reading them.
    pub fn flush(&self) {
        let unwritten = |buffer: &mut Buffer| buffer.writing || !buffer.lines.is_empty();
        let bound = Duration::from_secs(1);
        drop(
            self.0
                .changed
                .wait_timeout_while(self.0.lock(), bound, unwritten),
        );
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut output: impl Write) {
        let mut lines = Vec::new();
        loop {
            let buffer = self
                .changed
                .wait_while(self.lock(), |buffer| buffer.lines.is_empty());
            let mut buffer = buffer.unwrap_or_else(PoisonError::into_inner);
            buffer.writing = true;
            std::mem::swap(&mut lines, &mut buffer.lines);
            drop(buffer);
            // An error cannot be reported: the log itself cannot be written.
            let _ = output.write_all(&lines).and_then(|()| output.flush());
            lines.clear();
            self.lock().writing = false;
            self.changed.notify_all();
            thread::sleep(COLLECT);
        }
    }
}

/// Sends the events that `RUST_LOG` selects to standard output.
///
/// # Errors
/// When `RUST_LOG` is not a valid filter.
pub(crate) fn install(service: &'static str) -> anyhow::Result<Sink> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter)
            .map_err(|error| anyhow::anyhow!("invalid value '{filter}' for RUST_LOG: {error}"))?,
        _ => EnvFilter::new("info"),
    };
    let stdout = io::stdout();
    let sink = Sink::new(service, stdout.is_terminal(), stdout);
    let human = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_writer(sink.clone());
    let json = tracing_subscriber::fmt::layer()
        .event_format(Json(service))
        .with_writer(sink.clone());
    let layer = if sink.human() {
        human.boxed()
    } else {
        json.boxed()
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .init();
    Ok(sink)
}

/// Appends one event's line.
pub struct EventLine<'a>(&'a Sink);

impl<'a> MakeWriter<'a> for Sink {
    type Writer = EventLine<'a>;

    fn make_writer(&'a self) -> EventLine<'a> {
        EventLine(self)
    }
}

impl Write for EventLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.append(|lines| lines.extend_from_slice(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Formats events like lines of the access log.
struct Json(&'static str);

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut bytes = Vec::with_capacity(256);
        let mut line = LogLine::begin(&mut bytes, event.metadata().level().as_str(), self.0);
        event.record(&mut Members(&mut line));
        line.end();
        writer.write_str(&String::from_utf8_lossy(&bytes))
    }
}

struct Members<'a, 'b>(&'a mut LogLine<'b>);

impl tracing::field::Visit for Members<'_, '_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.text(field.name(), format!("{value:?}").as_bytes());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.text(field.name(), value.as_bytes());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.number(field.name(), value);
    }
}
