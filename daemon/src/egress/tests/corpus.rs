//! Addresses that attackers have used or could use, each of which must be refused without a connection.

use super::*;

/// Literals and what they are made of. Every one names this machine, a network inside or nothing at all.
const LITERALS: &[&str] = &[
    // This machine, in every way an address can be written.
    "http://127.0.0.1/",
    "http://127.0.0.1:80/",
    "https://127.0.0.1/",
    "http://127.0.0.1:22/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.255.255.254/",
    "http://127.127.127.127/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://0177.1/",
    "http://017700000001/",
    "http://0x7F.0X0.0x0.0x1/",
    "http://127.0.0.1./",
    "http://127.000.000.001/",
    "http://00000177.0.0.1/",
    "http://0x0000007f.0.0.1/",
    "http://127.0x0.0.0x1/",
    "http://1②7.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://１２７.０.０.１/",
    "http://127。0。0。1/",
    "http://127｡0｡0｡1/",
    "http://127．0．0．1/",
    "http://%31%32%37%2e0.0.1/",
    "http://127%2E0%2E0%2E1/",
    "http:127.0.0.1/",
    "http:/127.0.0.1/",
    "http:///127.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http://\t127.0.0.1/",
    "http://127.0.\n0.1/",
    "HTTP://127.0.0.1/",
    " http://127.0.0.1/ ",
    "http://127.0.0.1#@example.com/",
    "http://127.0.0.1?@example.com/",
    "http://127.0.0.1\\@example.com/",
    "http://127.0.0.1:65535/",
    "http://[::1]/",
    "http://[::1]:80/",
    "https://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[0000::0001]/",
    "http://[::0:1]/",
    "http://[::0.0.0.1]/",
    // No address in particular, which the kernel takes for this machine.
    "http://0.0.0.0/",
    "http://0/",
    "http://0x0/",
    "http://00.00/",
    "http://0.1.2.3/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:0]/",
    // v4 in v6.
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::FFFF:7F00:0001]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:a00:1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::ffff:192.168.1.1]/",
    "http://[::ffff:172.16.0.1]/",
    "http://[::ffff:0.0.0.0]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::127.0.0.1]/",
    "http://[::7f00:1]/",
    "http://[::10.0.0.1]/",
    "http://[::169.254.169.254]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::ffff:0:7f00:1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b::8.8.8.8]/",
    "http://[64:ff9b:1::127.0.0.1]/",
    "http://[64:ff9b:1:ffff::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:7f00:1::1]/",
    "http://[2002:a00:1::]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[2002:c0a8:101::]/",
    "http://[2002:808:808::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2001::1]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    // Clouds' metadata services.
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.169.254:80/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://169.254.43518/",
    "http://169.16689662/",
    "http://169.254.170.2/v2/credentials",
    "http://169.254.169.253/",
    "http://169.254.0.1/",
    "http://169.254.255.255/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::a9fe:a9fe]/",
    "http://168.63.129.16/",
    "http://100.100.100.200/latest/meta-data/",
    "http://192.0.0.192/",
    // Networks inside.
    "http://10.0.0.0/",
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://10.1/",
    "http://167772161/",
    "http://0xa000001/",
    "http://012.0.0.1/",
    "http://172.16.0.0/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://2886729729/",
    "http://192.168.0.0/",
    "http://192.168.0.1/",
    "http://192.168.1.1:8080/",
    "http://192.168.255.255/",
    "http://3232235777/",
    "http://192.168.257/",
    "http://100.64.0.0/",
    "http://100.64.0.1/",
    "http://100.127.255.255/",
    "http://[fc00::]/",
    "http://[fc00::1]/",
    "http://[fd00::1]/",
    "http://[fd12:3456:789a::1]:8080/",
    "http://[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]/",
    "http://[fe80::1]/",
    "http://[fe80:0:0:0:1::1]/",
    "http://[febf::1]/",
    "http://[fec0::1]/",
    "http://[feff::1]/",
    // What no request belongs to.
    "http://192.0.0.1/",
    "http://192.0.0.255/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.19.255.255/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250:1900/",
    "http://239.255.255.255/",
    "http://240.0.0.1/",
    "http://250.1.2.3/",
    "http://255.255.255.255/",
    "http://4294967295/",
    "http://0xffffffff/",
    "http://[ff02::1]/",
    "http://[ff0e::1]/",
    "http://[ff00::]/",
    "http://[100::1]/",
    "http://[2001:db8::1]/",
    "http://[2001:1ff::1]/",
    "http://[3fff::1]/",
    "http://[4000::1]/",
    "http://[5f00::1]/",
    "http://[1::1]/",
];

