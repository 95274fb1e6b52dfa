//! Philox4x32-10: random numbers that are a function of what they are for (Salmon et al. 2011,
//! "Parallel random numbers: as easy as 1, 2, 3"). Spec: `src/kernels/philox.ts`.

/// Blocks that are made side by side: one AVX-512 register of each word.
pub const LANES: usize = 16;

/// The four words of `LANES` blocks whose counters differ in word `moving` only, by one each.
/// Word j of block i stands at [j][i].
#[inline(always)]
pub fn blocks(counter: [u32; 4], moving: usize, key: [u32; 2]) -> [[u32; LANES]; 4] {
    let mut words = [[0u32; LANES]; 4];
    for (word, start) in words.iter_mut().zip(counter) {
        *word = [start; LANES];
    }
    for (i, word) in words[moving].iter_mut().enumerate() {
        *word = word.wrapping_add(i as u32);
    }
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        let [c0, c1, c2, c3] = words;
        for i in 0..LANES {
            let (low, high) = (c0[i] as u64 * 0xD251_1F53, c2[i] as u64 * 0xCD9E_8D57);
            words[0][i] = (high >> 32) as u32 ^ c1[i] ^ k0;
            words[1][i] = high as u32;
            words[2][i] = (low >> 32) as u32 ^ c3[i] ^ k1;
            words[3][i] = low as u32;
        }
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    words
}
