//! A small seeded generator, so that a failing run can be repeated from the seed that it printed.

/// xorshift64* (Vigna 2016): fast, and far from good enough for anything secret.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that yields the same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A seed that differs from run to run, unless `TENANTRY_SEED` repeats one. Print it with every failure.
    pub fn seed_of_this_run() -> u64 {
        if let Some(seed) = std::env::var("TENANTRY_SEED").ok().and_then(|text| text.parse().ok()) {
            return seed;
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        now.as_secs() ^ u64::from(now.subsec_nanos()) << 20
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`, which must not be zero.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// True in half of the cases.
    pub fn coin(&mut self) -> bool {
        self.bits() >> 63 == 1
    }
}