/// Addresses that are refused for what they are written as.
const UNUSABLE: &[&str] = &[
    "",
    "/",
    "//127.0.0.1/",
    "127.0.0.1",
    "localhost:80",
    "example.com/path",
    "http://",
    "http:",
    "http:///",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stats",
    "ldap://127.0.0.1/",
    "tftp://127.0.0.1/",
    "sftp://127.0.0.1/",
    "jar:http://127.0.0.1!/",
    "netdoc:///etc/passwd",
    "data:text/plain,hello",
    "javascript:alert(1)",
    "unix:///run/docker.sock",
    "http+unix://%2Frun%2Fdocker.sock/",
    "ws://127.0.0.1/",
    "blob:http://127.0.0.1/x",
    "about:blank",
    "view-source:http://127.0.0.1/",
    "h2c://127.0.0.1/",
    "httpx://127.0.0.1/",
    "http://user@127.0.0.1/",
    "http://user:password@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1:80@example.com/",
    "http://@@127.0.0.1/",
    "http://a:b@[::1]/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:-1/",
    "http://example.com:80:80/",
    "http://exa mple.com/",
    "http://exam<ple.com/",
    "http://[::1/",
    "http://::1/",
    "http://[127.0.0.1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::ffff:999.0.0.1]/",
    "http://256.0.0.1/",
    "http://1.2.3.4.5/",
    "http://0x100000000/",
    "http://127.0.0.0x100/",
    "http://4294967296/",
    "http://%00/",
    "http://example.com%00.internal/",
    "http://./",
    "http://%2f/",
    "http://\u{0}/",
];

/// Names that lead inside, and what the resolver says about them.
const NAMES: &[(&str, &[&str])] = &[
    ("localhost", &["127.0.0.1", "::1"]),
    ("rebind.example", &["127.0.0.1"]),
    ("mapped.example", &["::ffff:127.0.0.1"]),
    ("unspecified.example", &["0.0.0.0"]),
    ("metadata.google.internal", &["169.254.169.254"]),
    ("ten.example", &["10.0.0.1", "10.0.0.2"]),
    ("ula.example", &["fd00::1"]),
    ("nat64.example", &["64:ff9b::7f00:1"]),
    ("sixtofour.example", &["2002:7f00:1::"]),
    ("linklocal.example", &["fe80::1"]),
    ("127.0.0.1.nip.example", &["127.0.0.1"]),
];

async fn refusal(egress: &Egress, url: &str) -> EgressError {
    match egress.send(&TenantEgress::default(), get(url)).await {
        Err(error) => error,
        Ok(answer) => panic!("{url:?} was let out and answered {}", answer.status),
    }
}

#[tokio::test]
async fn every_literal_that_leads_inside_is_denied() {
    let egress = simple_client();
    for url in LITERALS {
        let error = refusal(&egress, url).await;
        assert!(matches!(error, EgressError::Denied { .. }), "{url:?}: {error}");
        assert_eq!(error.code(), ErrorCode::EgressDenied);
    }
}

#[tokio::test]
async fn every_unusable_address_is_refused_before_anything_is_resolved() {
    let egress = simple_client();
    for url in UNUSABLE {
        let error = refusal(&egress, url).await;
        assert!(matches!(error, EgressError::BadUrl { .. }), "{url:?}: {error}");
    }
    let long = format!("http://example.com/{}", "a".repeat(MAX_URL));
    assert!(matches!(refusal(&egress, &long).await, EgressError::BadUrl { .. }));
}

#[tokio::test]
async fn every_name_that_leads_inside_is_denied() {
    let script = NAMES.iter().fold(Script::default(), |script, (name, answer)| script.with(name, &[answer]));
    let egress = client(&config::Egress::default(), script);
    for (name, _) in NAMES {
        let spellings = [
            format!("http://{name}/"),
            format!("https://{name}:8443/"),
            format!("http://{name}./"),
            format!("http://{}/", name.to_uppercase()),
        ];
        // A final dot after a name that ends in a number is still an address to the URL parser, hence the check.
        for url in spellings {
            let error = refusal(&egress, &url).await;
            assert!(matches!(error, EgressError::Denied { .. }), "{url:?}: {error}");
        }
    }
}

#[test]
fn the_corpus_is_large_and_has_no_entry_twice() {
    let mut all: Vec<_> = LITERALS.iter().chain(UNUSABLE).collect();
    assert!(LITERALS.len() >= 150, "{}", LITERALS.len());
    all.sort();
    let before = all.len();
    all.dedup();
    assert_eq!(all.len(), before);
}
