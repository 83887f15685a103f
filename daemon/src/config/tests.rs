use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SHIPPED: &str = include_str!("../../../config/tenantry.toml");

fn findings(text: &str) -> Vec<(String, u32, u32, String, Option<String>)> {
    let error = Config::parse(text, "tenantry.toml").expect_err("the text has findings");
    assert_eq!(error.code(), ErrorCode::ConfigInvalid);
    let row = |f: &tenantry_protocol::error::Finding| {
        (f.code.clone(), f.line, f.column, f.message.clone(), f.suggestion.clone())
    };
    error.findings().iter().map(row).collect()
}

#[test]
fn the_shipped_file_is_the_defaults() {
    assert_eq!(Config::parse(SHIPPED, "tenantry.toml").expect("it parses"), Config::default());
    assert_eq!(Config::parse("", "tenantry.toml").expect("it parses"), Config::default());
}

/// Every key stands in its section: set to its default, or commented out where it has none.
#[test]
fn the_shipped_file_names_every_key_with_its_default() {
    let mut section = String::new();
    let mut written = std::collections::BTreeMap::new();
    for line in SHIPPED.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, _)) = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = ")) {
            written.insert(format!("{section}.{key}"), "unset".to_owned());
        } else if let Some((key, value)) = line.split_once(" = ") {
            written.insert(format!("{section}.{key}"), value.to_owned());
        }
    }
    let entries = Config::default().entries();
    assert!(entries.len() > 90, "the sections list their keys");
    for (key, value) in entries {
        assert_eq!(written.remove(&key), Some(value), "{key}");
    }
    assert!(written.is_empty(), "the file has keys that the daemon does not know: {written:?}");
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    let text = "[api]\nmax-connections = 5\n  max-conections = 6\n\n[stages.acton]\n[stages.action]\nconcurency = 1\n";
    let found = findings(text);
    assert_eq!(found.len(), 3, "{found:?}");
    let expect = |code: &str, line, column, message: &str, suggestion: &str| {
        (code.to_owned(), line, column, message.to_owned(), Some(suggestion.to_owned()))
    };
    let unknown = "unknown-key";
    assert!(found.contains(&expect(
        unknown,
        3,
        3,
        "unknown key `api.max-conections`",
        "did you mean `max-connections`?"
    )));
    assert!(found.contains(&expect(unknown, 5, 9, "unknown key `stages.acton`", "did you mean `action`?")));
    assert!(found.contains(&expect(
        unknown,
        7,
        1,
        "unknown key `stages.action.concurency`",
        "did you mean `concurrency`?"
    )));
}

#[test]
fn a_word_that_resembles_nothing_gets_the_list() {
    let found = findings("[zebra]\n");
    assert_eq!(found[0].3, "unknown section `zebra`");
    assert!(found[0].4.as_deref().is_some_and(|s| s.contains("ingress")), "{found:?}");
}

#[test]
fn values_of_the_wrong_kind_or_out_of_range_are_named_with_what_is_allowed() {
    let text = "[api]\nbody-limit = 5\nheader-timeout = \"10 parsecs\"\nmax-connections = 0\n[ingress]\nlisten = \"here\"\nrate-per-ip = \"5\"\ntrusted-proxies = [\"10.0.0.0/33\"]\n[drain]\ndeadline = \"0s\"\n[auth]\ntoken-ttl = \"1h\"\nsession-ttl = \"30m\"\n";
    let messages: Vec<String> = findings(text).into_iter().map(|f| format!("{}: {}", f.1, f.3)).collect();
    insta::assert_debug_snapshot!(messages);
}

#[test]
fn a_rate_is_neither_nothing_nor_everything() {
    for bad in
        ["0/s", "5/s burst 0", "10000001/s", "5/s burst 10000001", "5/d", "/s", "5", "-1/s", "5/s burst"]
    {
        let text = format!("[ingress]\nrate-per-ip = \"{bad}\"\n");
        assert_eq!(findings(&text)[0].0, "wrong-type", "{bad}");
    }
}

#[test]
fn a_syntax_error_has_a_place() {
    let found = findings("[api]\nmax-connections = = 3\n");
    assert_eq!((found[0].0.as_str(), found[0].1), ("syntax", 2));
}

#[test]
fn values_replace_defaults_and_leave_the_others() {
    let text = "[ingress]\nlisten = \"[::1]:9000\"\nrate-per-tenant = \"10/m burst 3\"\n[egress]\nallow = [\"10.1.0.0/16\", \"db.internal:5432\", \"[fd00::1]:443\"]\n[telemetry]\nformat = \"json\"\n";
    let config = Config::parse(text, "t").expect("it parses");
    assert_eq!(config.ingress.listen, "[::1]:9000".parse().expect("an address"));
    assert_eq!(config.ingress.rate_per_tenant, Rate { count: 10, per: Duration::from_mins(1), burst: 3 });
    assert_eq!(config.egress.allow[1], HostPort::Host("db.internal".to_owned(), Some(5432)));
    assert_eq!(config.egress.allow[2], HostPort::Host("fd00::1".to_owned(), Some(443)));
    assert_eq!(config.telemetry.format, Format::Json);
    assert_eq!(config.api, Config::default().api);
}

