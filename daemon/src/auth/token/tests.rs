use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use tenantry_protocol::error::ErrorCode;

use super::*;
use crate::auth::revocation::Revocations;
use crate::clock::Clock;

const TTL: Duration = Duration::from_mins(10);
const LEEWAY: Duration = Duration::from_secs(5);
const START: i64 = 1_700_000_000_000;

struct House {
    clock: Clock,
    ring: KeyRing,
    issuer: TokenIssuer,
    verifier: TokenVerifier,
    revocations: Arc<Revocations>,
}

fn house() -> House {
    let clock = Clock::manual(START);
    let ring = KeyRing::new(SigningKey::generate(START).expect("random bytes"), &[]);
    let revocations = Arc::<Revocations>::default();
    House {
        issuer: TokenIssuer::new(ring.clone(), clock.clone(), TTL),
        verifier: TokenVerifier::new(ring.clone(), clock.clone(), LEEWAY, Arc::clone(&revocations)),
        clock,
        ring,
        revocations,
    }
}

fn subject() -> Subject {
    let grant = Grant {
        role: Role::Operator,
        tenant: Some(TenantId::new(START)),
        scope: Some(vec![Permission::RunRead, Permission::WorkflowRun]),
    };
    Subject { id: "pri_1".to_owned(), name: "ci".to_owned(), grant, session: SessionId::new(START) }
}

impl House {
    fn issue(&self) -> String {
        self.issuer.issue(&subject()).expect("it is signed").token
    }

    fn refusal(&self, token: &str) -> Option<ErrorCode> {
        self.verifier.verify(token).err().map(|error| error.code())
    }

    /// A token of ours with other claims: what a bug in the issuer would make.
    fn sign(&self, claims: &str) -> String {
        self.ring.sign(claims.as_bytes())
    }
}

