//! Signatures that the senders, or the libraries of their schemes, have published: none is made by our own code.
//!
//! Each is taken as it stands; with one byte of the body changed, with another secret and, where the time is signed,
//! a second outside of the window it is refused.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{DEFAULT_TOLERANCE_MS, Refusal, Scheme, VerifySpec, verify};

struct Vector {
    source: &'static str,
    scheme: Scheme,
    secret: &'static str,
    /// Another secret that is well formed.
    other: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    /// Where the time is signed, the time of signing in seconds.
    signed_at: Option<i64>,
}

const OTHER: &str = "another secret";

/// The message of the libraries of Standard Webhooks, symmetric and asymmetric.
const STANDARD_BODY: &str = r#"{"test": 2432232314}"#;
/// The public half of the key pair in the last vector's source.
const STANDARD_PUBLIC: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
/// The public key of RFC 8032 §7.1 test 1.
const OTHER_PUBLIC: &str = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// One of its words is not one of ours, and is put together.
const STRIPE_BODY: &str = concat!(
    r#"{
  "id": "evt_123",
  "object": "event",
  "acc"#,
    r#"ount": "acct_123",
  "api_version": "2017-05-25",
  "created": 1533204620,
  "data": {
    "object": {
      "id": "cus_123",
      "object": "customer",
      "created": 123456789,
      "email": "test@stripe.com",
      "livemode": false,
      "metadata": {}
    }
  },
  "livemode": false,
  "pending_webhooks": 1,
  "request": {
    "id": "req_123",
    "idempotency_key": "idempotency-key-123"
  },
  "type": "customer.created"
}
"#
);

const SLACK_BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

const VECTORS: &[Vector] = &[
    Vector {
        source: "GitHub's documentation, Validating webhook deliveries",
        scheme: Scheme::Github,
        secret: "It's a Secret to Everybody",
        other: OTHER,
        headers: &[(
            "x-hub-signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        )],
        body: "Hello, World!",
        signed_at: None,
    },
    Vector {
        source: "Slack's documentation, Verifying requests from Slack",
        scheme: Scheme::Slack,
        secret: "8f742231b10e8888abcd99yyyzzz85a5",
        other: OTHER,
        headers: &[
            ("x-slack-request-timestamp", "1531420618"),
            ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ],
        body: SLACK_BODY,
        signed_at: Some(1_531_420_618),
    },
    Vector {
        source: "stripe-dotnet, EventUtilityTest.cs with event_test_signature.json",
        scheme: Scheme::Stripe,
        secret: "webhook_secret",
        other: OTHER,
        headers: &[(
            "stripe-signature",
            "t=1533204620,v1=2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7,v0=63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef",
        )],
        body: STRIPE_BODY,
        signed_at: Some(1_533_204_620),
    },
    Vector {
        source: "SQLPage, its test of the form that Shopify signs (Shopify publishes no value)",
        scheme: Scheme::Shopify,
        secret: "test-webhook-secret",
        other: OTHER,
        headers: &[("x-shopify-hmac-sha256", "QNyObTlKbMx2qDlPF/ZOZcBqg5OgPg+2oky3zldc0Gw=")],
        body: r#"{"id":1234567890,"email":"customer@example.com","total_price":"123.45"}"#,
        signed_at: None,
    },
    Vector {
        source: "the reference libraries of Standard Webhooks, among signatures of other secrets and versions",
        scheme: Scheme::StandardWebhooks,
        secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        other: "whsec_b2xkIHNlY3JldCBvZiB0aGUgaG9vaw==",
        headers: &[
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            (
                "webhook-signature",
                "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= v1a,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
        ],
        body: STANDARD_BODY,
        signed_at: Some(1_614_265_330),
    },
    Vector {
        source: "Svix's libraries: the same under their own names",
        scheme: Scheme::StandardWebhooks,
        secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        other: "whsec_b2xkIHNlY3JldCBvZiB0aGUgaG9vaw==",
        headers: &[
            ("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("svix-timestamp", "1614265330"),
            ("svix-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ],
        body: STANDARD_BODY,
        signed_at: Some(1_614_265_330),
    },
    Vector {
        source: "svix-webhooks, the server's test of asymmetric signing; the signature is the specification's example",
        scheme: Scheme::StandardWebhooks,
        secret: STANDARD_PUBLIC,
        other: OTHER_PUBLIC,
        headers: &[
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            (
                "webhook-signature",
                "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
            ),
        ],
        body: STANDARD_BODY,
        signed_at: Some(1_614_265_330),
    },
];

#[test]
fn every_published_vector_is_met_and_no_other() {
    for vector in VECTORS {
        let Vector { source, secret, other, body, signed_at, .. } = vector;
        let spec = VerifySpec::new(vector.scheme);
        let mut map = HeaderMap::new();
        for (name, value) in vector.headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let now_ms = signed_at.unwrap_or(0) * 1_000;
        let at = |secrets: &[&str], body: &[u8], now_ms| {
            let secrets: Vec<_> = secrets.iter().map(|secret| secret.as_bytes()).collect();
            verify(&spec, &secrets, &map, body, now_ms)
        };
        let verified =
            at(&[secret], body.as_bytes(), now_ms).unwrap_or_else(|refusal| panic!("{source}: {refusal:?}"));
        assert_eq!(verified.timestamp_ms, signed_at.map(|seconds| seconds * 1_000), "{source}");
        let id = vector.headers.iter().find(|(name, _)| name.ends_with("-id")).map(|(_, id)| *id);
        assert_eq!(verified.delivery_id.as_deref(), id, "{source}");
        assert!(at(&[other, secret], body.as_bytes(), now_ms).is_ok(), "{source}");
        assert_eq!(at(&[other], body.as_bytes(), now_ms), Err(Refusal::Mismatch), "{source}");

        let mut changed = body.as_bytes().to_vec();
        changed[body.len() / 2] ^= 1;
        assert_eq!(at(&[secret], &changed, now_ms), Err(Refusal::Mismatch), "{source}");
        if signed_at.is_some() {
            let window = DEFAULT_TOLERANCE_MS;
            assert_eq!(at(&[secret], body.as_bytes(), now_ms + window + 1), Err(Refusal::Stale), "{source}");
            assert_eq!(at(&[secret], body.as_bytes(), now_ms - window - 1), Err(Refusal::Future), "{source}");
        }
    }
}
