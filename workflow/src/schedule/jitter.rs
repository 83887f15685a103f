//! Spreads runs in time without a die: the same workflow and fire always get the same delay.

/// A delay below `range`, by a hash that spreads neighbours (FNV-1a, then the finaliser of SplitMix64). Nothing
/// depends on its being hard to guess.
pub(super) fn spread(workflow: &[u8], fire: i64, range: u64) -> u64 {
    if range == 0 {
        return 0;
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in workflow.iter().chain(&fire.to_le_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash ^ (hash >> 31)) % range
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn it_is_steady_and_reaches_every_part_of_the_range() {
        assert_eq!(spread(b"w", 5, 0), 0);
        assert_eq!(spread(b"w", 5, 60_000), spread(b"w", 5, 60_000));
        let mut tenths = [0_u32; 10];
        for fire in 0..10_000 {
            let delay = spread(b"workflow", fire * 86_400_000, 1_000);
            tenths[usize::try_from(delay / 100).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (800..1_200).contains(count)), "{tenths:?}");
    }
}
