//! The client against real sockets, and a server that answers as each test needs it.

mod corpus;
mod exchange;
mod measure;
mod policy;
mod tls;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use super::resolve::Lookup;
use super::*;

/// One request as it arrived.
#[derive(Clone, Debug)]
struct Seen {
    /// Counted over the connections of the server.
    connection: usize,
    head: String,
    body: Vec<u8>,
}

impl Seen {
    fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What the server does with a request.
enum Reply {
    Bytes(Vec<u8>),
    /// Answers and closes.
    Last(Vec<u8>),
    /// Closes without an answer.
    Hangup,
    /// Never answers.
    Silence,
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

fn ok(body: &str) -> Reply {
    Reply::Bytes(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

fn redirect(status: u16, location: &str) -> Reply {
    Reply::Bytes(
        format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes(),
    )
}

struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    supervisor: Supervisor,
}

impl Server {
    async fn start(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1:0", reply).await
    }

    async fn start_on(address: &str, reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let supervisor = Supervisor::new(Clock::system());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (own, log, reply) = (supervisor.clone(), Arc::clone(&seen), Arc::new(reply));
        drop(supervisor.spawn_once("test server", async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (log, reply) = (Arc::clone(&log), Arc::clone(&reply));
                drop(own.spawn_once("test connection", async move {
                    drop(converse(stream, connection, &log, &*reply).await);
                }));
            }
        }));
        Self { address, seen, supervisor }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        self.seen().iter().map(|seen| seen.connection + 1).max().unwrap_or(0)
    }
}

async fn converse(
    mut stream: TcpStream,
    connection: usize,
    log: &Mutex<Vec<Seen>>,
    reply: &(dyn Fn(&Seen) -> Reply + Send + Sync),
) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let mut seen = Seen { connection, head, body: Vec::new() };
        let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
        while buffer.len() < length {
            stream.read_buf(&mut buffer).await?;
        }
        seen.body = buffer.drain(..length).collect();
        log.lock().unwrap().push(seen.clone());
        match reply(&seen) {
            Reply::Bytes(bytes) => stream.write_all(&bytes).await?,
            Reply::Last(bytes) => return stream.write_all(&bytes).await,
            Reply::Hangup => return Ok(()),
            Reply::Silence => std::future::pending().await,
        }
    }
}

/// A resolver that answers from a script: every lookup of a name takes the next answer, the last one repeats.
#[derive(Default)]
struct Script {
    answers: HashMap<&'static str, Vec<Vec<IpAddr>>>,
    lookups: Mutex<HashMap<String, usize>>,
}

impl Script {
    fn with(mut self, name: &'static str, answers: &[&[&str]]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        self.answers.insert(name, answers.iter().map(parse).collect());
        self
    }
}

impl Resolve for Script {
    fn resolve<'a>(&'a self, name: &'a str, _: OwnedSemaphorePermit) -> Lookup<'a> {
        let mut lookups = self.lookups.lock().unwrap();
        let number = lookups.entry(name.to_owned()).or_default();
        let answer = self.answers.get(name).map(|answers| answers[(*number).min(answers.len() - 1)].clone());
        *number += 1;
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such name")) })
    }
}

fn client(config: &config::Egress, script: Script) -> Egress {
    Egress::with_resolver(config, Clock::system(), Box::new(script)).unwrap()
}

fn simple_client() -> Egress {
    client(&config::Egress::default(), Script::default())
}

/// Opens every port of the loopback network.
fn loopback() -> TenantEgress {
    TenantEgress::parse(["127.0.0.0/8"]).unwrap()
}

fn get(url: impl Into<String>) -> OutRequest {
    OutRequest::new(Method::GET, url)
}

fn following(url: impl Into<String>) -> OutRequest {
    OutRequest { follow_redirects: true, ..get(url) }
}
