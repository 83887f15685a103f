//! The tree against another implementation, against the vectors of Certificate Transparency, and under attack.

use ct_merkle::digest::{self, FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use ring::digest::{Context, SHA256};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::note::{self, Note, VerifyingKey};
use super::record::{Checkpoint, Record, canonical, from_hex, to_hex, verify_export};
use super::*;
use crate::audit::{AuditVerified, AuditView};

/// The other implementation's hash, on ring.
#[derive(Clone)]
struct Sha256(Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Update for Sha256 {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

impl OutputSizeUser for Sha256 {
    type OutputSize = digest::consts::U32;
}

impl FixedOutput for Sha256 {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(self.0.finish().as_ref());
    }
}

impl HashMarker for Sha256 {}

fn contents(size: usize) -> Vec<Vec<u8>> {
    (0..size).map(|number| format!("leaf {number}").into_bytes()).collect()
}

fn hashes(contents: &[Vec<u8>]) -> Vec<Hash> {
    contents.iter().map(|content| leaf_hash(content)).collect()
}

fn frontier(leaves: &[Hash]) -> Frontier {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier
}

fn oracle(contents: &[Vec<u8>]) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    for content in contents {
        tree.push(content.clone());
    }
    tree
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn roots_and_proofs_are_those_of_the_other_implementation(size in 1_usize..200, a in 0_usize..200, b in 0_usize..200) {
        let contents = contents(size);
        let leaves = hashes(&contents);
        let tree = oracle(&contents);
        let root = frontier(&leaves).root();
        let theirs = tree.root();
        prop_assert_eq!(&root[..], &theirs.as_bytes()[..]);
        prop_assert_eq!(root_of(&leaves), root);

        let index = a % size;
        let proof = inclusion_proof(&leaves, index).expect("a proof");
        let theirs = tree.prove_inclusion(index);
        prop_assert_eq!(proof.concat(), theirs.as_bytes());
        prop_assert!(verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root));

        let old = 1 + b % size;
        let proof = consistency_proof(&leaves, old).expect("a proof");
        if old < size {
            let theirs = tree.prove_consistency(size - old);
            prop_assert_eq!(proof.concat(), theirs.as_bytes());
        }
        let before = TreeHead { size: old as u64, root: root_of(&leaves[..old]) };
        let after = TreeHead { size: size as u64, root };
        prop_assert!(verify_consistency(&before, &after, &proof));
    }

    #[test]
    fn a_wrong_proof_proves_nothing(size in 2_usize..64, index in 0_usize..64, place in any::<usize>(), bit in 0_u8..8) {
        let leaves = hashes(&contents(size));
        let (index, root) = (index % size, root_of(&leaves));
        let mut proof = inclusion_proof(&leaves, index).expect("a proof");
        let other = (index + 1) % size;
        prop_assert!(!verify_inclusion(&leaves[other], index as u64, size as u64, &proof, &root));
        let mut longer = proof.clone();
        longer.push(root);
        prop_assert!(!verify_inclusion(&leaves[index], index as u64, size as u64, &longer, &root));
        let node = place % proof.len();
        proof[node][place % 32] ^= 1 << bit;
        prop_assert!(!verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root));
    }

    #[test]
    fn a_stored_frontier_goes_on_where_it_was(size in 0_usize..100) {
        let leaves = hashes(&contents(size + 1));
        let before = frontier(&leaves[..size]);
        let mut restored = Frontier::from_bytes(size as u64, &before.to_bytes()).expect("whole");
        restored.push(leaves[size]);
        prop_assert_eq!(restored, frontier(&leaves));
        let peaks = before.to_bytes();
        let fits = (size as u64).count_ones() == (size as u64 + 1).count_ones();
        prop_assert_eq!(Frontier::from_bytes(size as u64 + 1, &peaks).is_some(), fits);
        prop_assert_eq!(Frontier::from_bytes(size as u64, &peaks[..peaks.len().saturating_sub(1)]).is_some(), size == 0);
    }

    #[test]
    fn the_canonical_form_is_json_and_reads_back(text in "\\PC{0,40}", number in any::<i64>(), key in "[a-z\"\\\\\n]{0,8}") {
        let value = json!({ "b": text, "a": [number, null, true], key: { "z": 1, "a": 2 } });
        let once = canonical(&value);
        let again: serde_json::Value = serde_json::from_str(&once).expect("JSON");
        prop_assert_eq!(&again, &value);
        prop_assert_eq!(canonical(&again), once);
    }
}

