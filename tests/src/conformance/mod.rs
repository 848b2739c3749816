//! What every adapter must do over real sockets, written once.
//!
//! An adapter's test implements [`Runtime`] and names it to
//! [`conformance!`](crate::conformance!), which makes one test of each case:
//!
//! ```text
//! devp2p_tests::conformance!(OnSmol);
//! ```
//!
//! The cases hold types of [`devp2p_handle`] only. Time is real here: they
//! wait for what happens, never for a time to pass, and give up after
//! [`LIMIT`]. Loopback only.
#![allow(missing_docs, reason = "the names of the cases are sentences")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, on whatever else there is"
)]

mod alone;
mod raw;
mod rig;

pub mod application;
pub mod connect;
pub mod discovery;
pub mod endings;
pub mod events;
pub mod idle;
pub mod listener;
pub mod node_database;
pub mod peers;
pub mod pressure;
pub mod refusals;
pub mod stopping;

use core::future::Future;
use core::time::Duration;

use devp2p_handle::{Discovery, Node};
use devp2p_host::{Config, StartError};

pub use alone::{alone, apart};
pub use rig::{LIMIT, Rig};

/// An adapter on its runtime. Clones are the same runtime; when the last one
/// is gone its threads end.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A runtime of its own for one case, with its threads running.
    fn new() -> Self;

    /// Starts a node.
    fn start(&self, config: Config) -> Result<Node, StartError>;

    /// Starts discovery alone.
    fn discover(&self, config: Config) -> Result<Discovery, StartError>;

    /// Runs a task beside the others.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Runs the case itself, on the calling thread.
    fn block_on<T>(&self, case: impl Future<Output = T>) -> T;

    /// Real time.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;

    /// Whether no task is left, the adapter's own and the spawned ones.
    fn is_empty(&self) -> bool;

    /// A count that grows whenever a task is polled, and only then.
    fn polls(&self) -> u64;
}