fn claims_json(house: &House) -> serde_json::Value {
    let token = house.issue();
    let payload = token.split('.').nth(1).expect("three segments");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

#[test]
fn a_token_round_trips_with_everything_it_says() {
    let house = house();
    for grant in [
        subject().grant,
        Grant { role: Role::HostAdmin, tenant: None, scope: None },
        Grant { role: Role::Viewer, tenant: Some(TenantId::new(1)), scope: Some(Vec::new()) },
    ] {
        let subject = Subject { grant, ..subject() };
        let issued = house.issuer.issue(&subject).expect("it is signed");
        let claims = house.verifier.verify(&issued.token).expect("it is good");
        assert_eq!(
            (&claims.subject, &claims.name, &claims.grant),
            (&subject.id, &subject.name, &subject.grant)
        );
        assert_eq!(claims.session, subject.session);
        assert_eq!(issued.expires_at_ms, START + 600_000);
        assert!(issued.token.len() < 1_024, "{} bytes", issued.token.len());
    }
}

#[test]
fn a_token_is_valid_from_its_issue_to_its_expiry_and_the_leeway() {
    let house = house();
    let token = house.issue();
    house.clock.advance(604_999);
    assert_eq!(house.refusal(&token), None);
    house.clock.advance(1);
    assert_eq!(house.refusal(&token), Some(ErrorCode::TokenExpired));
}

#[test]
fn a_token_from_the_future_is_refused() {
    let house = house();
    let mut claims = claims_json(&house);
    let now = START / 1_000;
    for (claim, ahead, good) in [("nbf", 5, true), ("nbf", 6, false), ("iat", 5, true), ("iat", 6, false)] {
        let before = claims[claim].clone();
        claims[claim] = (now + ahead).into();
        assert_eq!(house.refusal(&house.sign(&claims.to_string())).is_none(), good, "{claim} {ahead}");
        claims[claim] = before;
    }
}

#[test]
fn every_claim_is_required_and_of_its_own_type() {
    let house = house();
    let whole = claims_json(&house);
    assert_eq!(house.refusal(&house.sign(&whole.to_string())), None);
    let names: Vec<String> = whole.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(names.len(), 12);
    for name in &names {
        let mut without = whole.clone();
        without.as_object_mut().expect("an object").remove(name);
        assert_eq!(
            house.refusal(&house.sign(&without.to_string())),
            Some(ErrorCode::AuthRequired),
            "no {name}"
        );
        let wrong: [serde_json::Value; 5] =
            [serde_json::Value::Null, true.into(), "".into(), serde_json::json!([1]), serde_json::json!({})];
        for value in wrong.into_iter().chain([serde_json::json!(1.5), "4102444800".into()]) {
            // Any text is a principal's name or token id, and the empty scope is a scope.
            let fits = matches!((name.as_str(), value.as_str()), ("name", Some(_)) | ("scope", Some("")))
                || (matches!(name.as_str(), "sub" | "jti")
                    && value.as_str().is_some_and(|text| !text.is_empty()));
            let mut changed = whole.clone();
            changed[name] = value.clone();
            let refused = house.refusal(&house.sign(&changed.to_string()));
            assert_eq!(refused.is_none(), fits, "{name} = {value}");
        }
    }
}

#[test]
fn unknown_and_double_claims_are_refused() {
    let house = house();
    let whole = claims_json(&house).to_string();
    let inner = whole.trim_start_matches('{');
    for extra in [r#""admin":true,"#, r#""sub":"pri_2","#, r#""exp":4102444800,"#] {
        let token = house.sign(&format!("{{{extra}{inner}"));
        assert_eq!(house.refusal(&token), Some(ErrorCode::AuthRequired), "{extra}");
    }
    for claims in ["", "{}", "null", "[]", "{", "\u{0}"] {
        assert_eq!(house.refusal(&house.sign(claims)), Some(ErrorCode::AuthRequired), "{claims:?}");
    }
}

#[test]
fn another_issuer_audience_or_permission_is_refused() {
    let house = house();
    for (claim, value) in
        [("iss", "tenantry2"), ("aud", "other"), ("scope", "run:read root:all"), ("tid", "ten_1")]
    {
        let mut claims = claims_json(&house);
        claims[claim] = value.into();
        assert_eq!(house.refusal(&house.sign(&claims.to_string())), Some(ErrorCode::AuthRequired), "{claim}");
    }
}

#[test]
fn no_other_header_is_accepted() {
    let house = house();
    let token = house.issue();
    let (header, rest) = token.split_once('.').expect("three segments");
    let header = String::from_utf8(URL_SAFE_NO_PAD.decode(header).expect("base64url")).expect("UTF-8");
    let kid = house.ring.active().kid().to_owned();
    for changed in [
        header.replace("EdDSA", "none"),
        header.replace("EdDSA", "HS256"),
        header.replace("at+jwt", "JWT"),
        header.replace(&kid, "other"),
        header.replace('}', r#","crit":["exp"]}"#),
        header.replace('}', r#","kid":"x"}"#),
        header.replace(r#","kid""#, r#", "kid""#),
        format!(r#"{{"kid":"{kid}","alg":"EdDSA","typ":"at+jwt"}}"#),
        r#"{"alg":"none"}"#.to_owned(),
    ] {
        assert_ne!(changed, header);
        let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(&changed));
        assert_eq!(house.refusal(&token), Some(ErrorCode::AuthRequired), "{changed}");
    }
}

#[test]
fn unsigned_short_and_huge_texts_are_refused() {
    let house = house();
    let token = house.issue();
    let (signed, _) = token.rsplit_once('.').expect("three segments");
    let huge = format!("{token}{}", "A".repeat(SIZE_LIMIT));
    for bad in [
        &format!("{signed}."),
        signed,
        "",
        ".",
        "..",
        "...",
        &format!("{token}."),
        &format!("{token}="),
        &huge,
    ] {
        assert_eq!(house.refusal(bad), Some(ErrorCode::AuthRequired), "{bad:.40}");
    }
}

#[test]
fn a_rotated_key_verifies_until_it_retires_and_signs_no_more() {
    let house = house();
    let old = house.issue();
    assert_eq!(house.refusal(&old), None);
    house.ring.rotate(SigningKey::generate(START).expect("random bytes"), START + 60_000);
    let new = house.issue();
    assert_ne!(old.split('.').next(), new.split('.').next(), "another key signs");
    assert_eq!((house.refusal(&old), house.refusal(&new)), (None, None));
    house.clock.advance(59_999);
    let fresh = TokenVerifier::new(house.ring.clone(), house.clock.clone(), LEEWAY, Arc::default());
    assert!(fresh.verify(&old).is_ok());
    house.clock.advance(1);
    assert!(fresh.verify(&new).is_ok());
    let fresh = TokenVerifier::new(house.ring.clone(), house.clock.clone(), LEEWAY, Arc::default());
    assert!(fresh.verify(&old).is_err());
}

/// Logins and requests go on while keys are replaced: a fresh token is always good.
#[test]
fn a_rotation_disturbs_nobody() {
    let house = house();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..60 {
                    let token = house.issue();
                    assert_eq!(house.refusal(&token), None);
                    assert_eq!(house.refusal(&token), None);
                }
            });
        }
        scope.spawn(|| {
            // At most two keys retire at once; the third pushes the first out, as its time has passed by then.
            for _ in 0..2 {
                house.ring.rotate(SigningKey::generate(START).expect("random bytes"), START + 605_000);
            }
        });
    });
}

