//! The limits, by section. One line is one setting: its key, default and range.
//!
//! **Invariant:** every setting here is annotated in `config/tenantry.toml` with the same default; a test proves it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeTable;
use url::Url;

use super::reader::Reader;
use super::setting::{Bytes, Format, HostPort, Network, Rate, Setting};

const fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

const fn secs(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// Declares a section: documented fields, their keys, defaults and ranges.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$doc:meta])* $field:ident: $kind:ty = $key:literal, $default:expr $(, $range:expr)?;)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[$doc])* pub $field: $kind),+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }

        impl $name {
            const KEYS: &'static [&'static str] = &[$($key),+];

            fn read(&mut self, table: &DeTable<'_>, reader: &mut Reader<'_>) {
                for (key, value) in table {
                    match key.get_ref().as_ref() {
                        $($key => {
                            reader.setting((key, value), &mut self.$field, section!(@range $($range)?));
                        })+
                        _ => reader.unknown((key, value), Self::KEYS),
                    }
                }
            }

            fn list(&self, prefix: &str, entries: &mut Vec<(String, String)>) {
                $(entries.push((format!("{prefix}.{}", $key), self.$field.write()));)+
            }
        }
    };
    (@range) => { None };
    (@range $range:expr) => { Some(&$range) };
}

section! {
    /// `[paths]`: where files lie, where the usual places do not fit.
    Paths {
        /// Databases and blobs.
        data: Option<PathBuf> = "data", None;
        /// The folder of the sockets.
        runtime: Option<PathBuf> = "runtime", None;
        /// The socket of the local API.
        socket: Option<PathBuf> = "socket", None;
    }
}

section! {
    /// `[api]`: the local API.
    Api {
        /// An additional TCP listener; off unless set.
        tcp_listen: Option<SocketAddr> = "tcp-listen", None;
        /// Open connections.
        max_connections: usize = "max-connections", 256, 1..=65_536;
        /// The largest body of a request.
        body_limit: Bytes = "body-limit", Bytes::mib(4), Bytes::kib(1)..=Bytes::mib(256);
        /// The time for a request's head.
        header_timeout: Duration = "header-timeout", secs(10), ms(100)..=secs(300);
        /// How long a connection may idle between requests.
        idle_timeout: Duration = "idle-timeout", secs(60), secs(1)..=secs(3_600);
        /// The time for one answer; streams are exempt.
        request_timeout: Duration = "request-timeout", secs(60), secs(1)..=secs(3_600);
        /// Open streams (feed, logs, stats).
        max_streams: usize = "max-streams", 64, 1..=65_536;
        /// The longest page a list may ask for.
        page_limit: usize = "page-limit", 500, 1..=10_000;
        /// Requests of one address on the TCP listener.
        rate_per_ip: Rate = "rate-per-ip", Rate::per_second(50, 200);
        /// Requests in the name of one tenant.
        rate_per_tenant: Rate = "rate-per-tenant", Rate::per_second(200, 400);
        /// Requests of one principal.
        rate_per_principal: Rate = "rate-per-principal", Rate::per_second(100, 200);
        /// Logins of one address or uid.
        rate_login: Rate = "rate-login", Rate { count: 30, per: secs(60), burst: 10 };
        /// Audit records a minute about calls of one operation that one principal may not make; more are counted in one.
        refusal_records: u32 = "refusal-records", 6, 1..=1_000;
    }
}

section! {
    /// `[files]`: files in the tenants' inbox folders.
    Files {
        /// The largest file that becomes an event.
        max_bytes: Bytes = "max-bytes", Bytes::mib(16), Bytes::kib(1)..=Bytes::mib(256);
    }
}

section! {
    /// `[ingress]`: the public listener for webhooks.
    Ingress {
        /// Where it listens.
        listen: SocketAddr = "listen", SocketAddr::from(([127, 0, 0, 1], 8620));
        /// The address that senders use; shown in webhook URLs.
        public_url: Option<Url> = "public-url", None;
        /// Open connections.
        max_connections: usize = "max-connections", 1_024, 1..=65_536;
        /// Open connections of one address.
        max_connections_per_ip: usize = "max-connections-per-ip", 256, 1..=65_536;
        /// The largest body of a webhook.
        body_limit: Bytes = "body-limit", Bytes::mib(1), Bytes::kib(1)..=Bytes::mib(64);
        /// The time for a request's head.
        header_timeout: Duration = "header-timeout", secs(10), ms(100)..=secs(300);
        /// The time for a whole body.
        body_timeout: Duration = "body-timeout", secs(30), ms(100)..=secs(600);
        /// How long a connection may idle between requests.
        idle_timeout: Duration = "idle-timeout", secs(15), secs(1)..=secs(3_600);
        /// How long `respond: result` waits for the run.
        result_timeout: Duration = "result-timeout", secs(25), secs(1)..=secs(300);
        /// Webhooks of one address.
        rate_per_ip: Rate = "rate-per-ip", Rate::per_second(200, 1_000);
        /// Webhooks for one tenant.
        rate_per_tenant: Rate = "rate-per-tenant", Rate::per_second(2_000, 4_000);
        /// Reverse proxies whose X-Forwarded-For is believed.
        trusted_proxies: Vec<Network> = "trusted-proxies", Vec::new();
    }
}

