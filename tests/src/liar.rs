//! A node that lies: passes questions on to an honest one and changes the answers.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use serde_json::{Value, json};

use crate::call;

/// Changes the answer to a method called with some parameters. Where the honest node answers with an error, the
/// answer is null; a lie that leaves it so passes the error on.
pub type Lie = dyn Fn(&str, &Value, &mut Value) + Send + Sync;

/// The lying node. Dropping it ends it.
pub struct Liar {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Liar {
    /// Lies about what the honest node at `url` answers.
    pub fn about(url: &str, lie: impl Fn(&str, &Value, &mut Value) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let (url, end) = (url.to_owned(), ended.clone());
        let server = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                // A client that went away is no concern of ours.
                let _ = answer(stream, &url, &lie);
            }
        });
        Self { address, ended, server: Some(server) }
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

/// Answers one HTTP request and closes.
fn answer(mut stream: TcpStream, url: &str, lie: &Lie) -> std::io::Result<()> {
    let request: Value = serde_json::from_slice(&body(&stream)?)?;
    let method = request["method"].as_str().unwrap_or_default();
    let params = &request["params"];
    let mut answer = json!({ "jsonrpc": "2.0", "id": request["id"] });
    let honest = call(url, method, params.clone());
    let mut result = honest.clone().unwrap_or_default();
    lie(method, params, &mut result);
    match honest {
        Err(error) if result.is_null() => answer["error"] = error,
        _ => answer["result"] = result,
    }
    let text = answer.to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}

/// The body of a request whose head says how long it is.
fn body(stream: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}
