//! TLS: who is trusted, and what is spoken inside.
//!
//! The certificates in `tls/` are for these tests only: a root nobody trusts, and `tls.example` and 127.0.0.1 signed
//! by it, valid until 2126.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;

const ROOT: &[u8] = include_bytes!("tls/root.pem");
const LEAF: &[u8] = include_bytes!("tls/leaf.pem");
const LEAF_KEY: &[u8] = include_bytes!("tls/leaf.key");

/// Answers with the protocol that was agreed on, on as many connections as come, one after another.
fn tls_server(supervisor: &Supervisor) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(LEAF).unwrap();
    let key = PrivateKeyDer::from_pem_slice(LEAF_KEY).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move |_| {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream =
                StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream.unwrap());
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).is_ok_and(|length| length > 0) {
                let agreed =
                    String::from_utf8_lossy(stream.conn.alpn_protocol().unwrap_or(b"none")).into_owned();
                let body = format!("{agreed} on {number}");
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).unwrap();
            }
        }
    };
    supervisor.thread("tls server", serve).unwrap();
    address
}

fn trusting(root: &[u8], script: Script) -> Egress {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols.clone_from(&connect::tls_config().unwrap().alpn_protocols);
    let mut egress = client(&config::Egress::default(), script);
    egress.connector.tls = Arc::new(config);
    egress
}

#[tokio::test]
async fn a_certificate_counts_for_the_name_that_was_asked_for() {
    let supervisor = Supervisor::new(Clock::system());
    let port = tls_server(&supervisor).port();
    let script =
        || Script::default().with("tls.example", &[&["127.0.0.1"]]).with("other.example", &[&["127.0.0.1"]]);
    let url = |host: &str| format!("https://{host}:{port}/");
    let policy = loopback();

    let egress = trusting(ROOT, script());
    for _ in 0..2 {
        let answer = egress.send(&policy, get(url("tls.example"))).await.unwrap();
        assert_eq!(answer.body, "http/1.1 on 0", "never h2, and one connection for both");
    }
    drop(egress);

    let answer = trusting(ROOT, script()).send(&policy, get(url("127.0.0.1"))).await.unwrap();
    assert_eq!(answer.body, "http/1.1 on 1");
    let error = trusting(ROOT, script()).send(&policy, get(url("other.example"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error}");
    let stranger = client(&config::Egress::default(), script());
    let error = stranger.send(&policy, get(url("tls.example"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "Mozilla does not know this root: {error}");
}
