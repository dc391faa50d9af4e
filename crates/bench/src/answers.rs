//! What our services answer, so that a bare server can answer the same bytes.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
};

use anyhow::Context;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use serde::{Deserialize, Serialize};

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub target: String,
    /// Whether it was asked for with `If-None-Match`.
    pub conditional: bool,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Asks a server for `target`. Each of the `headers` ends in CRLF.
    pub fn ask(addr: SocketAddr, target: &str, headers: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(addr)?;
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let status = line.split(' ').nth(1).context("no status line")?.parse()?;
        let mut headers = Vec::new();
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut body = String::new();
        reader.read_to_string(&mut body)?;
        Ok(Self {
            target: target.to_owned(),
            conditional: false,
            status,
            headers,
            body,
        })
    }
}

/// Answers by request.
#[derive(Debug, Default)]
pub struct Answers {
    plain: HashMap<String, Prepared>,
    conditional: HashMap<String, Prepared>,
}

#[derive(Debug)]
struct Prepared {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answers {
    /// Reads answers that were written as JSON.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let answers: Vec<Answer> = serde_json::from_slice(&fs::read(path)?)?;
        let mut all = Self::default();
        for answer in answers {
            let mut headers = HeaderMap::new();
            for (name, value) in &answer.headers {
                // hyper writes these three itself.
                if !matches!(&**name, "date" | "content-length" | "connection") {
                    headers.insert(HeaderName::try_from(name)?, HeaderValue::from_str(value)?);
                }
            }
            let prepared = Prepared {
                status: StatusCode::from_u16(answer.status)?,
                headers,
                body: Bytes::from(answer.body),
            };
            let answers = if answer.conditional {
                &mut all.conditional
            } else {
                &mut all.plain
            };
            answers.insert(answer.target, prepared);
        }
        Ok(all)
    }

    /// The answer to a request, or 404.
    pub fn to(&self, target: &str, conditional: bool) -> Response<Full<Bytes>> {
        let answers = if conditional {
            &self.conditional
        } else {
            &self.plain
        };
        let Some(prepared) = answers.get(target) else {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        let mut response = Response::new(Full::new(prepared.body.clone()));
        *response.status_mut() = prepared.status;
        *response.headers_mut() = prepared.headers.clone();
        response
    }
}