section! {
    /// `[store]`: the databases.
    Store {
        /// Threads that commit; tenants are spread over them.
        committer_threads: usize = "committer-threads", 4, 1..=64;
        /// Write closures in one transaction.
        batch_limit: usize = "batch-limit", 128, 1..=4_096;
        /// Write closures waiting in one lane of a tenant.
        lane_limit: usize = "lane-limit", 4_096, 16..=1_048_576;
        /// Tenants whose files are open at once.
        open_tenants: usize = "open-tenants", 256, 1..=65_536;
        /// Tenants whose files stay open while nobody uses them.
        idle_tenants: usize = "idle-tenants", 24, 1..=65_536;
        /// Reading connections of one tenant.
        readers: usize = "readers", 2, 1..=64;
        /// Page cache of one connection.
        cache: Bytes = "cache", Bytes::kib(2_048), Bytes::kib(64)..=Bytes::mib(1_024);
        /// The size a write-ahead log is cut back to.
        wal_limit: Bytes = "wal-limit", Bytes::mib(16), Bytes::mib(1)..=Bytes::mib(4_096);
        /// After how long without use a tenant's files are closed.
        idle_close: Duration = "idle-close", secs(20), secs(1)..=secs(86_400);
        /// How long a reading statement may take.
        read_timeout: Duration = "read-timeout", secs(10), ms(100)..=secs(600);
        /// How long a caller waits for the commit.
        write_timeout: Duration = "write-timeout", secs(30), ms(100)..=secs(600);
    }
}

section! {
    /// `[stages.NAME]`: one stage.
    Stage {
        /// Jobs handled at once.
        concurrency: usize = "concurrency", 32, 1..=65_536;
        /// Jobs of one tenant handled at once.
        tenant_ceiling: usize = "tenant-ceiling", 16, 1..=65_536;
        /// Committed jobs handed over in memory; the others are read from disk.
        memory_jobs: usize = "memory-jobs", 4_096, 0..=1_048_576;
        /// Bytes of payloads, and of events at the door, handed over in memory.
        memory_bytes: Bytes = "memory-bytes", Bytes::mib(16), Bytes(0)..=Bytes::mib(4_096);
        /// How much longer than the handler's time limit a lease is held.
        lease_margin: Duration = "lease-margin", secs(15), secs(1)..=secs(600);
        /// How often a job is tried before it becomes a dead letter, where the job does not say.
        attempts: u32 = "attempts", 10, 1..=1_000;
        /// The pause after the first failed attempt.
        backoff: Duration = "backoff", secs(1), ms(1)..=secs(3_600);
        /// The longest pause between two attempts.
        backoff_limit: Duration = "backoff-limit", secs(300), ms(1)..=secs(86_400);
        /// How often the queues are scanned for due jobs that no nudge told of.
        scan_interval: Duration = "scan-interval", secs(30), ms(10)..=secs(3_600);
    }
}

section! {
    /// `[tenant-defaults]`: what a tenant gets that has no limits of its own.
    TenantDefaults {
        /// Waiting jobs of one stage; steps that were put aside until something comes do not count.
        queue_quota: usize = "queue-quota", 100_000, 1..=100_000_000;
        /// Its share where stages are busy, relative to the others.
        weight: u32 = "weight", 100, 1..=10_000;
        /// Log lines of one run that are kept.
        log_line_limit: usize = "log-line-limit", 10_000, 1..=10_000_000;
        /// The longest log line that is kept; the rest is cut off.
        log_line_bytes: Bytes = "log-line-bytes", Bytes::kib(16), Bytes(64)..=Bytes::mib(1);
        /// The time limit of a run that has none.
        run_timeout: Duration = "run-timeout", secs(86_400), secs(1)..=secs(31_536_000);
        /// The time limit of a step that has none.
        step_timeout: Duration = "step-timeout", secs(300), ms(10)..=secs(86_400);
        /// How long finished runs are kept.
        keep_runs: Duration = "keep-runs", secs(90 * 86_400), secs(60)..=secs(3_650 * 86_400);
        /// How long log lines are kept.
        keep_logs: Duration = "keep-logs", secs(30 * 86_400), secs(60)..=secs(3_650 * 86_400);
        /// How large the tenant's file may grow.
        store_limit: Bytes = "store-limit", Bytes::mib(4_096), Bytes::mib(1)..=Bytes::mib(1_048_576);
    }
}

