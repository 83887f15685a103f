//! Start and stop of the whole house, in order. The only room that sees all others.
//!
//! Up: telemetry → store → keys → directory → egress and runner → stages → API → recovery → ingress → ready.
//! Down, in reverse: nothing new is accepted → doors → stages settle → what is left is given back → store.
//! **Invariant:** ready is said only when every tenant has been recovered and every listener is open.

mod alive;
mod drain;
mod ready;
mod recover;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::state::StageName;

use crate::auth::refusals::{KEY_LIMIT, Refusals};
use crate::clock::Clock;
use crate::config::{Config, Folders, Loaded};
use crate::egress::Egress;
use crate::error::{Error, Result};
use crate::http::listen::{self, ListenLimits, Listener, PeerInfo, RequestBody, SocketFile};
use crate::http::{Addresses, Api, router};
use crate::ingress::Ingress;
use crate::service::Service;
use crate::service::audit::Notary;
use crate::service::catalog::Catalog;
use crate::service::directory::Directory;
use crate::service::feed::Feed;
use crate::service::files::Files;
use crate::service::handover::Handover;
use crate::service::running::Running;
use crate::service::schedules::{self, Schedules};
use crate::service::secrets::Secrets;
use crate::service::sessions::Identity;
use crate::service::waiting::Waiting;
use crate::stage::action::runner_link::{RunnerLink, RunnerSettings};
use crate::stage::{action, driver, feeder, logging, notification, trigger};
use crate::store::Store;
use crate::supervise::Supervisor;
use crate::vault::{Absent, HostKey, forbid_dumps};
use crate::{telemetry, upkeep, watch};

/// The socket is for the daemon's user and its group.
const SOCKET_MODE: u32 = 0o660;
/// The folder of the socket.
const RUNTIME_MODE: u32 = 0o750;

/// The parts of the daemon that stop one after another.
struct Parts {
    doors: Supervisor,
    stages: Supervisor,
    upkeep: Supervisor,
    runner: Supervisor,
    store: Supervisor,
}

/// Runs the daemon until it is told to stop, and drains it.
pub fn run(loaded: Loaded) -> Result<()> {
    telemetry::init(&loaded.config.telemetry)?;
    forbid_dumps()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::internal("start the runtime").with_source(error))?;
    runtime.block_on(serve(loaded))
}

async fn serve(loaded: Loaded) -> Result<()> {
    let Loaded { config, folders } = loaded;
    let clock = Clock::system();
    let root = Supervisor::new(clock.clone());
    let parts = Parts {
        doors: root.group(),
        stages: root.group(),
        upkeep: root.group(),
        runner: root.group(),
        store: root.group(),
    };
    let mut signals = drain::Signals::listen()?;
    let started = start(config, &folders, &clock, &parts).await;
    let house = match started {
        Ok(house) => house,
        Err(error) => {
            // Files that were opened are closed properly even if the house never stood.
            parts.store.drain(drain::STORE_DEADLINE).await;
            return Err(error);
        }
    };
    signals.wait().await;
    drain::drain(house, parts).await
}

/// What stands when the daemon serves.
struct House {
    service: Arc<Service>,
    ready: ready::ReadyFile,
    /// Removed when dropped.
    _socket: Option<SocketFile>,
}

async fn start(config: Config, folders: &Folders, clock: &Clock, parts: &Parts) -> Result<House> {
    let service = open_service(config, folders, clock, parts).await?;
    let egress = Arc::new(Egress::new(&service.config.egress, clock.clone(), &parts.stages)?);
    let runner = start_runner(folders, clock, parts)?;
    start_stages(&service, &egress, &runner, &parts.stages);
    let doors = open_doors(&service, folders).await?;
    if let Some(address) = doors.ingress_address {
        egress.guard_listeners(vec![address]);
    }
    let addresses = Addresses {
        socket: folders.socket.display().to_string(),
        ingress: doors.ingress_address.map(|address| address.to_string()).unwrap_or_default(),
        public_url: public_url(&service.config, doors.ingress_address),
    };
    service.public_url.get_or_init(|| addresses.public_url.clone());
    let api = Arc::new(Api::new(Arc::clone(&service), runner, parts.doors.clone(), addresses.clone()));
    for listener in doors.api {
        serve_api(&api, listener, clock, &parts.doors);
    }
    let last_alive = alive::last(&service);
    let left = recover::all(&service).await;
    recover::keep_trying(&service, left, &parts.upkeep);
    upkeep::start(&service, &egress, &parts.upkeep);
    watch::start(&service, last_alive, &parts.doors);
    alive::keep(&service, &parts.upkeep);
    for listener in doors.ingress {
        serve_ingress(&service, listener, clock, &parts.doors);
    }
    service.serving.store(true, Ordering::Relaxed);
    let ready = ready::announce(&service, &addresses, &parts.upkeep)?;
    tracing::info!(socket = %addresses.socket, ingress = %addresses.ingress, "daemon serves");
    Ok(House { service, ready, _socket: doors.socket_file })
}

