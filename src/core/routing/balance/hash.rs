//! The same key to the same endpoint, by rendezvous hashing.
//!
//! # Design notes
//!
//! Every endpoint gets a score from the key and its own id, and the highest wins. So a key moves only when its own endpoint
//! leaves, or when a new one outbids it: with n endpoints, one part in n, and spread over all the others. A ring needs
//! hundreds of points per endpoint to be as even, and to be made anew with every snapshot. The price is one multiplication
//! or two per endpoint and request, 150 ns for a hundred endpoints.
//!
//! A score must be the same in every gateway and every version, so the hash is spelt out here: FNV-1a, and the finaliser of
//! SplitMix64 on top, since FNV alone mixes the last bytes too little.

/// Requests at once below which an endpoint is never passed over, whatever the others have. A share is not made of a few
/// requests: one browser opens six connections, and would be torn between two endpoints.
const FEW: u64 = 16;

/// FNV-1a.
#[must_use]
pub fn stable_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Spreads a number over all of its bits; one to one.
#[must_use]
pub fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// The index of the endpoint for a key: the one with the highest score among those that `usable` does not refuse.
pub fn rendezvous(
    key: u64,
    count: usize,
    id: impl Fn(usize) -> u64,
    usable: impl Fn(usize) -> bool,
) -> Option<usize> {
    (0..count)
        .filter(|index| usable(*index))
        .max_by_key(|index| mix(key ^ mix(id(*index))))
}

/// How many requests at once an endpoint takes by its keys when all of the endpoints together work on `total`: a quarter
/// more than its share (consistent hashing with bounded loads). The keys of one that has more go to their next choice.
#[must_use]
pub fn bound(total: u64, count: usize) -> u64 {
    let count = count.max(1) as u64;
    let share = (total.saturating_add(1))
        .saturating_mul(5)
        .div_ceil(count.saturating_mul(4));
    share.max(FEW)
}