section! {
    /// `[egress]`: requests that leave.
    Egress {
        /// The time for a connection, name lookup included.
        connect_timeout: Duration = "connect-timeout", secs(10), ms(10)..=secs(300);
        /// The time for a whole exchange.
        timeout: Duration = "timeout", secs(60), ms(10)..=secs(3_600);
        /// The largest answer that is read.
        response_limit: Bytes = "response-limit", Bytes::mib(4), Bytes::kib(1)..=Bytes::mib(256);
        /// Redirects that are followed.
        redirect_limit: u32 = "redirect-limit", 5, 0..=20;
        /// Private or host addresses that every tenant may reach.
        allow: Vec<HostPort> = "allow", Vec::new();
        /// Idle connections kept for one host.
        pool_per_host: usize = "pool-per-host", 256, 0..=4_096;
        /// Hosts with idle connections.
        pool_hosts: usize = "pool-hosts", 256, 1..=65_536;
        /// How long an idle connection is kept.
        pool_idle: Duration = "pool-idle", secs(30), ms(100)..=secs(3_600);
        /// Exchanges under way at once.
        max_in_flight: usize = "max-in-flight", 512, 1..=65_536;
    }
}

section! {
    /// `[runner]`: untrusted code.
    Runner {
        /// Commands, filters and functions at once.
        concurrency: usize = "concurrency", 8, 1..=1_024;
        /// The longest a command may run, whatever the step says.
        wall_limit: Duration = "wall-limit", secs(3_600), ms(100)..=secs(86_400);
        /// Processor time of one command.
        cpu_limit: Duration = "cpu-limit", secs(300), secs(1)..=secs(86_400);
        /// Memory of one process of a command.
        memory_limit: Bytes = "memory-limit", Bytes::mib(512), Bytes::mib(16)..=Bytes::mib(65_536);
        /// Output that is kept of one command; more ends it.
        output_limit: Bytes = "output-limit", Bytes::mib(4), Bytes::kib(1)..=Bytes::mib(256);
        /// Input handed to one command.
        input_limit: Bytes = "input-limit", Bytes::mib(4), Bytes::kib(1)..=Bytes::mib(256);
        /// Processes and threads of one command.
        process_limit: u32 = "process-limit", 64, 1..=4_096;
        /// Open files of one process.
        file_limit: u32 = "file-limit", 256, 16..=65_536;
        /// The largest file a command may write.
        file_size_limit: Bytes = "file-size-limit", Bytes::mib(256), Bytes::kib(1)..=Bytes::mib(65_536);
        /// The time between the request to end and the kill.
        kill_grace: Duration = "kill-grace", secs(5), ms(10)..=secs(300);
        /// Processor time of one filter (`jq`) or function.
        function_cpu_limit: Duration = "function-cpu-limit", secs(5), ms(100)..=secs(3_600);
        /// Memory of one filter or function.
        function_memory_limit: Bytes = "function-memory-limit", Bytes::mib(256), Bytes::mib(16)..=Bytes::mib(4_096);
        /// Whether commands may use the network. Egress has a guard, commands have none.
        network: bool = "network", false;
    }
}

section! {
    /// `[auth]`: tokens and sessions.
    Auth {
        /// How long a token is valid.
        token_ttl: Duration = "token-ttl", secs(600), secs(30)..=secs(3_600);
        /// How long a login lasts without a new key.
        session_ttl: Duration = "session-ttl", secs(12 * 3_600), secs(60)..=secs(30 * 86_400);
        /// The difference of clocks that is forgiven.
        leeway: Duration = "leeway", secs(5), secs(0)..=secs(60);
        /// How often the signing key is replaced.
        key_rotation: Duration = "key-rotation", secs(30 * 86_400), secs(3_600)..=secs(365 * 86_400);
    }
}

section! {
    /// `[telemetry]`: the daemon's own log.
    Telemetry {
        /// A level, or a filter such as `info,tenantry_daemon::store=debug`.
        level: String = "level", "info".to_owned();
        /// How it is written.
        format: Format = "format", Format::Auto;
    }
}

section! {
    /// `[drain]`: how the daemon stops.
    Drain {
        /// The time for jobs under way to settle.
        deadline: Duration = "deadline", secs(20), ms(100)..=secs(3_600);
    }
}

