//! The disconnect's payload: any bytes give a reason, the same one whatever
//! stands behind the part that is looked at, and each reason survives.

use devp2p_core::limits;
use devp2p_core::p2p::DisconnectReason;

use crate::rlp;

/// Runs one input: the payload as it comes in.
pub fn run(data: &[u8]) {
    let reason = DisconnectReason::decode(data);
    assert_eq!(DisconnectReason::from_code(reason.code()), reason);
    assert_eq!(DisconnectReason::decode(&reason.encode()), reason);
    assert!(!reason.to_string().is_empty());
    let looked_at = &data[..data.len().min(limits::DISCONNECT_PAYLOAD)];
    assert_eq!(DisconnectReason::decode(looked_at), reason);

    // Both encodings that are in use, read by a second hand.
    let bare = rlp::read_uint(data);
    let listed = match data.split_first() {
        // A list's content is what its size says, or what there is of it.
        Some((0xC0..=0xF7, content)) => {
            let size = usize::from(data[0] - 0xC0).min(content.len());
            rlp::read_uint(&content[..size])
        }
        _ => None,
    };
    if let Some((number, _)) = bare.or(listed) {
        let expected = u8::try_from(number).map(DisconnectReason::from_code);
        assert_eq!(reason, expected.unwrap_or(DisconnectReason::Invalid));
    } else if data.first() != Some(&0xF8) {
        assert_eq!(reason, DisconnectReason::Invalid);
    }
}