#[test]
fn networks_contain_what_they_should() {
    let network = |text: &str| Network::parse(text).expect("a network");
    let ip = |text: &str| text.parse().expect("an address");
    assert!(network("10.0.0.0/8").contains(ip("10.255.0.1")));
    assert!(network("10.0.0.0/8").contains(ip("::ffff:10.1.1.1")));
    assert!(!network("10.0.0.0/8").contains(ip("11.0.0.1")));
    assert!(network("0.0.0.0/0").contains(ip("203.0.113.9")));
    assert!(!network("0.0.0.0/0").contains(ip("::1")));
    assert!(network("::/0").contains(ip("::1")));
    assert!(network("192.0.2.7").contains(ip("192.0.2.7")));
    assert!(!network("192.0.2.7").contains(ip("192.0.2.6")));
    assert!(network("fd00::/8").contains(ip("fdab::1")));
    assert_eq!(Network::parse("10.0.0.0/33"), None);
    assert_eq!(Network::parse("ten/8"), None);
}

#[test]
fn folders_follow_command_line_environment_file_and_system() {
    let user = Environment {
        home: Some(PathBuf::from("/home/u")),
        xdg_runtime: Some(PathBuf::from("/run/user/7")),
        ..Environment::default()
    };
    let find = |environment: &Environment, overrides: &Overrides, paths: &Paths| {
        Folders::find(paths, environment, overrides, Path::new("/c"))
    };
    let (none, paths) = (Overrides::default(), Paths::default());
    let folders = find(&user, &none, &paths);
    assert_eq!(folders.data, Path::new("/home/u/.local/state/tenantry"));
    assert_eq!(folders.socket, Path::new("/run/user/7/tenantry/api.sock"));

    let headless = Environment { xdg_runtime: None, ..user.clone() };
    assert_eq!(find(&headless, &none, &paths).runtime, Path::new("/home/u/.local/state/tenantry/runtime"));

    let root = Environment { root: true, ..user.clone() };
    assert_eq!(find(&root, &none, &paths).data, Path::new("/var/lib/tenantry"));
    assert_eq!(find(&root, &none, &paths).socket, Path::new("/run/tenantry/api.sock"));

    let unit = Environment { state_directory: Some(PathBuf::from("/srv/state")), ..root };
    assert_eq!(find(&unit, &none, &paths).data, Path::new("/srv/state"));
    let set = Paths { data: Some(PathBuf::from("/file")), ..Paths::default() };
    assert_eq!(find(&unit, &none, &set).data, Path::new("/file"));
    let named = Environment { data: Some(PathBuf::from("/variable")), ..unit };
    assert_eq!(find(&named, &none, &set).data, Path::new("/variable"));
    let line = Overrides { data: Some(PathBuf::from("/line")), ..Overrides::default() };
    assert_eq!(find(&named, &line, &set).data, Path::new("/line"));
}

#[test]
fn a_named_file_must_exist_and_the_usual_one_may_be_absent() {
    let folder = tempfile::tempdir().expect("a folder");
    let environment = Environment { xdg_config: Some(folder.path().to_owned()), ..Environment::default() };
    let loaded = Config::load(&environment, &Overrides::default()).expect("defaults");
    assert_eq!(loaded.config, Config::default());
    let loud = Environment { log: Some("debug".to_owned()), ..environment.clone() };
    let loaded = Config::load(&loud, &Overrides::default()).expect("defaults");
    assert_eq!(loaded.config.telemetry.level, "debug");
    let named = Overrides { config: Some(folder.path().join("absent.toml")), ..Overrides::default() };
    let error = Config::load(&environment, &named).expect_err("it is absent");
    assert!(error.detail().contains("absent.toml"), "{error}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        drop(Config::parse(&text, "t"));
    }

    #[test]
    fn no_value_panics(key in "(api|stages|ingress)", name in "[a-z-]{1,12}", value in "[-0-9a-zA-Z\"\\[\\]{}., /]{0,20}") {
        drop(Config::parse(&format!("[{key}]\n{name} = {value}\n"), "t"));
    }

    #[test]
    fn what_is_written_is_read_again(ms in 100_u64..300_000, kib in 1_u64..65_536, count in 1_u32..5_000, burst in 1_u32..5_000) {
        let mut config = Config::default();
        config.ingress.header_timeout = Duration::from_millis(ms);
        config.ingress.body_limit = Bytes::kib(kib);
        config.ingress.rate_per_ip = Rate { count, per: Duration::from_hours(1), burst };
        let written: std::collections::BTreeMap<_, _> = config.entries().into_iter().collect();
        let text = ["header-timeout", "body-limit", "rate-per-ip"]
            .map(|key| format!("{key} = {}\n", written[&format!("ingress.{key}")]))
            .concat();
        prop_assert_eq!(Config::parse(&format!("[ingress]\n{text}"), "t").expect("it parses"), config);
    }
}
