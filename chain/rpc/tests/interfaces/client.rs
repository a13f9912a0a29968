//! The least HTTP and WebSocket clients that do.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

/// An HTTP response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// Sends a request as written and reads the response to its end.
pub async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &[u8]) -> Response {
    // A server may refuse a body before it has read all of it.
    let _ = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a response has a head");
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    let status = head[9..12].parse().unwrap();
    Response { status, head, body: bytes[split + 4..].to_vec() }
}

/// A POST with these headers instead of the usual ones.
pub fn post_request(host: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

pub const JSON: &str = "content-type: application/json\r\n";

pub async fn post(address: SocketAddr, body: &[u8]) -> Response {
    let mut stream = TcpStream::connect(address).await.unwrap();
    exchange(&mut stream, &post_request(&address.to_string(), JSON, body)).await
}

pub async fn get(address: SocketAddr, path: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    exchange(&mut TcpStream::connect(address).await.unwrap(), request.as_bytes()).await
}

/// One call; the whole answer.
pub async fn call(address: SocketAddr, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    post(address, body.to_string().as_bytes()).await.json()
}

/// One call that must succeed.
pub async fn result(address: SocketAddr, method: &str, params: Value) -> Value {
    let answer = call(address, method, params.clone()).await;
    assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
    answer["result"].clone()
}

/// One call that must fail: its code and message.
pub async fn error(address: SocketAddr, method: &str, params: Value) -> (i64, String) {
    let answer = call(address, method, params.clone()).await;
    let error = answer.get("error").unwrap_or_else(|| panic!("{method} {params} succeeded: {answer}"));
    (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
}

/// Waits for something that will come.
pub async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    for _ in 0..3_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for: {what}");
}

/// Waits until the metrics have this line.
pub async fn counts(registry: &prometheus::Registry, line: &str) {
    let has = || {
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        text.lines().any(|have| have == line)
    };
    until(line, || async { has() }).await;
}

/// A WebSocket connection (RFC 6455), text frames only.
pub struct Socket<S = TcpStream>(S);

impl Socket {
    pub async fn open(address: SocketAddr, path: &str) -> Self {
        let (stream, status) = Self::upgrade(address, path, "").await;
        assert_eq!(status, 101);
        Self(stream)
    }

    /// Asks for an upgrade with further headers; the status.
    pub async fn upgrade(address: SocketAddr, path: &str, headers: &str) -> (TcpStream, u16) {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::upgrade_on(stream, address, path, headers).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Opens one on a connection, over TLS for example.
    pub async fn open_on(stream: S, address: SocketAddr) -> Self {
        let (stream, status) = Self::upgrade_on(stream, address, "/", "").await;
        assert_eq!(status, 101);
        Self(stream)
    }

    async fn upgrade_on(mut stream: S, address: SocketAddr, path: &str, headers: &str) -> (S, u16) {
        let key = STANDARD.encode([7u8; 16]);
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let status = String::from_utf8(head[9..12].to_vec()).unwrap().parse().unwrap();
        (stream, status)
    }

    pub async fn send(&mut self, text: &str) {
        let length = text.len();
        let mut frame = vec![0x81];
        match length {
            0..126 => frame.push(0x80 | length as u8),
            126..65536 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        // The server may have closed already.
        let _ = self.0.write_all(&frame).await;
    }

    /// The next text, or the code of the closing frame.
    pub async fn receive(&mut self) -> Result<Value, u16> {
        loop {
            let opcode = self.0.read_u8().await.map_err(|_| 1006u16)? & 0x0f;
            let length = match self.0.read_u8().await.unwrap() & 0x7f {
                126 => usize::from(self.0.read_u16().await.unwrap()),
                127 => self.0.read_u64().await.unwrap() as usize,
                short => usize::from(short),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.unwrap();
            match opcode {
                1 => return Ok(serde_json::from_slice(&payload).unwrap()),
                8 => return Err(payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))),
                _ => {}
            }
        }
    }

    pub async fn call(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string())
            .await;
        let answer = self.receive().await.unwrap();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }
}
