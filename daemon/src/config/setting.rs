//! The kinds of values a setting may have, and how each is written: `30s`, `64KiB`, `50/s burst 200`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

/// A number of bytes, written as `64KiB`, `1MiB`, `2GiB` or `512B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl Bytes {
    /// As an index into memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    pub(super) const fn kib(number: u64) -> Self {
        Self(number * 1024)
    }

    pub(super) const fn mib(number: u64) -> Self {
        Self(number * 1024 * 1024)
    }
}

/// How often something may happen, written as `50/s burst 200`; also per minute (`/m`) and hour (`/h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    /// How many, over `per`.
    pub count: u32,
    /// The time that `count` refers to.
    pub per: Duration,
    /// How many may come at once after a pause.
    pub burst: u32,
}

impl Rate {
    pub(super) const fn per_second(count: u32, burst: u32) -> Self {
        Self { count, per: Duration::from_secs(1), burst }
    }
}

/// More than this many in a unit of time is no limit any more.
const RATE_MAX: u32 = 10_000_000;

/// A network in CIDR notation; a single address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// The network's address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Network {
    /// Whether the address lies in the network. A v4 address written as v6 counts as v4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Reads `10.0.0.0/8`, `fd00::/8` or a single address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, Some(prefix.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let widest = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        let prefix = prefix.unwrap_or(widest);
        (prefix <= widest).then_some(Self { address, prefix })
    }
}

/// An exception of the egress guard: a host and a port, or a network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPort {
    /// `host:port`, or every port for `host:*`; the host as it stands in the URL, in lower case.
    Host(String, Option<u16>),
    /// A network, all ports.
    Network(Network),
}

impl HostPort {
    /// Reads `db.internal:5432`, `localhost:*`, `[fd00::1]:443` or `10.1.0.0/16`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(network) = Network::parse(text) {
            return Some(Self::Network(network));
        }
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let well_formed = !host.is_empty() && !host.contains(['/', '@', ' ', '*']);
        let port = if port == "*" { None } else { Some(port.parse().ok().filter(|port| *port != 0)?) };
        well_formed.then_some(Self::Host(host.to_ascii_lowercase(), port))
    }

    /// As it is written, here and in a tenant's allow-list.
    pub fn to_text(&self) -> String {
        match self {
            Self::Host(host, port) => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let port = port.map_or_else(|| "*".to_owned(), |port| port.to_string());
                format!("{host}:{port}")
            }
            Self::Network(network) => format!("{}/{}", network.address, network.prefix),
        }
    }
}

/// How telemetry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A kind of value.
pub(super) trait Setting: Sized {
    /// Reads the value, or says what was expected.
    fn read(value: &DeValue<'_>) -> Result<Self, String>;

    /// How the value is written in the file.
    fn write(&self) -> String;
}

fn text_of<'v>(value: &'v DeValue<'_>, expected: &str) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("expected {expected}, found {}", article(value)))
}

fn article(value: &DeValue<'_>) -> String {
    match value.type_str() {
        kind @ ("integer" | "array") => format!("an {kind}"),
        kind => format!("a {kind}"),
    }
}

/// The number in front and the unit behind it.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim_start()))
}

impl Setting for Duration {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let expected = "a duration such as \"30s\"";
        let text = text_of(value, expected)?;
        let parsed = number_and_unit(text).and_then(|(number, unit)| match unit {
            "ms" => Some(Self::from_millis(number)),
            "s" => Some(Self::from_secs(number)),
            "m" => number.checked_mul(60).map(Self::from_secs),
            "h" => number.checked_mul(3_600).map(Self::from_secs),
            "d" => number.checked_mul(86_400).map(Self::from_secs),
            _ => None,
        });
        parsed.ok_or_else(|| format!("expected {expected} (units ms, s, m, h, d), found {text:?}"))
    }

    fn write(&self) -> String {
        let ms = self.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        let whole = units.iter().find(|(size, _)| ms >= *size && ms.is_multiple_of(*size));
        whole.map_or_else(|| format!("\"{ms}ms\""), |(size, unit)| format!("\"{}{unit}\"", ms / size))
    }
}