/// `[stages]`: the four stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Stages {
    /// Takes events, decides which workflows run.
    pub trigger: Stage,
    /// Executes step attempts.
    pub action: Stage,
    /// Records outcomes, evaluates notification rules.
    pub logging: Stage,
    /// Delivers to channels.
    pub notification: Stage,
}

impl Default for Stages {
    fn default() -> Self {
        Self {
            trigger: Stage { concurrency: 160, tenant_ceiling: 80, ..Stage::default() },
            action: Stage { concurrency: 256, tenant_ceiling: 64, ..Stage::default() },
            logging: Stage { concurrency: 512, tenant_ceiling: 128, ..Stage::default() },
            notification: Stage { concurrency: 512, tenant_ceiling: 128, ..Stage::default() },
        }
    }
}

impl Stages {
    /// The settings of one stage.
    pub const fn of(&self, name: tenantry_protocol::state::StageName) -> &Stage {
        use tenantry_protocol::state::StageName;
        match name {
            StageName::Trigger => &self.trigger,
            StageName::Action => &self.action,
            StageName::Logging => &self.logging,
            StageName::Notification => &self.notification,
        }
    }
}

/// Declares the sections of a table.
macro_rules! sections {
    ($name:ident { $($field:ident = $key:literal),+ $(,)? } $list:ident) => {
        impl $name {
            const SECTIONS: &'static [&'static str] = &[$($key),+];

            pub(super) fn read(&mut self, table: &DeTable<'_>, reader: &mut Reader<'_>) {
                for (key, value) in table {
                    match key.get_ref().as_ref() {
                        $($key => reader.section((key, value), |table, reader| self.$field.read(table, reader)),)+
                        _ => reader.unknown((key, value), Self::SECTIONS),
                    }
                }
            }

            fn $list(&self, prefix: &str, entries: &mut Vec<(String, String)>) {
                $(self.$field.list(&format!("{prefix}{}", $key), entries);)+
            }
        }
    };
}

impl Stages {
    fn list(&self, prefix: &str, entries: &mut Vec<(String, String)>) {
        self.list_sections(&format!("{prefix}."), entries);
    }
}

sections! { Stages { trigger = "trigger", action = "action", logging = "logging", notification = "notification" }
list_sections }

/// Every limit of the daemon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[paths]`.
    pub paths: Paths,
    /// `[api]`.
    pub api: Api,
    /// `[ingress]`.
    pub ingress: Ingress,
    /// `[files]`.
    pub files: Files,
    /// `[store]`.
    pub store: Store,
    /// `[stages.*]`.
    pub stages: Stages,
    /// `[tenant-defaults]`.
    pub tenant_defaults: TenantDefaults,
    /// `[egress]`.
    pub egress: Egress,
    /// `[runner]`.
    pub runner: Runner,
    /// `[auth]`.
    pub auth: Auth,
    /// `[telemetry]`.
    pub telemetry: Telemetry,
    /// `[drain]`.
    pub drain: Drain,
}

sections! {
    Config {
        paths = "paths",
        api = "api",
        ingress = "ingress",
        files = "files",
        store = "store",
        stages = "stages",
        tenant_defaults = "tenant-defaults",
        egress = "egress",
        runner = "runner",
        auth = "auth",
        telemetry = "telemetry",
        drain = "drain",
    }
    list_sections
}

impl Config {
    /// Every setting with its full key and its value as the file would say it, in the order of the file;
    /// `unset` where an optional one has no value.
    pub fn entries(&self) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        self.list_sections("", &mut entries);
        entries
    }

    /// Reports settings that are fine alone and wrong together.
    pub(super) fn cross_check(&self, reader: &mut Reader<'_>) {
        for (name, stage) in [
            ("trigger", &self.stages.trigger),
            ("action", &self.stages.action),
            ("logging", &self.stages.logging),
            ("notification", &self.stages.notification),
        ] {
            if stage.backoff > stage.backoff_limit {
                reader.conflict(format!("stages.{name}.backoff is longer than stages.{name}.backoff-limit"));
            }
        }
        if self.auth.token_ttl > self.auth.session_ttl {
            reader.conflict("auth.token-ttl is longer than auth.session-ttl".to_owned());
        }
        if self.egress.connect_timeout > self.egress.timeout {
            reader.conflict("egress.connect-timeout is longer than egress.timeout".to_owned());
        }
        if self.api.tcp_listen.is_some_and(|address| address == self.ingress.listen) {
            reader.conflict("api.tcp-listen and ingress.listen are the same address".to_owned());
        }
    }
}
