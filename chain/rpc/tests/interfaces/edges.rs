//! What the edges refuse.

use serde_json::json;
use tokio::net::TcpStream;

use crate::{
    client::{JSON, Response, exchange, get, post, post_request, result},
    fixture::Fixture,
};

const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#;

async fn send(fixture: &Fixture, host: &str, headers: &str, body: &[u8]) -> Response {
    let mut stream = TcpStream::connect(fixture.eth).await.unwrap();
    exchange(&mut stream, &post_request(host, headers, body)).await
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let fixture = Fixture::start_with(|config| config.limits.body_bytes = 1000).await;
    let refused = post(fixture.eth, &vec![b' '; 1001]).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (413, &json!(-32600)));
    fixture.refused("too_large", 1).await;
    assert_eq!(post(fixture.eth, CALL).await.status, 200);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let fixture = Fixture::start().await;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\n{JSON}connection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
    );
    let mut stream = TcpStream::connect(fixture.eth).await.unwrap();
    assert_eq!(exchange(&mut stream, request.as_bytes()).await.status, 400);
    fixture.refused("body", 1).await;
}

#[tokio::test]
async fn malformed_deep_and_overlong_bodies_get_json_rpc_errors() {
    let fixture = Fixture::start_with(|config| config.limits.batch_calls = 2).await;
    for (body, code) in [
        ("".to_owned(), -32700),
        ("{".to_owned(), -32700),
        ("[".repeat(33), -32700),
        ("[]".to_owned(), -32600),
        ("[1,2,3]".to_owned(), -32600),
        ("null".to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}"#.to_owned(), -32602),
    ] {
        for address in [fixture.eth, fixture.comet] {
            if address == fixture.comet && code == -32602 {
                continue;
            }
            let answer = post(address, body.as_bytes()).await;
            assert_eq!((answer.status, &answer.json()["error"]["code"]), (200, &json!(code)), "{body}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_nested_too_deep_is_refused_and_counted_by_both_interfaces() {
    let fixture = Fixture::start_with(|config| config.limits.json_depth = 4).await;
    let nested = |depth: usize| {
        let (open, shut) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"made_up","params":{open}{shut}}}"#)
    };
    for (interface, address) in [("ethereum", fixture.eth), ("cometbft", fixture.comet)] {
        let fits = post(address, nested(3).as_bytes()).await.json();
        assert_eq!(fits["error"]["code"], -32601, "it is looked at: {fits}");
        let refused = post(address, nested(4).as_bytes()).await.json();
        assert_eq!(refused["error"]["code"], -32700);
        assert!(refused["error"].to_string().contains("nested deeper than 4"), "{refused}");
        fixture.refused_by(interface, "malformed", 1).await;
    }
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_replaced_by_an_error() {
    let fixture = Fixture::start_with(|config| config.limits.response_bytes = 600).await;
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x1",true]}"#;
    assert_eq!(post(fixture.eth, body).await.json()["error"]["code"], -32003);
}

#[tokio::test]
async fn strange_hosts_origins_and_content_types_are_refused() {
    let fixture = Fixture::start_with(|config| {
        if let Some(listener) = &mut config.ethereum {
            listener.allowed_origins = vec!["https://console.example".into()];
        }
    })
    .await;
    let host = fixture.eth.to_string();
    for (host, headers, status) in [
        ("evil.example", JSON.to_owned(), 403),
        (&host, format!("{JSON}origin: https://evil.example\r\n"), 403),
        (&host, "content-type: text/plain\r\n".to_owned(), 415),
        (&host, String::new(), 415),
        ("localhost", JSON.to_owned(), 200),
    ] {
        let answer = send(&fixture, host, &headers, CALL).await;
        assert_eq!(answer.status, status, "{host} {headers}");
        assert_eq!(answer.json().get("error").is_some(), status != 200);
    }
    for (reason, times) in [("host", 1), ("origin", 1), ("content_type", 2)] {
        fixture.refused(reason, times).await;
    }
    let allowed = send(&fixture, &host, &format!("{JSON}origin: https://console.example\r\n"), CALL).await;
    assert_eq!(allowed.status, 200);
    assert!(
        allowed.head.contains("access-control-allow-origin: https://console.example"),
        "{}",
        allowed.head
    );
}

#[tokio::test]
async fn a_browser_learns_beforehand_whether_its_page_may_call() {
    let fixture = Fixture::start_with(|config| {
        if let Some(listener) = &mut config.ethereum {
            listener.allowed_origins = vec!["https://console.example".into()];
        }
    })
    .await;
    for (origin, status) in [("https://console.example", 204), ("https://evil.example", 403)] {
        let request =
            format!("OPTIONS / HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\nconnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(fixture.eth).await.unwrap();
        assert_eq!(exchange(&mut stream, request.as_bytes()).await.status, status);
    }
}

#[tokio::test]
async fn clients_that_ask_too_often_are_told() {
    let fixture = Fixture::start_with(|config| {
        config.limits.requests_per_second = 1;
        config.limits.request_burst = 3;
    })
    .await;
    let batch = format!("[{0},{0},{0}]", std::str::from_utf8(CALL).unwrap());
    assert_eq!(post(fixture.eth, batch.as_bytes()).await.status, 200);
    let refused = post(fixture.eth, batch.as_bytes()).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &json!(-32005)));
    fixture.refused("rate", 1).await;
    assert_eq!(get(fixture.comet, "/health").await.status, 200, "each interface counts for itself");
}

#[tokio::test]
async fn everything_is_counted_under_a_bounded_set_of_labels() {
    let fixture = Fixture::start().await;
    result(fixture.eth, "eth_chainId", json!([])).await;
    for method in ["made_up_1", "made_up_2"] {
        crate::client::error(fixture.eth, method, json!([])).await;
    }
    post(fixture.eth, b"{").await;
    get(fixture.comet, "/health").await;
    let text = prometheus::TextEncoder::new().encode_to_string(&fixture.registry.gather()).unwrap();
    for line in [
        r#"rpc_requests_total{interface="ethereum",method="eth_chainId",result="ok"} 1"#,
        r#"rpc_requests_total{interface="ethereum",method="unknown",result="error"} 2"#,
        r#"rpc_requests_total{interface="cometbft",method="health",result="ok"} 1"#,
        r#"rpc_refused_total{interface="ethereum",reason="malformed"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("made_up"));
}

#[tokio::test]
async fn the_servers_stop_and_give_their_ports_back() {
    let fixture = Fixture::start().await;
    let address = fixture.eth;
    fixture.servers.stop().await;
    assert!(std::net::TcpListener::bind(address).is_ok());
}