/// The test vectors of Google's certificate-transparency project (merkletree tests).
#[test]
fn the_vectors_of_certificate_transparency() {
    let inputs =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let unhex = |text: &str| -> Vec<u8> {
        let digit = |byte: u8| char::from(byte).to_digit(16).expect("a digit") as u8;
        text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    };
    assert_eq!(to_hex(&empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let mut tree = Frontier::default();
    for (input, root) in inputs.iter().zip(roots) {
        tree.push(leaf_hash(&unhex(input)));
        assert_eq!(to_hex(&tree.root()), root);
        assert_eq!(from_hex(root), Some(tree.root()));
    }
}

struct Log {
    lines: Vec<String>,
    checkpoints: Vec<Checkpoint>,
    key: VerifyingKey,
}

fn log(size: u64) -> Log {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
    let public = pair.public_key().as_ref().try_into().expect("32 bytes");
    let key = VerifyingKey { name: "tenantry/host".to_owned(), public };
    let (mut frontier, mut lines, mut checkpoints) = (Frontier::default(), Vec::new(), Vec::new());
    for seq in 0..size {
        let detail = json!({ "n": seq, "note": "“quoted” \"\\ \u{1}" });
        let text = canonical(&detail);
        let record = Record {
            seq,
            at: 1_000 + seq as i64,
            actor: "host:uid-0",
            verb: "tenant.create",
            resource: "ten_1",
            outcome: "ok",
            request_id: "req_1",
            detail: &text,
        };
        let leaf = record.leaf();
        frontier.push(leaf);
        let view = AuditView {
            seq,
            at: record.at,
            actor: record.actor.to_owned(),
            verb: record.verb.to_owned(),
            resource: record.resource.to_owned(),
            outcome: record.outcome.to_owned(),
            request_id: record.request_id.to_owned(),
            detail,
            leaf: to_hex(&leaf),
        };
        lines.push(serde_json::to_string(&view).expect("JSON"));
        if seq % 4 == 3 {
            let head = TreeHead { size: seq + 1, root: frontier.root() };
            let body = note::body("tenantry/ten_1", &head);
            let note = note::seal(&body, &key, pair.sign(body.as_bytes()).as_ref());
            checkpoints.push(Checkpoint { size: seq + 1, note });
        }
    }
    Log { lines, checkpoints, key }
}

impl Log {
    fn verify(&self) -> AuditVerified {
        verify_export(self.lines.iter().map(String::as_str), self.checkpoints.clone(), Some(&self.key))
    }
}

#[test]
fn a_whole_export_verifies() {
    let verified = log(10).verify();
    assert!(verified.ok, "{verified:?}");
    assert_eq!((verified.records, verified.checkpoints), (10, 2));
}

/// What an attacker calls it, and how it is done.
type Tampering = (&'static str, fn(&mut Log));

#[test]
fn every_way_to_tamper_with_an_export_is_found() {
    let tampered: [Tampering; 7] = [
        ("changed", |log| log.lines[2] = log.lines[2].replace("host:uid-0", "host:uid-1")),
        ("changed with its leaf", |log| {
            let mut view: AuditView = serde_json::from_str(&log.lines[2]).expect("JSON");
            view.actor = "host:uid-1".to_owned();
            let detail = canonical(&view.detail);
            let AuditView { seq, at, actor, verb, resource, outcome, request_id, .. } = &view;
            let record =
                Record { seq: *seq, at: *at, actor, verb, resource, outcome, request_id, detail: &detail };
            view.leaf = to_hex(&record.leaf());
            log.lines[2] = serde_json::to_string(&view).expect("JSON");
        }),
        ("deleted", |log| drop(log.lines.remove(5))),
        ("reordered", |log| log.lines.swap(1, 2)),
        ("truncated", |log| log.lines.truncate(6)),
        ("a checkpoint of another key", |log| log.key.public[0] ^= 1),
        ("a note that is none", |log| log.checkpoints[0].note = "hello".to_owned()),
    ];
    for (what, tamper) in tampered {
        let mut log = log(8);
        tamper(&mut log);
        let verified = log.verify();
        assert!(!verified.ok && !verified.faults.is_empty(), "{what}: {verified:?}");
    }
}

#[test]
fn notes_and_keys_round_trip() {
    let log = log(4);
    assert_eq!(VerifyingKey::parse(&log.key.to_text()), Some(log.key.clone()));
    let note = Note::parse(&log.checkpoints[0].note).expect("a note");
    assert_eq!((note.origin.as_str(), note.head.size), ("tenantry/ten_1", 4));
    assert!(note.verify(&log.key));
    for text in ["", "\n\n", "a\nb\nc\n\nd", "a\n1\nAAAA\n\n\u{2014} x y\n"] {
        assert_eq!(Note::parse(text), None, "{text:?}");
    }
}