async fn open_service(
    config: Config,
    folders: &Folders,
    clock: &Clock,
    parts: &Parts,
) -> Result<Arc<Service>> {
    let config = Arc::new(config);
    let absent = if folders.data.join("control.db").exists() { Absent::Refuse } else { Absent::Create };
    let store = Store::open(&folders.data, &config.store, clock.clone(), &parts.store).await?;
    let host_key = Arc::new(HostKey::open(folders, absent)?);
    let identity = Identity::open(&store, &host_key, clock, &config.auth).await?;
    let notary = Notary::open(&store, &host_key, clock.now_ms()).await?;
    let service = Arc::new(Service {
        clock: clock.clone(),
        directory: Directory::default(),
        catalog: Catalog::new(store.clone()),
        secrets: Secrets::new(store.clone(), host_key),
        handover: Handover::new(&config.stages),
        feed: Feed::default(),
        public_url: OnceLock::new(),
        prompt: OnceLock::new(),
        running: Running::default(),
        waiting: Waiting::default(),
        schedules: Schedules::default(),
        downtime: schedules::downtime::Report::default(),
        files: Files::default(),
        identity,
        notary,
        refusals: Refusals::new(config.api.refusal_records, KEY_LIMIT),
        started_at: clock.now_ms(),
        serving: AtomicBool::new(false),
        draining: AtomicBool::new(false),
        applying: tokio::sync::Mutex::new(()),
        store,
        config,
    });
    service.load_directory().await?;
    Ok(service)
}

fn start_runner(folders: &Folders, clock: &Clock, parts: &Parts) -> Result<RunnerLink> {
    let program = std::env::current_exe();
    let program =
        program.map_err(|error| Error::internal("find the program of the runner").with_source(error))?;
    let settings = RunnerSettings {
        program,
        scratch_root: folders.data.join("scratch"),
        hide: vec![folders.data.clone(), folders.runtime.clone()],
        expose: Vec::new(),
    };
    Ok(RunnerLink::start(settings, &parts.runner, clock.clone()))
}

fn start_stages(service: &Arc<Service>, egress: &Arc<Egress>, runner: &RunnerLink, supervisor: &Supervisor) {
    let config = &service.config;
    let trigger = trigger::Trigger::new(service.catalog.clone());
    driver::start(trigger.clone(), service, supervisor);
    service.prompt.get_or_init(|| Arc::new(trigger));
    let action = action::Action {
        egress: Arc::clone(egress),
        runner: runner.clone(),
        catalog: service.catalog.clone(),
        secrets: service.secrets.clone(),
        limits: config.runner.clone(),
        run_timeout: config.tenant_defaults.run_timeout,
        crash_attempts: config.stages.action.attempts,
    };
    driver::start(action, service, supervisor);
    driver::start(logging::Logging::new(service.catalog.clone()), service, supervisor);
    let notification = notification::Notification {
        egress: Arc::clone(egress),
        secrets: service.secrets.clone(),
        retry: config.stages.notification.clone(),
    };
    driver::start(notification, service, supervisor);
    for stage in StageName::ALL {
        feeder::start(*stage, service, supervisor);
    }
}

/// The listeners, opened but not served yet.
struct Doors {
    api: Vec<Listener>,
    ingress: Vec<Listener>,
    ingress_address: Option<std::net::SocketAddr>,
    socket_file: Option<SocketFile>,
}

async fn open_doors(service: &Service, folders: &Folders) -> Result<Doors> {
    let inherited = listen::inherited()?;
    let mut doors =
        Doors { api: inherited.api, ingress: inherited.ingress, ingress_address: None, socket_file: None };
    if doors.api.is_empty() {
        let (listener, file) = listen::bind_unix(&folders.socket, SOCKET_MODE, RUNTIME_MODE)?;
        doors.api.push(listener);
        doors.socket_file = Some(file);
    }
    if let Some(address) = service.config.api.tcp_listen {
        doors.api.push(Listener::Tcp(listen::bind_tcp(address).await?));
    }
    if doors.ingress.is_empty() {
        let listener = listen::bind_tcp(service.config.ingress.listen).await?;
        doors.ingress.push(Listener::Tcp(listener));
    }
    doors.ingress_address = doors.ingress.iter().find_map(|listener| match listener {
        Listener::Tcp(listener) => listener.local_addr().ok(),
        Listener::Unix(_) => None,
    });
    Ok(doors)
}

fn public_url(config: &Config, ingress: Option<std::net::SocketAddr>) -> String {
    let local = ingress.map(|address| format!("http://{address}")).unwrap_or_default();
    config.ingress.public_url.as_ref().map_or(local, |url| url.as_str().trim_end_matches('/').to_owned())
}

fn serve_api(api: &Arc<Api>, listener: Listener, clock: &Clock, supervisor: &Supervisor) {
    use tower::ServiceExt;
    let router = router::router(api);
    let answer = move |request: http::Request<RequestBody>, peer: Arc<PeerInfo>| {
        let router = router.clone();
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(peer);
        async move {
            match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    };
    let limits = ListenLimits::from(&api.service.config.api);
    let serve =
        listen::serve(listener, limits, answer, clock.clone(), supervisor.clone(), supervisor.stop().clone());
    supervisor.spawn_once("api listener", serve);
}

fn serve_ingress(service: &Arc<Service>, listener: Listener, clock: &Clock, supervisor: &Supervisor) {
    let ingress = Arc::new(Ingress::new(Arc::clone(service)));
    let answer = move |request: http::Request<RequestBody>, peer: Arc<PeerInfo>| {
        let ingress = Arc::clone(&ingress);
        async move { ingress.answer(request, peer).await }
    };
    let limits = ListenLimits::from(&service.config.ingress);
    let serve =
        listen::serve(listener, limits, answer, clock.clone(), supervisor.clone(), supervisor.stop().clone());
    supervisor.spawn_once("ingress listener", serve);
}

/// A start that failed because of the machine, not because of a mistake of ours, says what to do.
pub(crate) fn machine(what: &str, error: std::io::Error) -> Error {
    Error::new(ErrorCode::Internal, format!("{what}: {error}")).with_source(error)
}

#[cfg(test)]
mod tests;
