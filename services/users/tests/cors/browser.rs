//! Pages in a real browser.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{SERVICE_KEY, service};

/// Longest wait for a browser to start and run a page.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where pages come from. A page of this server sends requests to a service.
struct Pages {
    listener: TcpListener,
}

impl Pages {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { listener }
    }

    /// The origin of its pages, by this name of the machine.
    fn origin(&self, host: &str) -> String {
        format!(
            "http://{host}:{}",
            self.listener.local_addr().unwrap().port()
        )
    }

    /// What a page of the origin with this name sees of the answers to its requests.
    fn see(self, host: &str, service: SocketAddr, requests: &Value) -> Vec<Value> {
        let asked = json!({"service": format!("http://{service}"), "requests": requests});
        let (sender, seen) = mpsc::channel();
        let browser = Browser::open(&self.origin(host));
        thread::spawn(move || {
            for stream in self.listener.incoming() {
                // A browser opens connections that it does not use.
                let (asked, sender) = (asked.to_string(), sender.clone());
                thread::spawn(move || serve(stream.unwrap(), &asked, &sender));
            }
        });
        let seen = seen.recv_timeout(PATIENCE).expect("the page runs");
        drop(browser);
        serde_json::from_slice(&seen).unwrap()
    }
}

/// Answers the browser: the page, its requests, or the end.
fn serve(stream: TcpStream, asked: &str, sender: &mpsc::Sender<Vec<u8>>) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() <= 2 {
            break;
        }
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (media_type, answer) = match first.split(' ').nth(1) {
        Some("/") => ("text/html", include_str!("page.html")),
        Some("/requests") => ("application/json", asked),
        _ => ("text/plain", ""),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        answer.len()
    );
    let mut stream = reader.into_inner();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    if first.starts_with("POST /seen ") {
        // Nobody listens any more after the first page.
        let _ = sender.send(body);
    }
}

/// A browser, until it is dropped.
struct Browser {
    process: Child,
    _profile: TempDir,
}

