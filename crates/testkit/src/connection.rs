//! A connection to a server.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    DEADLINE,
    message::{Request, Response},
};

/// The most headers that a response may have.
const HEADERS_MAX: usize = 64;

/// A connection to a server, kept alive from one request to the next.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Bytes that were read and belong to no response yet.
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `addr`.
    ///
    /// # Errors
    /// When the server does not accept the connection.
    pub fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, DEADLINE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// The socket, for tests that need more than this type does.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends any bytes: half a request, or many requests.
    ///
    /// # Panics
    /// When the server does not take them.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .expect("the server takes what is sent");
    }

    /// Sends a request and reads its response.
    ///
    /// # Panics
    /// When the connection ends before the response does.
    pub fn ask(&mut self, request: &Request) -> Response {
        self.send(&request.to_bytes());
        self.response(&request.method)
    }

    /// Sends a GET and reads its response.
    ///
    /// # Panics
    /// When the connection ends before the response does.
    pub fn get(&mut self, target: &str) -> Response {
        self.ask(&Request::get(target))
    }

    /// Reads the next response, which may be an interim one (1xx). `method` is that of the
    /// request: a response to HEAD has no body, whatever its headers say.
    ///
    /// # Panics
    /// When the connection ends before the response does.
    pub fn response(&mut self, method: &str) -> Response {
        self.try_response(method).expect("a whole response")
    }

    /// Reads the next response.
    ///
    /// # Errors
    /// `UnexpectedEof` when the server closes the connection before the
    /// response is whole, else what the system says.
    ///
    /// # Panics
    /// When the response is not HTTP, or is chunked: no server here sends that.
    pub fn try_response(&mut self, method: &str) -> io::Result<Response> {
        let mut response = self.head()?;
        let bodiless = method == "HEAD" || matches!(response.status, 100..200 | 204 | 304);
        assert!(
            !response.headers.contains_key("transfer-encoding"),
            "chunked bodies are not read here"
        );
        if bodiless {
            return Ok(response);
        }
        if response.headers.contains_key("content-length") {
            let length = response.header("content-length").parse();
            let length: usize = length.expect("Content-Length is a number");
            while self.buffer.len() < length {
                self.more()?;
            }
            response.body = self.buffer.drain(..length).collect();
        } else {
            while self.read()? > 0 {}
            response.body = std::mem::take(&mut self.buffer);
        }
        Ok(response)
    }

    fn head(&mut self) -> io::Result<Response> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut head = httparse::Response::new(&mut headers);
            let parsed = head.parse(&self.buffer).expect("a response is HTTP");
            if let httparse::Status::Complete(length) = parsed {
                let pair = |header: &httparse::Header<'_>| {
                    let name = HeaderName::try_from(header.name).expect("a header's name");
                    (
                        name,
                        HeaderValue::try_from(header.value).expect("a header's value"),
                    )
                };
                let response = Response {
                    status: head.code.expect("a parsed head has a status"),
                    headers: head.headers.iter().map(pair).collect::<HeaderMap>(),
                    body: Vec::new(),
                };
                self.buffer.drain(..length);
                return Ok(response);
            }
            self.more()?;
        }
    }

    /// Waits until the server closes the connection.
    ///
    /// # Panics
    /// When it does not, or sends something first.
    pub fn wait_closed(&mut self) {
        match self.read() {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Ok(_) => panic!(
                "expected the end, got {:?}",
                String::from_utf8_lossy(&self.buffer)
            ),
            Err(error) => panic!("the server did not close the connection: {error}"),
        }
    }

    fn more(&mut self) -> io::Result<()> {
        match self.read()? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let read = self.stream.read(&mut bytes)?;
        self.buffer.extend_from_slice(&bytes[..read]);
        Ok(read)
    }
}
