//! Joins a network by a bootnode and prints the nodes that it meets, until it is
//! interrupted.
//!
//! ```text
//! cargo run -p devp2p-smol --example discover -- enode://…@192.0.2.1:30303
//! ```
//!
//! Without a bootnode it is one: run it a second time with the URL it prints.

use std::error::Error;
use std::sync::Arc;

use devp2p_smol::core::crypto::SecretKey;
use devp2p_smol::core::identity::{Contact, Enode};
use devp2p_smol::core::node;
use devp2p_smol::host::seed;
use devp2p_smol::{Config, DiscoveryEvent, Executor, discover};

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = node::Config::new(SecretKey::generate(&mut seed()?.secrets()));
    for url in std::env::args().skip(1) {
        config.bootstrap_nodes.push(Contact::from_enode(&url.parse::<Enode>()?));
    }
    let executor = Arc::new(Executor::new());
    async_io::block_on(executor.run(async {
        let discovery = discover(Config::new(config, seed()?), &executor)?;
        println!("we are {}", discovery.enode());
        while let Some(event) = discovery.next_event().await {
            match event {
                DiscoveryEvent::Ready => println!("ready"),
                DiscoveryEvent::Added(node) => println!("+ {node}"),
                DiscoveryEvent::Updated(node) => println!("~ {node}"),
                DiscoveryEvent::Removed(id) => println!("- {id}"),
                DiscoveryEvent::LocalRecord(record) => println!("our record is {record}"),
                other @ (DiscoveryEvent::Refused(..) | _) => println!("{other:?}"),
            }
        }
        Ok(())
    }))
}
