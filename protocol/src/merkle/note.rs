//! Signed checkpoints: the C2SP `tlog-checkpoint` text in a C2SP signed note, with one Ed25519 signature.
//!
//! ```text
//! tenantry/ten_0199…
//! 42
//! <root, base64>
//!
//! — tenantry/host <key hash and signature, base64>
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::{Hash, TreeHead, sha256};

/// The algorithm byte of Ed25519 in C2SP signed notes.
const ED25519_NOTE: u8 = 1;

/// Who signs notes: a name and the public half of an Ed25519 key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    /// Stands in the signature line; no spaces, no `+`.
    pub name: String,
    /// The 32 bytes of the public key.
    pub public: [u8; 32],
}

impl VerifyingKey {
    /// The first bytes of a signature: tell keys of the same name apart.
    fn hash(&self) -> [u8; 4] {
        let hash = sha256(&[self.name.as_bytes(), b"\n", &[ED25519_NOTE], &self.public]);
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }

    /// The key as text, `name+hash+key`, as C2SP writes it.
    pub fn to_text(&self) -> String {
        let hash = u32::from_be_bytes(self.hash());
        let mut key = vec![ED25519_NOTE];
        key.extend_from_slice(&self.public);
        format!("{}+{hash:08x}+{}", self.name, STANDARD.encode(key))
    }

    /// The key that the text stands for; `None` if the text is no Ed25519 key or its hash does not fit.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, hash, key) = (parts.next()?, parts.next()?, parts.next()?);
        let (algorithm, public) = STANDARD.decode(key).ok()?.split_first().map(|(a, k)| (*a, k.to_vec()))?;
        let key = Self { name: name.to_owned(), public: public.try_into().ok()? };
        let fits = algorithm == ED25519_NOTE && format!("{:08x}", u32::from_be_bytes(key.hash())) == hash;
        fits.then_some(key)
    }
}

/// The text that is signed.
pub fn body(origin: &str, head: &TreeHead) -> String {
    format!("{origin}\n{}\n{}\n", head.size, STANDARD.encode(head.root))
}

/// The signed note over the text of [`body`].
pub fn seal(body: &str, key: &VerifyingKey, signature: &[u8]) -> String {
    let mut signed = key.hash().to_vec();
    signed.extend_from_slice(signature);
    format!("{body}\n\u{2014} {} {}\n", key.name, STANDARD.encode(signed))
}

/// A checkpoint taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whose log.
    pub origin: String,
    /// What it states.
    pub head: TreeHead,
    body: String,
    /// Name, key hash, signature.
    signatures: Vec<(String, [u8; 4], Vec<u8>)>,
}

impl Note {
    /// Takes a note apart; `None` if it is none. Says nothing about its signatures.
    pub fn parse(text: &str) -> Option<Self> {
        let (body, signatures) = text.split_once("\n\n")?;
        let mut lines = body.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let root: Hash = STANDARD.decode(root).ok()?.try_into().ok()?;
        let head = TreeHead { size: size.parse().ok()?, root };
        let signatures = signatures.lines().map(signature_line).collect::<Option<Vec<_>>>()?;
        Some(Self { origin: origin.to_owned(), head, body: format!("{body}\n"), signatures })
    }

    /// Whether the key has signed the note.
    pub fn verify(&self, key: &VerifyingKey) -> bool {
        let public = UnparsedPublicKey::new(&ED25519, &key.public);
        self.signatures.iter().any(|(name, hash, signature)| {
            *name == key.name && *hash == key.hash() && public.verify(self.body.as_bytes(), signature).is_ok()
        })
    }
}

fn signature_line(line: &str) -> Option<(String, [u8; 4], Vec<u8>)> {
    let (name, signed) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let signed = STANDARD.decode(signed).ok()?;
    let (hash, signature) = signed.split_first_chunk::<4>()?;
    Some((name.to_owned(), *hash, signature.to_vec()))
}

/// Standard base64 with padding, as in notes.
pub(super) fn base64_text(hash: &Hash) -> String {
    STANDARD.encode(hash)
}