#[test]
fn a_stored_key_signs_the_same_after_a_restart() {
    let house = house();
    let token = house.issue();
    let stored = house.ring.active().to_stored(None);
    let ring = KeyRing::new(SigningKey::restore(stored).expect("it is whole"), &[]);
    let verifier = TokenVerifier::new(ring, house.clock.clone(), LEEWAY, Arc::default());
    assert!(verifier.verify(&token).is_ok());
}

#[test]
fn a_key_of_another_ring_verifies_nothing() {
    let (here, there) = (house(), house());
    assert_eq!(here.refusal(&there.issue()), Some(ErrorCode::AuthRequired));
    // Not even under our own header.
    let (ours, theirs) = (here.issue(), there.issue());
    let header = ours.split('.').next().expect("three segments");
    let rest = theirs.split_once('.').expect("three segments").1;
    assert_eq!(here.refusal(&format!("{header}.{rest}")), Some(ErrorCode::AuthRequired));
}

#[test]
fn a_revocation_holds_from_the_next_request_on_even_for_cached_tokens() {
    let house = house();
    let (token, other) = (house.issue(), house.issue());
    let claims = house.verifier.verify(&token).expect("it is good");
    house.revocations.revoke_session(claims.session, i64::MAX);
    assert_eq!(house.refusal(&other), None, "another session goes on");
    assert_eq!(house.refusal(&token), Some(ErrorCode::TokenRevoked));
}

#[test]
fn the_cache_stays_bounded() {
    let house = house();
    for _ in 0..1_100 {
        assert_eq!(house.refusal(&house.issue()), None);
    }
    assert!((1..=1_024).contains(&house.verifier.cached()));
}

proptest! {
    #[test]
    fn no_changed_byte_is_accepted(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let house = house();
        let token = house.issue();
        let mut bytes = token.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != with);
        bytes[at] = with;
        let changed = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(house.refusal(&changed), Some(ErrorCode::AuthRequired));
        // Nor after the genuine one was cached.
        prop_assert_eq!(house.refusal(&token), None);
        prop_assert_eq!(house.refusal(&changed), Some(ErrorCode::AuthRequired));
    }

    #[test]
    fn no_cut_or_grown_token_is_accepted(cut in 1_usize..200, tail in "[A-Za-z0-9_.=-]{1,8}") {
        let house = house();
        let token = house.issue();
        prop_assert!(house.refusal(&token[..token.len() - cut]).is_some());
        let grown = token.clone() + &tail;
        prop_assert!(house.refusal(&grown).is_some());
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}", tail in "[a-zA-Z0-9._-]{0,300}") {
        let house = house();
        prop_assert!(house.refusal(&text).is_some());
        prop_assert!(house.refusal(&tail).is_some());
    }
}
