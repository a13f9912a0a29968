//! Whom a regulator blacklists by an order loses its connections with the block of the order: open ones, under any
//! certificate of the same person, and new ones. Others of the same bank go on. A real network over TLS.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use concordat_tests::{
    Network, committee,
    supervision::{Door, Holder, Pki, Regulator},
};
use openssl::ssl::SslStream;

/// The node that serves over TLS; the committee and the regulator ask another one.
const NODE: usize = 1;

#[test]
fn who_is_blacklisted_by_an_order_is_refused_on_open_connections_whatever_certificate_it_shows() {
    let mut network = Network::init(4, &["--empty-block-interval-ms", "100"]);
    let door = serve_over_tls(&network);
    (0..4).for_each(|node| network.start_node(node));
    network.wait_for_height(0, 2);
    committee::enrol(&network);
    let pki = Pki::new();
    let regulator = Regulator::enrol(&network, &pki);
    regulator.is_admitted_to("freeze-accounts");

    // The same person with two keys, of which one has an account, and somebody else of the same bank.
    let [till, spare, kiosk] = [("till", "till"), ("spare", "till"), ("kiosk", "kiosk")]
        .map(|(file, name)| give(&network, "bank-c", file, &["--role", "operator", "--name", name]));
    enrol(&network, &till);
    let mut open = [&till, &spare, &kiosk].map(|holder| Open::connect(&door, holder));
    assert_eq!(open.each_mut().map(Open::ask), [Some(200); 3], "all are served");

    let account = till.account.to_string();
    regulator.orders(&["blacklist", &account]);
    let [till_open, spare_open, kiosk_open] = &mut open;
    for (name, open) in [("the account", till_open), ("the same person", spare_open)] {
        network.wait(&format!("the order to bind {name}"), || open.ask() != Some(200));
        assert_ne!(open.ask(), Some(200), "{name}: once refused, for good");
    }
    assert_eq!(kiosk_open.ask(), Some(200), "others of the bank go on");
    for holder in [&till, &spare] {
        assert!(is_shut_out(&door, holder), "{}: no new connection", holder.certificate);
    }
    assert!(!is_shut_out(&door, &kiosk));

    regulator.orders(&["release", "1"]);
    network.wait("the order's end to bind", || !is_shut_out(&door, &till) && !is_shut_out(&door, &spare));
}

fn passphrase(network: &Network) -> &str {
    network.info["passphrase_file"].as_str().unwrap()
}

/// A certificate of a bank's authority, in files of this name.
fn give(network: &Network, bank: &str, file: &str, more: &[&str]) -> Holder {
    let path = |name: &str| network.home().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path(&format!("{file}.crt")), path(&format!("{file}.key")));
    let ca = path(&format!("organisations/{bank}/ca"));
    let issue = ["pki", "issue", "--ca", &ca, "--type", "p256", "--out", &certificate, "--key-out", &key];
    let secret = ["--key-passphrase-file", passphrase(network)];
    network.with_passphrase(&[&issue[..], &secret, more].concat());
    Holder::read(&certificate, &key, passphrase(network))
}

fn serve_over_tls(network: &Network) -> Door {
    let server =
        give(network, "bank-b", "server", &["--role", "server", "--name", "server", "--san", "ip:127.0.0.1"]);
    network.configure(NODE, |config| {
        let identity = config["identity"].as_table_mut().unwrap();
        identity.insert("server_certificate".into(), server.certificate.into());
        identity.insert("server_key".into(), server.key.into());
        config["rpc"]["ethereum"]["plaintext"] = false.into();
    });
    let port = network.url(NODE, "ethereum").rsplit(':').next().unwrap().parse().unwrap();
    let root = network.home().join("organisations/bank-b/ca/root/ca.crt");
    Door::at(port, root.to_str().unwrap())
}

fn enrol(network: &Network, holder: &Holder) {
    let url = network.url(0, "ethereum");
    let enrol = ["account", "enrol", "--key", &holder.key, "--certificate", &holder.certificate];
    network.with_passphrase(&[&enrol[..], &["--rpc", &url]].concat());
}

/// A connection that stays open from one question to the next.
struct Open(BufReader<SslStream<TcpStream>>);

impl Open {
    fn connect(door: &Door, holder: &Holder) -> Self {
        Self(BufReader::new(door.connect(Some(holder)).unwrap()))
    }

    /// Asks for the newest height: the status of the answer, or none where the connection has ended.
    fn ask(&mut self) -> Option<u16> {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
        let request = format!(
            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let status = self.line()?.split(' ').nth(1)?.parse().ok()?;
        let mut length = 0;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(told) = line.strip_prefix("content-length:") {
                length = told.trim().parse().ok()?;
            }
        }
        self.0.read_exact(&mut vec![0; length]).ok()?;
        Some(status)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        (self.0.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
    }
}

/// Whether a new connection is ended, or answers nothing but refusals.
fn is_shut_out(door: &Door, holder: &Holder) -> bool {
    door.connect(Some(holder)).map_or(true, |stream| Open(BufReader::new(stream)).ask() != Some(200))
}
