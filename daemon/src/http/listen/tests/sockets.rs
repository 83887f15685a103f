//! Socket files, peers on them, and sockets that were opened by somebody else.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use tenantry_protocol::error::ErrorCode;
use tokio::net::UnixStream;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn a_socket_file_has_its_modes_and_knows_its_peers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runtime/api.sock");
    // As in the daemon, where the store has set it before any socket is bound.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let (listener, file) = bind_unix(&path, 0o660, 0o750).unwrap();
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o660, 0o750));
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    let served = Served::start_on(listener, anywhere(), limits(), |_, peer: Arc<PeerInfo>| async move {
        text(&format!("{peer:?}"))
    });
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let told = answer(&mut stream).await;
    let uid = rustix::process::getuid().as_raw();
    let expected = PeerInfo { ip: None, uid: Some(uid), pid: Some(std::process::id().cast_signed()) };
    assert!(told.ends_with(&format!("{expected:?}")), "{told}");
    drop(stream);
    served.drained().await;
    drop(file);
    assert!(!path.exists(), "the file goes with its owner");
}

#[tokio::test]
async fn a_socket_that_somebody_answers_on_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let first = bind_unix(&path, 0o600, 0o700).unwrap();
    let error = bind_unix(&path, 0o600, 0o700).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    assert!(UnixStream::connect(&path).await.is_ok(), "the first one still listens");
    drop(first);
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_anything_else_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a dead process leaves its file behind");
    let (_listener, file) = bind_unix(&path, 0o600, 0o700).unwrap();
    assert!(UnixStream::connect(&path).await.is_ok());

    // Somebody else's file at the same place is not removed with ours.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    let error = bind_unix(&path, 0o600, 0o700).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
    drop(file);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    let target = folder.path().join("target");
    fs::write(&target, "precious").unwrap();
    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert_eq!(bind_unix(&link, 0o600, 0o700).unwrap_err().code(), ErrorCode::Conflict);
    assert!(target.exists() && link.exists());
}

#[tokio::test]
async fn a_path_that_cannot_be_a_socket_is_told_early() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("x".repeat(120));
    let error = bind_unix(&long, 0o600, 0o700).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConfigInvalid);
    assert!(error.hint().is_some_and(|hint| hint.contains("paths.socket")));
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_as_such() {
    let first = bind_tcp(anywhere()).await.unwrap();
    let error = bind_tcp(first.local_addr().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Conflict);
}

#[tokio::test]
async fn a_passed_socket_is_taken_by_its_number() {
    let tcp = std::net::TcpListener::bind(anywhere()).unwrap();
    let address = tcp.local_addr().unwrap();
    let taken = socket::own(tcp.as_raw_fd()).and_then(socket::listener_of).unwrap();
    assert!(matches!(&taken, Listener::Tcp(own) if own.local_addr().unwrap() == address));
    // The number that was passed stays open beside ours, which is what happens at a real start.
    let served = Served::start_on(taken, address, limits(), hello);
    assert!(ask(&mut served.connect().await).await.ends_with("hello"));

    let folder = tempfile::tempdir().unwrap();
    let unix = std::os::unix::net::UnixListener::bind(folder.path().join("s")).unwrap();
    let taken = socket::own(unix.as_raw_fd()).and_then(socket::listener_of).unwrap();
    assert!(matches!(taken, Listener::Unix(_)));

    let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(socket::own(one.as_raw_fd()).and_then(socket::listener_of).is_err(), "it does not listen");
    let file = fs::File::open(folder.path()).unwrap();
    assert!(socket::own(file.as_raw_fd()).and_then(socket::listener_of).is_err(), "it is no socket");
    assert!(socket::own(1 << 20).is_err(), "there is no such descriptor");
}

#[tokio::test]
async fn without_systemd_nothing_is_inherited() {
    let inherited = inherited().unwrap();
    assert!(inherited.api.is_empty() && inherited.ingress.is_empty());
}
