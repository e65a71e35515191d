//! HTTP/2 and TLS.

use crate::server::{Server, start, start_with};
use basalt_listener::{Limits, TlsFiles};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

async fn http2_get<S>(stream: S, path: &str) -> (http::StatusCode, http::HeaderMap, String)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("http://localhost{path}"))
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status,
        head.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn speaks_http2_without_tls() {
    let server = start();
    let (status, headers, body) = http2_get(server.connect().await, "/two?x=%2F").await;
    assert_eq!(status, 200);
    assert!(headers.contains_key("x-request-id"));
    assert!(body.contains("/two?x=%2F"), "{body}");
    let (status, _, _) = http2_get(server.connect().await, "/panic").await;
    assert_eq!(status, 500);
}

struct Secure {
    server: Server,
    config: ClientConfig,
    _folder: tempfile::TempDir,
}

fn start_secure() -> Secure {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.certificate, pair.cert.pem()).unwrap();
    std::fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Secure {
        server: start_with(Limits::default(), Some(files)),
        config,
        _folder: folder,
    }
}

impl Secure {
    async fn connect(
        &self,
        protocol: &str,
    ) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector
            .connect(name, self.server.connect().await)
            .await
            .unwrap();
        assert_eq!(
            stream.get_ref().1.alpn_protocol(),
            Some(protocol.as_bytes())
        );
        stream
    }
}

#[tokio::test]
async fn speaks_both_protocols_over_tls() {
    let secure = start_secure();
    let (status, _, body) = http2_get(secure.connect("h2").await, "/two").await;
    assert_eq!(status, 200);
    assert!(body.contains("/two"), "{body}");

    let mut stream = secure.connect("http/1.1").await;
    stream.write_all(&crate::server::get("/one")).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn plain_text_on_a_tls_port_gets_nothing() {
    let secure = start_secure();
    let answer = secure
        .server
        .exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    assert!(!answer.contains("HTTP/1.1"), "{answer:?}");
    assert_eq!(secure.server.stats.view().handshake_failures_total, 1);
}
