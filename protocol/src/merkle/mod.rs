//! The audit log's tree: RFC 6962 over SHA-256. Pure maths, shared by the daemon that appends and by whoever
//! verifies an export offline.
//!
//! What a record looks like as a leaf is in [`record`]; what a signed checkpoint looks like is in [`note`].

pub mod note;
pub mod record;
#[cfg(test)]
mod tests;

use ring::digest::{Context, SHA256, digest};

/// A node of the tree.
pub type Hash = [u8; 32];

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = Hash::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of a leaf (RFC 6962 §2.1).
pub fn leaf_hash(content: &[u8]) -> Hash {
    sha256(&[&[0], content])
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The root of a tree without leaves: the hash of nothing.
pub fn empty_root() -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, &[]).as_ref());
    hash
}

/// The right edge of a tree: enough to append and to tell the root, in O(log n) space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the full subtrees, from the largest to the smallest: one for every bit set in `size`.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// The peaks one after another, as they are stored beside the size.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.concat()
    }

    /// From what was stored; `None` where size and peaks do not belong together.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (peaks, rest) = bytes.as_chunks::<32>();
        let whole = rest.is_empty() && peaks.len() == size.count_ones() as usize;
        whole.then(|| Self { size, peaks: peaks.to_vec() })
    }
}

/// The root over the leaves.
pub fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// The largest power of two below `size`, for two or more leaves.
const fn split(size: usize) -> usize {
    1 << (usize::BITS - 1 - (size - 1).leading_zeros())
}

/// The path that proves that leaf `index` is in the tree over `leaves` (RFC 6962 §2.1.1); `None` if it is not.
pub fn inclusion_proof(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut within, mut index, mut proof) = (leaves, index, Vec::new());
    while within.len() > 1 {
        let middle = split(within.len());
        let (left, right) = within.split_at(middle);
        if index < middle {
            proof.push(root_of(right));
            within = left;
        } else {
            proof.push(root_of(left));
            within = right;
            index -= middle;
        }
    }
    proof.reverse();
    Some(proof)
}

/// Whether the path leads from the leaf to the root (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// The path that proves that the tree over the first `old` leaves is the beginning of the tree over all
/// (RFC 6962 §2.1.2); `None` if there are fewer leaves.
pub fn consistency_proof(leaves: &[Hash], old: usize) -> Option<Vec<Hash>> {
    if old > leaves.len() {
        return None;
    }
    if old == 0 || old == leaves.len() {
        return Some(Vec::new());
    }
    let (mut within, mut old, mut whole, mut proof) = (leaves, old, true, Vec::new());
    while old != within.len() {
        let middle = split(within.len());
        let (left, right) = within.split_at(middle);
        if old <= middle {
            proof.push(root_of(right));
            within = left;
        } else {
            proof.push(root_of(left));
            within = right;
            old -= middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(root_of(within));
    }
    proof.reverse();
    Some(proof)
}

/// The root of a tree of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// The number of leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// Whether the path shows that `old` is the beginning of `new` (RFC 9162 §2.1.4.2).
pub fn verify_consistency(old: &TreeHead, new: &TreeHead, proof: &[Hash]) -> bool {
    if old.size > new.size {
        return false;
    }
    if old.size == new.size {
        return proof.is_empty() && old.root == new.root;
    }
    if old.size == 0 {
        return proof.is_empty() && old.root == empty_root();
    }
    let mut path = proof.iter();
    // A full old tree is its own first node.
    let first = if old.size.is_power_of_two() { Some(&old.root) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut node, mut last) = (old.size - 1, new.size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_root, mut new_root) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_root = node_hash(sibling, &old_root);
            new_root = node_hash(sibling, &new_root);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new_root = node_hash(&new_root, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old_root == old.root && new_root == new.root
}