/// Makes a test of each case, run on this [`Runtime`].
#[macro_export]
macro_rules! conformance {
    ($runtime:ty) => {
        $crate::conformance! { $runtime;
            connect {
                both_sides_see_who_the_other_is_and_what_both_have
                a_host_name_is_looked_up
                messages_of_every_size_arrive_byte_for_byte_in_both_directions
                a_message_that_no_frame_holds_is_refused_and_the_connection_goes_on
                capabilities_of_one_connection_are_kept_apart
                a_ping_measures_a_round_trip_for_everyone_who_asks
                a_ping_ends_when_the_connection_does
            }
            refusals {
                peers_without_a_shared_capability_are_useless_to_each_other
                a_node_that_takes_anyone_hears_that_it_is_useless
                a_node_that_dials_itself_is_refused_by_itself
                a_node_is_connected_to_another_once
                a_full_node_refuses_until_a_slot_is_free
                a_node_of_another_identity_is_not_connected_to
                a_port_where_nobody_listens_refuses_the_dial
                an_enode_without_an_address_cannot_be_dialled
                a_host_name_that_nobody_can_have_cannot_be_dialled
                a_listener_that_never_speaks_is_given_up_after_five_seconds
                a_listener_that_speaks_garbage_is_a_handshake_error
                nothing_is_answered_to_garbage
            }
            pressure {
                a_slow_reader_stops_its_own_connection_and_no_other
                a_peer_that_does_not_read_its_socket_stops_its_own_connection_and_no_other
                dials_come_through_while_other_connections_are_as_busy_as_can_be
            }
            endings {
                each_side_knows_who_ended_the_connection_and_why
                a_disconnect_arrives_though_unread_bytes_lie_in_the_socket_of_who_says_it
                a_disconnect_is_heard_though_a_reset_follows_it
                a_message_sent_just_before_a_disconnect_arrives
                messages_from_before_the_end_can_be_read_after_it
                a_message_for_which_there_was_no_room_can_be_read_after_the_end
                dropping_all_handles_of_a_peer_says_client_quitting
                the_peer_of_a_task_that_panics_hears_that_it_quits_and_the_node_goes_on
                dropping_a_dial_gives_the_attempt_up
                dropping_a_dial_at_any_moment_leaves_no_connection
                dropping_the_last_handle_of_a_node_stops_it
            }
            stopping {
                an_idle_node_stops_at_once_and_leaves_nothing
                a_node_stops_while_it_dials_into_the_void
                requests_that_come_with_a_stop_are_all_answered
                a_node_stops_under_load_and_says_so_to_everyone
                a_node_stops_in_the_middle_of_handshakes
                a_node_stops_though_nobody_takes_its_events
            }
            events {
                no_event_is_lost_when_nobody_takes_them_for_a_while
                a_peer_comes_before_it_goes_even_when_nobody_looked
                connections_wait_when_nobody_takes_events
            }
            listener {
                a_stranger_is_served_after_fifty_connections_that_never_speak
            }
            peers {
                both_sides_dial_at_once_and_have_one_connection
                a_trusted_node_gets_in_though_all_places_are_taken
                limits_change_while_a_node_runs
                a_peer_that_is_removed_is_told_that_it_was_asked_for
                networks_outside_of_those_allowed_are_neither_taken_nor_dialled
                who_is_cut_off_in_the_middle_of_a_handshake_leaves_its_place
                a_connection_whose_other_end_is_gone_is_given_up
                a_node_stops_while_it_dials_and_is_dialled
            }
            idle {
                idle_connections_wake_nobody
            }
            discovery {
                two_nodes_know_each_other_when_one_knows_the_other
                a_third_node_is_found_through_the_first
                packets_are_verified_without_threads_too
                one_socket_takes_both_families
                datagrams_that_are_too_long_are_dropped_and_counted
                what_cannot_be_sent_is_counted_and_the_rest_goes_on
                a_flood_of_garbage_stops_neither_proven_nodes_nor_connections
                requests_that_are_dropped_are_given_up
                discovery_without_anybody_wakes_nobody
                stopping_discovery_answers_everyone_and_leaves_nothing
                dropping_the_last_handle_of_discovery_stops_it
                discovery_stops_in_the_middle_of_a_flood
            }
            application {
                applications_ping_each_other_and_are_given_back_when_their_nodes_stop
                what_an_application_asks_is_answered_after_the_peer_that_came_of_it
                an_application_hears_of_a_peer_from_its_beginning_to_its_end_in_order
                what_a_slow_reader_leaves_no_room_for_comes_back_and_goes_when_there_is_some
                code_of_no_runtime_runs_on_this_one
                a_runtime_measures_the_time_that_its_node_lives_in
            }
            node_database {
                a_restart_without_bootnodes_finds_the_network_and_goes_on_with_its_number
                a_node_that_is_dropped_has_stored_what_it_had_to
                a_node_database_that_somebody_has_is_refused_and_who_has_it_goes_on
                a_node_database_that_cannot_be_made_is_refused
                a_damaged_node_database_is_set_aside_and_counted
                a_node_database_that_was_cut_off_is_counted_and_used
            }
        }
        $crate::conformance! { alone $runtime;
            listener {
                the_listener_outlives_a_lack_of_file_descriptors
                two_thousand_connections_that_never_speak_keep_nobody_out
                peers_that_come_and_leave_at_once_leave_nothing
            }
            stopping {
                a_stopped_node_leaves_no_file_descriptor
            }
            discovery {
                stopped_discovery_leaves_no_thread_and_no_file_descriptor
            }
        }
        $crate::conformance! { apart $runtime;
            peers {
                an_address_that_comes_again_within_half_a_minute_is_not_heard
            }
        }
    };
    ($runtime:ty; $($room:ident { $($case:ident)* })*) => {$($(
        #[test]
        fn $case() {
            $crate::conformance::$room::$case::<$runtime>();
        }
    )*)*};
    ($how:ident $runtime:ty; $($room:ident { $($case:ident)* })*) => {$($(
        #[test]
        fn $case() {
            $crate::conformance::$how(module_path!(), stringify!($case), || {
                $crate::conformance::$room::$case::<$runtime>();
            });
        }
    )*)*};
}