impl Browser {
    fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let process = Command::new("chromium")
            .arg("--headless")
            // root has no sandbox, and the page is the test's own.
            .arg("--no-sandbox")
            .arg("--disable-gpu")
            .arg("--disable-dev-shm-usage")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Chromium is installed");
        Self {
            process,
            _profile: profile,
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its other processes end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn requests(etag: &str) -> Value {
    let token = format!("Bearer {SERVICE_KEY}");
    let ada = json!({"username": "ada", "name": "Ada", "bio": ""}).to_string();
    let json = "application/json";
    json!([
        {"target": "/api/users?limit=1"},
        {"target": "/api/users/3"},
        {"target": "/api/users/3", "headers": {"If-None-Match": etag}},
        {"target": "/api/users", "method": "POST", "body": ada,
            "headers": {"Authorization": token, "Content-Type": json, "X-Request-Id": "of-the-page"}},
        {"target": "/api/users/3", "method": "PATCH", "body": r#"{"bio": "b"}"#,
            "headers": {"Authorization": token, "Content-Type": json, "If-Match": etag}},
        {"target": "/api/users/3", "method": "PATCH", "body": r#"{"bio": "c"}"#,
            "headers": {"Authorization": token, "Content-Type": json, "If-Match": etag}},
        {"target": "/api/users/9", "headers": {"Cache-Control": "no-cache"}},
        {"target": "/nothing/here", "method": "DELETE", "headers": {"Authorization": token}},
        {"target": "/api/users", "method": "POST", "body": ada, "headers": {"Content-Type": json}},
        {"target": "/api/users", "method": "POST", "body": "{}",
            "headers": {"Authorization": token, "Content-Type": json, "Idempotency-Key": "k"}},
        {"target": "/api/users/5", "method": "DELETE", "headers": {"Authorization": token}},
        {"target": "/api/users/openapi.json"},
        {"target": "/api/users/4"},
        {"target": "/api/users/4"},
    ])
}

#[test]
#[ignore = "needs Chromium"]
fn a_page_of_a_listed_origin_reads_answers_with_their_headers() {
    let pages = Pages::new();
    let task = service()
        .env("CORS_ORIGINS", pages.origin("127.0.0.1"))
        .start();
    let etag = task.get("/api/users/3").header("etag").to_owned();
    let seen = pages.see("127.0.0.1", task.addr(), &requests(&etag));
    let statuses: Vec<_> = seen.iter().map(|answer| &answer["status"]).collect();
    let expected = [
        200, 200, 304, 201, 200, 412, 404, 404, 401, 422, 204, 200, 200, 200,
    ];
    assert_eq!(statuses, expected, "{seen:#?}");
    let header = |number: usize, name: &str| seen[number]["headers"][name].as_str();
    assert_eq!(header(0, "x-total-count"), Some("2"));
    let next = "</api/users?limit=1&after=3>; rel=\"next\"";
    assert_eq!(header(0, "link"), Some(next));
    assert_eq!(header(1, "etag"), Some(&*etag));
    assert_eq!(header(2, "etag"), Some(&*etag));
    assert_eq!(header(3, "location"), Some("/api/users/5"));
    assert_eq!(header(3, "x-request-id"), Some("of-the-page"));
    assert!(header(4, "etag").is_some_and(|new| new != etag));
    let challenge = "Bearer realm=\"forum\"";
    assert_eq!(header(8, "www-authenticate"), Some(challenge));
    for (number, problem) in [
        (5, "precondition-failed"),
        (6, "not-found"),
        (7, "not-found"),
    ]
    .into_iter()
    .chain([(8, "unauthorized"), (9, "invalid-record")])
    {
        assert!(header(number, "x-request-id").is_some());
        let body: Value = serde_json::from_str(seen[number]["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["type"], format!("urn:forum:problem:{problem}"));
    }
    let log = task.stop().log();
    let statuses = |method: &str, path: &str| -> Vec<Value> {
        let of = |line: &&Value| line["method"] == method && line["path"] == path;
        let lines = log.iter().filter(of);
        lines.map(|line| line["status"].clone()).collect()
    };
    // The browser remembers what it may send to a path, but not for a page's own conditions.
    assert_eq!(statuses("OPTIONS", "/api/users"), [204]);
    assert_eq!(statuses("OPTIONS", "/api/users/3"), [204; 3]);
    // The page got the last one with 200: the browser had asked whether its copy holds.
    assert_eq!(statuses("GET", "/api/users/4"), [200, 304]);
}

#[test]
#[ignore = "needs Chromium"]
fn a_page_of_another_origin_sees_nothing_and_changes_nothing() {
    let set = |pages: &Pages| service().env("CORS_ORIGINS", pages.origin("127.0.0.1"));
    for service in [set, |_: &Pages| service()] {
        let pages = Pages::new();
        let task = service(&pages).start();
        let etag = task.get("/api/users/3").header("etag").to_owned();
        let seen = pages.see("localhost", task.addr(), &requests(&etag));
        assert_eq!(seen.len(), requests(&etag).as_array().unwrap().len());
        for answer in seen {
            assert_eq!(answer, json!({"error": "TypeError"}));
        }
        assert_eq!(task.get("/api/users/3").header("etag"), etag);
        assert_eq!(task.get("/api/users").header("x-total-count"), "2");
    }
}

#[test]
#[ignore = "needs Chromium"]
fn a_page_reads_that_it_wrote_too_often() {
    let pages = Pages::new();
    let task = service().env("CORS_ORIGINS", "*").start();
    let token = crate::key().token(&testkit::issuer::claims(3));
    let headers =
        json!({"Authorization": format!("Bearer {token}"), "Content-Type": "application/json"});
    let edit = json!({"target": "/api/users/3", "method": "PATCH", "body": "{\"bio\":\"b\"}", "headers": headers});
    let seen = pages.see("127.0.0.1", task.addr(), &json!([edit, edit]));
    assert_eq!(seen[0]["status"], 200, "{seen:#?}");
    assert_eq!(seen[1]["status"], 429, "{seen:#?}");
    assert!(seen[1]["headers"]["retry-after"].is_string(), "{seen:#?}");
}
