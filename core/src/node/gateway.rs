//! What the gateway in front of us means for our record.

use super::Node;
use super::discovery::Purpose;
use super::machine::{OwnRecord, with_port};
use crate::discv4;
use crate::identity::LocalEndpoints;
use crate::nat;

impl Node {
    pub(super) fn on_gateway(&mut self, status: &nat::Status) {
        let before = core::mem::replace(&mut self.gateway, *status);
        if before.external == status.external {
            return;
        }
        let listen_port = self.configured.0;
        let mapped = status.external.tcp.filter(|_| listen_port != 0);
        self.listen_port = mapped.unwrap_or(listen_port);
        let endpoints = self.behind_gateway(self.configured.1);
        let entries = with_port(self.entries.clone(), self.listen_port);
        match &mut self.record {
            OwnRecord::Discovery(_) => {
                self.ask(Purpose::Nobody, discv4::Command::SetEndpoints(endpoints));
                self.ask_to_say(Purpose::Nobody, entries);
            }
            OwnRecord::Alone(local) => {
                let now = self.now.mono;
                // Who has no discovery keeps no number of its record.
                let _ = local.set_endpoints(now, endpoints);
                // A port more or less always fits.
                if local.set_entries(now, entries.clone()).is_ok() {
                    self.entries = entries;
                }
            }
        }
    }

    /// What is known of our endpoint with what the gateway says of it.
    pub(super) fn behind_gateway(&self, mut endpoints: LocalEndpoints) -> LocalEndpoints {
        let external = &self.gateway.external;
        if let Some(ip) = external.ip {
            endpoints.set_static(ip);
        }
        endpoints.fallback_udp = external.udp.unwrap_or(endpoints.fallback_udp);
        endpoints
    }
}
