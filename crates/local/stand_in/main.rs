//! A stand-in for a service in tests. It takes a service's command line. Its `db.json` and the paths
//! of requests tell it what to do: hang, crash, or answer what no service should.
//!
//! Members of `db.json`: `fail` (writes this line to stderr and exits with 1), `silent` (never
//! listens), `ready` (the status of the health check, 200 by default).

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

#[derive(Parser)]
struct Config {
    #[arg(long)]
    host: String,
    #[arg(long)]
    port: u16,
    #[arg(long)]
    db: std::path::PathBuf,
    /// Ends when standard input closes, as services do.
    #[arg(long)]
    exit_with_stdin: bool,
}

struct State {
    ready: AtomicU16,
    in_flight: AtomicUsize,
    writable: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let config = Config::parse();
    if config.exit_with_stdin {
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = kill_process(getpid(), Signal::TERM);
        });
    }
    let text = std::fs::read(&config.db)
        .with_context(|| format!("cannot read {}", config.db.display()))?;
    let script: Value = serde_json::from_slice(&text)?;
    if let Some(message) = script["fail"].as_str() {
        bail!("{message}");
    }
    if script["silent"] == true {
        std::future::pending::<()>().await;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind((config.host, config.port)).await?;
    println!(r#"{{"level":"INFO","message":"starting"}}"#);
    println!(
        r#"{{"level":"INFO","message":"listening","addr":"{}"}}"#,
        listener.local_addr()?
    );
    let state = Arc::new(State {
        ready: AtomicU16::new(u16::try_from(script["ready"].as_u64().unwrap_or(200))?),
        in_flight: AtomicUsize::new(0),
        writable: std::env::var_os("WRITE_TOKEN_FILE").is_some(),
    });
    loop {
        tokio::select! {
            accepted = listener.accept() => drop(tokio::spawn(serve(accepted?.0, Arc::clone(&state)))),
            _ = terminate.recv() => break,
        }
    }
    drop(listener);
    while state.in_flight.load(Ordering::Relaxed) > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

struct Request {
    line: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    trailers: Vec<String>,
}

async fn serve(stream: TcpStream, state: Arc<State>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        state.in_flight.fetch_add(1, Ordering::Relaxed);
        let go_on = answer(&request, stream.get_mut(), &state).await;
        state.in_flight.fetch_sub(1, Ordering::Relaxed);
        if !go_on? {
            break;
        }
    }
    Ok(())
}

async fn line(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

/// Reads a request. Returns `None` when the connection has ended.
async fn read(stream: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let first = line(stream).await?;
    if first.is_empty() {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let line = line(stream).await?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if first.contains("/unread ") {
        // Never reads the body.
        std::future::pending::<()>().await;
    }
    let header = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    };
    let (mut body, mut trailers) = (Vec::new(), Vec::new());
    if header("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(&line(stream).await?, 16)?;
            if size == 0 {
                break;
            }
            let start = body.len();
            body.resize(start + size, 0);
            stream.read_exact(&mut body[start..]).await?;
            line(stream).await?;
        }
        loop {
            let trailer = line(stream).await?;
            if trailer.is_empty() {
                break;
            }
            trailers.push(trailer);
        }
    } else if let Some(length) = header("content-length") {
        // Zeroed by the system, page by page as the body arrives.
        body = vec![0; length.parse()?];
        stream.read_exact(&mut body).await?;
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok(Some(Request {
        line: first,
        path,
        headers,
        body,
        trailers,
    }))
}

/// Logs that a request is under way. Tests wait for this line.
fn log_under_way(path: &str) {
    let line = format!(r#"{{"level":"INFO","message":"under way","path":"{path}"}}"#);
    // Fails when the test no longer reads the output.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Answers a request. Returns whether the connection stays open.
async fn answer(request: &Request, stream: &mut TcpStream, state: &State) -> Result<bool> {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let number: u64 = query.parse().unwrap_or_default();
    let action = path
        .trim_start_matches("/api/")
        .split_once('/')
        .map_or("", |(_, action)| action);
    match action {
        _ if path == "/health/ready" => {
            let status = state.ready.load(Ordering::Relaxed);
            let head =
                format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            return Ok(false);
        }
        "ready" => state.ready.store(u16::try_from(number)?, Ordering::Relaxed),
        "slow" => {
            log_under_way(path);
            sleep(Duration::from_millis(number)).await;
        }
        "hang" => {
            log_under_way(path);
            // Waits until the other side closes the connection.
            while stream.read(&mut [0; 1024]).await? > 0 {}
            return Ok(false);
        }
        "crash" => std::process::exit(i32::try_from(number)?),
        "warn" => {
            println!(r#"{{"level":"WARN","message":"the disk is slow","waited_ms":{number}}}"#);
        }
        "complain" => eprintln!("something odd"),
        "close" => return Ok(false),
        "garbage" => {
            stream.write_all(b"this is no HTTP\r\n\r\n").await?;
            return Ok(false);
        }
        "half" | "stall" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
                .await?;
            while action == "stall" && stream.read(&mut [0; 1024]).await? > 0 {}
            return Ok(false);
        }
        "head" => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Long: {}\r\n\r\n",
                "x".repeat(usize::try_from(number)?)
            );
            stream.write_all(head.as_bytes()).await?;
            return Ok(true);
        }
        "switch" => {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
                .await?;
            return Ok(false);
        }
        "trailers" => {
            stream
                .write_all(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n",
                )
                .await?;
            return Ok(true);
        }
        "big" => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {number}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let block = vec![b'x'; 64 * 1024];
            let mut left = usize::try_from(number)?;
            while left > 0 {
                let part = left.min(block.len());
                stream.write_all(&block[..part]).await?;
                left -= part;
            }
            return Ok(true);
        }
        _ => {}
    }
    let body = json!({
        "pid": std::process::id(),
        "line": request.line,
        "headers": request.headers,
        "body": String::from_utf8_lossy(&request.body),
        "trailers": request.trailers,
        "writable": state.writable,
        "environment": std::env::vars().map(|(name, _)| name).collect::<Vec<_>>(),
    })
    .to_string();
    let length = body.len();
    let body = if request.line.starts_with("HEAD ") {
        ""
    } else {
        &body
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(true)
}
