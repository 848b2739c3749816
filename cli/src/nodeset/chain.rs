//! Which nodes serve a public chain: those whose fork identifier (EIP-2124) is
//! one that the chain had, has, or will have.
//!
//! A fork identifier's hash is the CRC-32 of the genesis hash and all forks so
//! far, block numbers first and times after them, each a big-endian 64-bit
//! number. geth's tool checks as a node that knows the whole plan and stands at
//! the genesis block; then EIP-2124 comes down to this: the hash must be one of
//! those. What the other says of its next fork cannot contradict us.
//!
//! Source: geth 1.17.6, `params/config.go` and `core/forkid`. A fork that is
//! planned later has to be added here.

use crc32fast::Hasher;

use crate::args::Network;

/// A chain's plan.
struct Chain {
    genesis: [u8; 32],
    /// Numbers of the blocks and times that changed the rules after genesis.
    forks: &'static [u64],
}

const MAINNET: Chain = Chain {
    genesis: hash(
        0xd4e5_6740_f876_aef8_c010_b86a_40d5_f567,
        0x45a1_18d0_906a_34e6_9aec_8c0d_b1cb_8fa3,
    ),
    forks: &[
        1_150_000,     // Homestead
        1_920_000,     // DAO
        2_463_000,     // Tangerine Whistle
        2_675_000,     // Spurious Dragon
        4_370_000,     // Byzantium
        7_280_000,     // Constantinople, Petersburg
        9_069_000,     // Istanbul
        9_200_000,     // Muir Glacier
        12_244_000,    // Berlin
        12_965_000,    // London
        13_773_000,    // Arrow Glacier
        15_050_000,    // Gray Glacier
        1_681_338_455, // Shanghai
        1_710_338_135, // Cancun
        1_746_612_311, // Prague
        1_764_798_551, // Osaka
        1_765_290_071, // BPO 1
        1_767_747_671, // BPO 2
    ],
};

const SEPOLIA: Chain = Chain {
    genesis: hash(
        0x25a5_cc10_6eea_7138_acab_3323_1d71_60d6,
        0x9cb7_77ee_0c2c_553f_cddf_5138_993e_6dd9,
    ),
    forks: &[
        1_735_371,     // the split after the merge
        1_677_557_088, // Shanghai
        1_706_655_072, // Cancun
        1_741_159_776, // Prague
        1_760_427_360, // Osaka
        1_761_017_184, // BPO 1
        1_761_607_008, // BPO 2
        1_791_294_816, // Amsterdam
    ],
};

const HOODI: Chain = Chain {
    genesis: hash(
        0xbbe3_1286_8b37_6a30_0169_2a64_6dd2_d7d1,
        0xe440_6380_dfd8_6b98_aa8a_34d1_557c_971b,
    ),
    forks: &[
        1_742_999_832, // Prague
        1_761_677_592, // Osaka
        1_762_365_720, // BPO 1
        1_762_955_544, // BPO 2
    ],
};

/// The bytes of a hash, written as two numbers.
const fn hash(high: u128, low: u128) -> [u8; 32] {
    let (high, low) = (high.to_be_bytes(), low.to_be_bytes());
    let mut hash = [0; 32];
    let mut at = 0;
    while at < 16 {
        hash[at] = high[at];
        hash[at + 16] = low[at];
        at += 1;
    }
    hash
}

/// All fork hashes that a network had, has, or will have.
pub(super) fn fork_hashes(network: Network) -> Vec<[u8; 4]> {
    let chain = match network {
        Network::Mainnet => MAINNET,
        Network::Sepolia => SEPOLIA,
        Network::Hoodi => HOODI,
    };
    let mut sum = Hasher::new();
    sum.update(&chain.genesis);
    let mut hashes = vec![sum.clone().finalize().to_be_bytes()];
    for fork in chain.forks {
        sum.update(&fork.to_be_bytes());
        hashes.push(sum.clone().finalize().to_be_bytes());
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// geth `core/forkid/forkid_test.go`, `TestCreation`.
    const SUMS: [(Network, &[u32]); 3] = [
        (
            Network::Mainnet,
            &[
                0xfc64_ec04,
                0x97c2_c34c,
                0x91d1_f948,
                0x7a64_da13,
                0x3edd_5b10,
                0xa00b_c324,
                0x668d_b0af,
                0x879d_6e30,
                0xe029_e991,
                0x0eb4_40f6,
                0xb715_077d,
                0x20c3_27fc,
                0xf0af_d0e3,
                0xdce9_6c2d,
                0x9f3d_2254,
                0xc376_cf8b,
                0x5167_e2a6,
                0xcba2_a1c0,
                0x07c9_462e,
            ],
        ),
        (
            Network::Sepolia,
            &[
                0xfe33_66e7,
                0xb96c_bd13,
                0xf7f9_bc08,
                0x88cf_81d9,
                0xed88_b5fd,
                0xe2ae_4999,
                0x5607_8a1e,
                0x2689_56b6,
                0x6c1d_9423,
            ],
        ),
        (Network::Hoodi, &[0xbef7_1d30, 0x0929_e24e, 0xe7e0_e7ff, 0x3893_353e, 0x23aa_1351]),
    ];

    #[test]
    fn the_fork_hashes_are_those_of_geth() {
        for (network, sums) in SUMS {
            let expected: Vec<_> = sums.iter().map(|sum| sum.to_be_bytes()).collect();
            assert_eq!(fork_hashes(network), expected, "{network:?}");
        }
    }
}
