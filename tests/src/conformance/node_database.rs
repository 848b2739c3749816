//! Discovery with a node database on disk: what a restart finds of the run
//! before, and what becomes of a database that cannot be used.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use devp2p_core::crypto::SecretKey;
use devp2p_core::store::{Operation, OperationId, Reply, StoreCounts};
use devp2p_handle::Discovery;
use devp2p_host::StartError;
use devp2p_host::store::{Store, StoreError};

use super::Runtime;
use super::discovery::{contact, key};
use super::rig::{ANY, Rig};

/// A node and its database, which outlive each run of it.
struct Home {
    _place: tempfile::TempDir,
    path: PathBuf,
    key: SecretKey,
}

impl Home {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        // It is made with all that leads to it.
        let path = place.path().join("data/nodes");
        Self { _place: place, path, key: key() }
    }

    fn start<R: Runtime>(&self, rig: &Rig<R>, bootnodes: &[&Discovery]) -> Discovery {
        self.try_start(rig, bootnodes).unwrap()
    }

    fn try_start<R: Runtime>(
        &self,
        rig: &Rig<R>,
        bootnodes: &[&Discovery],
    ) -> Result<Discovery, StartError> {
        rig.discover_with(self.key.clone(), ANY, bootnodes, 1, Some(&self.path))
    }

    /// Stores what a longer run would have: a node that has answered six pings
    /// of the table, which takes half a minute.
    fn remember(&self, node: &Discovery) {
        let (send, replies) = mpsc::channel();
        let store = Store::open(&self.path, move |_, reply| send.send(reply).unwrap()).unwrap();
        store.submit(OperationId(0), Operation::PutContact(contact(node))).unwrap();
        store.close();
        assert_eq!(replies.recv(), Ok(Reply::Written { up_to: OperationId(0) }));
    }

    fn aside(&self) -> PathBuf {
        self.path.with_file_name("nodes.damaged-1")
    }
}

async fn counts<R: Runtime>(rig: &Rig<R>, node: &Discovery) -> StoreCounts {
    rig.snapshot(node).await.store.expect("it has a store")
}

pub fn a_restart_without_bootnodes_finds_the_network_and_goes_on_with_its_number<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let ann = rig.discovery(&[]);
        assert_eq!(rig.snapshot(&ann).await.store, None);
        let home = Home::new();
        let bob = home.start(&rig, &[&ann]);
        let first = bob.record().sequence();
        rig.meets(&bob, &ann).await;
        rig.meets(&ann, &bob).await;
        assert_eq!(bob.record().sequence(), first);
        assert_eq!(counts(&rig, &bob).await, StoreCounts::default());
        rig.stop_discovery(&bob).await;
        home.remember(&ann);

        for number in [first + 1, first + 2] {
            let bob = home.start(&rig, &[]);
            assert_eq!(bob.record().sequence(), number, "nobody has to wait for that");
            assert_eq!(rig.snapshot(&bob).await.bonds, 1, "proved before");
            rig.meets(&bob, &ann).await;
            assert_eq!(counts(&rig, &bob).await, StoreCounts::default());
            rig.stop_discovery(&bob).await;
        }
        rig.stop_discovery(&ann).await;
        rig.no_task_is_left().await;
    });
}

pub fn a_node_that_is_dropped_has_stored_what_it_had_to<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let home = Home::new();
        let mut last = 0;
        for _ in 0..10 {
            let bob = home.start(&rig, &[]);
            let number = bob.record().sequence();
            assert!(last == 0 || number == last + 1);
            last = number;
            drop(bob);
            rig.no_task_is_left().await;
        }
    });
}

pub fn a_node_database_that_somebody_has_is_refused_and_who_has_it_goes_on<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let (ann, home) = (rig.discovery(&[]), Home::new());
        let bob = home.start(&rig, &[]);
        for _ in 0..3 {
            let refused = home.try_start(&rig, &[&ann]).unwrap_err();
            let locked = matches!(refused, StartError::NodeDatabase(StoreError::Locked));
            assert!(locked, "{refused:?}");
        }
        rig.pong(&bob, &contact(&ann)).await;
        rig.stop_discovery(&bob).await;
        // It is free as soon as it has stopped.
        let bob = home.start(&rig, &[]);
        assert_eq!(counts(&rig, &bob).await, StoreCounts::default());
    });
}

pub fn a_node_database_that_cannot_be_made_is_refused<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let home = Home::new();
        fs::create_dir_all(home.path.parent().unwrap()).unwrap();
        fs::write(&home.path, "a file").unwrap();
        let refused = home.try_start(&rig, &[]).unwrap_err();
        assert!(matches!(refused, StartError::NodeDatabase(StoreError::Io(_))), "{refused:?}");
        assert_eq!(fs::read(&home.path).unwrap(), b"a file");
        rig.no_task_is_left().await;
    });
}

/// What is in a directory.
fn names(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn a_damaged_node_database_is_set_aside_and_counted<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let (ann, home) = (rig.discovery(&[]), Home::new());
        rig.stop_discovery(&home.start(&rig, &[])).await;
        fs::remove_file(home.path.join("CURRENT")).unwrap();
        let damaged = names(&home.path);
        let bob = home.start(&rig, &[&ann]);
        let found = counts(&rig, &bob).await;
        assert_eq!((found.set_aside, found.failed, found.torn), (1, 0, 0));
        assert_eq!(names(&home.aside()), damaged, "nothing is lost");
        rig.meets(&bob, &ann).await;
        let first = bob.record().sequence();
        rig.stop_discovery(&bob).await;
        let bob = home.start(&rig, &[]);
        assert_eq!(bob.record().sequence(), first + 1, "the new one remembers");
        assert_eq!(counts(&rig, &bob).await, StoreCounts::default());
    });
}

pub fn a_node_database_that_was_cut_off_is_counted_and_used<R: Runtime>() {
    Rig::<R>::run(async |rig| {
        let home = Home::new();
        let bob = home.start(&rig, &[]);
        let first = bob.record().sequence();
        rig.stop_discovery(&bob).await;
        let log = names(&home.path).into_iter().rfind(|name| name.ends_with(".log")).unwrap();
        let log = home.path.join(log);
        let mut bytes = fs::read(&log).unwrap();
        // The beginning of a record that a power failure cut off.
        bytes.extend_from_slice(&[1, 2, 3, 4, 100, 0, 1, 9, 9]);
        fs::write(&log, bytes).unwrap();
        let bob = home.start(&rig, &[]);
        let found = counts(&rig, &bob).await;
        assert_eq!((found.set_aside, found.failed, found.torn), (0, 0, 9));
        assert_eq!(bob.record().sequence(), first + 1);
    });
}
