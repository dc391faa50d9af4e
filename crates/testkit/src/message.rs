//! Requests and responses.

use http::HeaderMap;
use serde_json::Value;

/// A request. It is sent as it is written, even if it is malformed.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) method: String,
    target: String,
    headers: String,
    body: Vec<u8>,
}

impl Request {
    /// A request without a body. `target` is the path with its query.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: String::new(),
            body: Vec::new(),
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        let Self { headers, .. } = self;
        self.headers = format!("{headers}{name}: {value}\r\n");
        self
    }

    /// Adds a body, with its media type and length in headers.
    #[must_use]
    pub fn body(self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let request = self
            .header("Content-Type", media_type)
            .header("Content-Length", body.len());
        Self { body, ..request }
    }

    /// The bytes that are sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self {
            method,
            target,
            headers,
            body,
        } = self;
        let mut bytes =
            format!("{method} {target} HTTP/1.1\r\nHost: test\r\n{headers}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }
}

/// A response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header that must be there.
    ///
    /// # Panics
    /// When the header is absent, or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_else(|| panic!("no {name} in {:#?}", self.headers))
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The kind of the problem, and the pointers of its errors.
    ///
    /// # Panics
    /// When it is no problem, or the problem is not that of this response.
    #[must_use]
    pub fn problem(&self) -> (String, Vec<String>) {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["requestId"], self.header("x-request-id"));
        let kind = problem["type"].as_str().unwrap_or_default();
        let kind = kind.strip_prefix("urn:forum:problem:");
        let kind = kind.unwrap_or_else(|| panic!("no kind in {problem}"));
        let errors = problem["errors"].as_array().into_iter().flatten();
        let pointers = errors.map(|error| error["pointer"].as_str().unwrap_or_default().to_owned());
        (kind.to_owned(), pointers.collect())
    }
}
