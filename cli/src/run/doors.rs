//! Where a running node is asked: the admin socket and the metrics port.

use core::net::SocketAddr;
use std::path::PathBuf;

use devp2p_smol::{Node, Peer};

use crate::admin::{Api, Door};
use crate::failure::Failure;
use crate::metrics::{Metrics, Port};
use crate::runtime::Runtime;

use super::settings::Settings;

/// Both, as far as they are asked for. The socket goes with it.
#[derive(Debug)]
pub(super) struct Doors {
    metrics: Option<Metrics>,
    /// Where the metrics are.
    url: Option<String>,
    _admin: Option<Door>,
}

/// Both, before there is a node: whoever cannot open them starts none.
#[derive(Debug)]
pub(super) struct Closed {
    admin: Option<Door>,
    port: Option<Port>,
    datadir: Option<PathBuf>,
}

impl Closed {
    /// Opens the socket that the settings name, and the port of the metrics.
    pub(super) fn open(settings: &Settings, metrics: Option<SocketAddr>) -> Result<Self, Failure> {
        let admin = settings
            .socket
            .clone()
            .map(|path| Door::open(&path).map_err(|error| Failure::File(path, error)));
        let port = metrics.map(|at| {
            Port::open(at)
                .map_err(|error| Failure::Start(devp2p_smol::StartError::Listen(at, error)))
        });
        let datadir = settings.data_directory.clone();
        Ok(Self { admin: admin.transpose()?, port: port.transpose()?, datadir })
    }

    /// There is a node: serves who comes.
    pub(super) fn serve(self, node: &Node, runtime: &Runtime) -> Result<Doors, Failure> {
        let Self { mut admin, port, datadir } = self;
        if let Some(admin) = &mut admin {
            let api = Api { node: node.clone(), datadir };
            admin.serve(api, runtime).map_err(crate::failure::system("admin socket"))?;
        }
        let failed = crate::failure::system;
        let (mut metrics, mut url) = (None, None);
        if let Some(port) = port {
            let counted = Metrics::new().map_err(std::io::Error::other);
            let counted = counted.map_err(failed("metrics"))?;
            url = Some(port.url().map_err(failed("metrics"))?);
            port.serve(node.clone(), counted.clone(), runtime).map_err(failed("metrics"))?;
            metrics = Some(counted);
        }
        Ok(Doors { metrics, url, _admin: admin })
    }
}

impl Doors {
    /// Where the metrics are.
    pub(super) fn metrics_url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// A peer was admitted.
    pub(super) fn admitted(&self, peer: &Peer) {
        if let Some(metrics) = &self.metrics {
            metrics.shook_hands(peer.handshake_time());
        }
    }
}
