//! Who a node is and where it says it can be reached: node id, enode URL,
//! node record.
//!
//! Nothing here looks a name up or opens a connection.

mod contact;
mod endpoint_statements;
mod enode;
mod host;
mod local_record;
mod network;
mod node_address;
mod node_id;
mod public_key;
mod record;
mod url;

pub use contact::{Contact, Incomplete};
pub use enode::{Enode, EnodeError};
pub use host::{Host, HostName, HostNameError};
pub use local_record::{LocalEndpoints, LocalRecord};
pub use network::{
    NetRestrict, RelayRefusal, Subnet, SubnetError, check_relay_address, is_lan, is_special,
};
pub use node_address::{NodeAddress, NodeAddressError};
pub use node_id::{Distance, NodeId, NodeIdError};
pub use public_key::{PublicKeyError, PublicKeyHex, public_key_from_hex};
pub use record::{
    Endpoint, Entries, EntriesIter, Entry, Record, RecordBuilder, RecordError, UnverifiedRecord,
};
