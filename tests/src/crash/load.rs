//! Senders that number their webhooks and repeat each until it is acknowledged.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::tenant::signed_hook;

/// Senders of one tenant, so that several of its webhooks are under way when the daemon dies.
const LANES: u64 = 3;
/// How long one number may be repeated before the harness gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where the listener is at present; it moves when the daemon is started again.
#[derive(Clone)]
pub struct Target(Arc<Mutex<SocketAddr>>);

impl Target {
    /// A target at an address.
    pub fn new(address: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new(address)))
    }

    /// The listener is now there.
    pub fn moved(&self, address: SocketAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    fn address(&self) -> SocketAddr {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one tenant was sent.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Number → the event's id in the acknowledgement.
    pub events: BTreeMap<u64, String>,
    /// Numbers that were acknowledged only after a first try had failed without an answer.
    pub repeated: u64,
}

/// Running senders.
pub struct Load {
    stop: Arc<AtomicBool>,
    lanes: Vec<(String, JoinHandle<io::Result<Sent>>)>,
}

impl Load {
    /// Starts senders for each tenant, `rate` webhooks a second and tenant.
    pub fn start(target: &Target, tenants: impl Iterator<Item = String>, rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut lanes = Vec::new();
        for tenant in tenants {
            let next = Arc::new(AtomicU64::new(1));
            for _ in 0..LANES {
                let lane = Lane {
                    target: target.clone(),
                    tenant: tenant.clone(),
                    next: Arc::clone(&next),
                    stop: Arc::clone(&stop),
                    pause: Duration::from_secs(1) * LANES as u32 / rate.max(1),
                };
                lanes.push((tenant.clone(), tokio::spawn(lane.send())));
            }
        }
        Self { stop, lanes }
    }

    /// Lets every sender finish its number and returns what each tenant was sent.
    pub async fn finish(self) -> io::Result<HashMap<String, Sent>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all: HashMap<String, Sent> = HashMap::new();
        for (tenant, lane) in self.lanes {
            let sent = lane.await.map_err(io::Error::other)??;
            let total = all.entry(tenant).or_default();
            total.events.extend(sent.events);
            total.repeated += sent.repeated;
        }
        Ok(all)
    }
}

struct Lane {
    target: Target,
    tenant: String,
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    pause: Duration,
}

impl Lane {
    async fn send(self) -> io::Result<Sent> {
        let mut sent = Sent::default();
        let mut beat = tokio::time::interval(self.pause);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.stop.load(Ordering::Relaxed) {
            beat.tick().await;
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let (event, tries) = self.until_acknowledged(number).await?;
            sent.repeated += u64::from(tries > 1);
            sent.events.insert(number, event);
        }
        Ok(sent)
    }

    async fn until_acknowledged(&self, number: u64) -> io::Result<(String, u32)> {
        let body = format!("{{\"number\": {number}, \"filler\": \"{}\"}}", "x".repeat(400));
        let delivery = format!("{}-{number}", self.tenant);
        let call = signed_hook(&self.tenant, "numbered", &delivery, body.as_bytes());
        let begun = Instant::now();
        let mut told = String::from("never answered");
        for tries in 1.. {
            match call.tcp(self.target.address()).await {
                Ok(answer) if answer.status == 202 || answer.status == 200 => {
                    let event = answer.json()["event"].as_str().unwrap_or_default().to_owned();
                    if event.is_empty() {
                        let what = format!("an acknowledgement names no event: {:?}", answer.body);
                        return Err(io::Error::other(what));
                    }
                    return Ok((event, tries));
                }
                // Busy or stopping: the answer of a daemon that did not accept.
                Ok(answer) if answer.status == 429 || answer.status == 503 => {
                    told = format!("{} {}", answer.status, answer.code());
                }
                Ok(answer) => {
                    let text = String::from_utf8_lossy(&answer.body).into_owned();
                    return Err(io::Error::other(format!("a good webhook got {}: {text}", answer.status)));
                }
                Err(error) => told = error.to_string(),
            }
            if begun.elapsed() > PATIENCE {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("number {number} was not acknowledged: {told}")))
    }
}