impl Setting for Bytes {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let expected = "a size such as \"64KiB\"";
        let text = text_of(value, expected)?;
        let parsed = number_and_unit(text).and_then(|(number, unit)| match unit {
            "B" => Some(number),
            "KiB" => number.checked_mul(1 << 10),
            "MiB" => number.checked_mul(1 << 20),
            "GiB" => number.checked_mul(1 << 30),
            _ => None,
        });
        let parsed = parsed.map(Self);
        parsed.ok_or_else(|| format!("expected {expected} (units B, KiB, MiB, GiB), found {text:?}"))
    }

    fn write(&self) -> String {
        let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let whole = units.iter().find(|(size, _)| self.0 >= *size && self.0.is_multiple_of(*size));
        whole
            .map_or_else(|| format!("\"{}B\"", self.0), |(size, unit)| format!("\"{}{unit}\"", self.0 / size))
    }
}

impl Setting for Rate {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let expected = "a rate such as \"50/s burst 200\"";
        let text = text_of(value, expected)?;
        parse_rate(text).ok_or_else(|| format!("expected {expected} (units s, m, h), found {text:?}"))
    }

    fn write(&self) -> String {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        format!("\"{}/{unit} burst {}\"", self.count, self.burst)
    }
}

fn parse_rate(text: &str) -> Option<Rate> {
    let (rate, burst) = match text.split_once(" burst ") {
        Some((rate, burst)) => (rate, Some(burst.trim().parse().ok()?)),
        None => (text, None),
    };
    let (count, unit) = rate.trim().split_once('/')?;
    let count: u32 = count.parse().ok()?;
    let per = Duration::from_secs(match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    });
    let burst = burst.unwrap_or(count);
    let allowed = 1..=RATE_MAX;
    (allowed.contains(&count) && allowed.contains(&burst)).then_some(Rate { count, per, burst })
}

macro_rules! number {
    ($($kind:ty),+) => { $(
        impl Setting for $kind {
            fn read(value: &DeValue<'_>) -> Result<Self, String> {
                let integer = value.as_integer();
                let integer = integer.ok_or_else(|| format!("expected a number, found {}", article(value)))?;
                let parsed = <$kind>::from_str_radix(integer.as_str(), integer.radix());
                parsed.map_err(|_| format!("expected a number from {} to {}", <$kind>::MIN, <$kind>::MAX))
            }

            fn write(&self) -> String {
                self.to_string()
            }
        }
    )+ };
}
number!(u32, usize);

impl Setting for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| format!("expected true or false, found {}", article(value)))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// Declares a kind that is written as a text.
macro_rules! text {
    ($($kind:ty, $expected:literal, $parse:expr, $write:expr;)+) => { $(
        impl Setting for $kind {
            fn read(value: &DeValue<'_>) -> Result<Self, String> {
                let text = text_of(value, $expected)?;
                let parse: fn(&str) -> Option<Self> = $parse;
                parse(text).ok_or_else(|| format!("expected {}, found {text:?}", $expected))
            }

            fn write(&self) -> String {
                let write: fn(&Self) -> String = $write;
                format!("{:?}", write(self))
            }
        }
    )+ };
}
text! {
    String, "a text", |text| Some(text.to_owned()), Self::clone;
    PathBuf, "an absolute path", |text| Some(Self::from(text)).filter(|path| path.is_absolute()),
        |path| path.to_string_lossy().into_owned();
    SocketAddr, "an address and a port such as \"127.0.0.1:8620\"", |text| text.parse().ok(), Self::to_string;
    url::Url, "a URL such as \"https://hooks.example.com\"",
        |text| Self::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()),
        Self::to_string;
    Network, "a network such as \"10.0.0.0/8\"", Self::parse,
        |network| format!("{}/{}", network.address, network.prefix);
    HostPort, "a host and a port or a network, such as \"db.internal:5432\" or \"10.1.0.0/16\"", Self::parse,
        Self::to_text;
    Format, "\"auto\", \"text\" or \"json\"",
        |text| match text {
            "auto" => Some(Self::Auto),
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        },
        |format| match format {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        }.to_owned();
}

/// An optional setting is absent or set; there is no word for nothing in the file.
impl<T: Setting> Setting for Option<T> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        T::read(value).map(Some)
    }

    fn write(&self) -> String {
        self.as_ref().map_or_else(|| "unset".to_owned(), T::write)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let array = value.as_array();
        let array = array.ok_or_else(|| format!("expected a list, found {}", article(value)))?;
        array.iter().map(|item| T::read(item.get_ref())).collect()
    }

    fn write(&self) -> String {
        format!("[{}]", self.iter().map(T::write).collect::<Vec<_>>().join(", "))
    }
}
