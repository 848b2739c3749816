//! What one node says of itself on all its connections.

use core::fmt;

use alloc::string::String;
use alloc::vec::Vec;

use crate::crypto::{PublicKey, SecretKey};
use crate::error::Misuse;
use crate::limits;
use crate::p2p::{self, Capability, Hello, LocalCapabilities};

/// The node's key, name and offer. Sessions share it behind an `Arc`.
pub struct Local {
    secret: SecretKey,
    public: PublicKey,
    client_name: String,
    greeting: Greeting,
}

/// When our hello is sent, and what it offers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Greeting {
    /// At once, as the specification asks: these capabilities.
    Offer(LocalCapabilities),
    /// After the other's, offering just what it offered, so that any node
    /// admits us. For tools that ask nodes who they are; all messages arrive
    /// as capability 0 with their code less 16. Two such ends wait for each
    /// other until the hello's time is up.
    Mirror,
}

impl Local {
    /// Checks the parts. The public key is computed here, once.
    ///
    /// Fails with [`Misuse::ClientName`] if the name is too long.
    pub fn new(
        secret: SecretKey,
        client_name: impl Into<String>,
        greeting: Greeting,
    ) -> Result<Self, Misuse> {
        let client_name = client_name.into();
        if client_name.len() > limits::CLIENT_NAME {
            return Err(Misuse::ClientName);
        }
        let public = secret.public_key();
        Ok(Self { secret, public, client_name, greeting })
    }

    /// The static key.
    pub const fn secret(&self) -> &SecretKey {
        &self.secret
    }

    /// The static public key: who we are.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The client name that our hello states.
    pub fn client_name(&self) -> &str {
        &self.client_name
    }

    /// What our hello offers and when.
    pub const fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Our hello; `mirrored` is what the other offers, for those who mirror it.
    pub(super) fn hello(&self, mirrored: &[Capability]) -> Hello {
        let capabilities: Vec<Capability> = match &self.greeting {
            Greeting::Offer(offer) => offer.iter().map(|local| local.capability.clone()).collect(),
            Greeting::Mirror => mirrored.iter().take(limits::LOCAL_CAPABILITIES).cloned().collect(),
        };
        Hello {
            version: p2p::VERSION,
            client_name: self.client_name.clone(),
            capabilities,
            // geth sends 0 as well: the port is in the node's record.
            listen_port: 0,
            id: *self.public.as_bytes(),
        }
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("public", &self.public)
            .field("client_name", &self.client_name)
            .field("greeting", &self.greeting)
            .finish_non_exhaustive()
    }
}
