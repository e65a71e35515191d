//! One suite that every store passes, run from the store's own tests:
//!
//! ```text
//! struct Dir(tempfile::TempDir);
//! impl Harness for Dir { /* opens the store in the directory */ }
//! basalt_store::conformance_tests!(|| Dir(tempfile::tempdir().unwrap()));
//! ```
//!
//! Each case starts from the factory's fresh, empty harness. To add a case, write an
//! `async fn(&dyn Harness)` in the module of its subject and name it in [`conformance_tests!`](crate::conformance_tests).
//! The case that finds most is `differential::agrees_with_the_evaluator`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_imports,
    missing_docs,
    reason = "these are tests that live in the library so that other crates can run them; a case's name says what it is about"
)]

use crate::Store;
use basalt_base::BoxFuture;
use std::sync::Arc;

/// A place for the data of one store, such as an empty directory or database.
pub trait Harness: Send + Sync {
    /// Opens the store on this place: empty the first time, later with what the earlier handles,
    /// all dropped by then, left behind.
    fn open(&self) -> BoxFuture<'_, Arc<dyn Store>>;

    /// Whether there is nothing to open, such as no database server; the cases then do nothing.
    /// Whoever says so has told people that nothing was tested.
    fn is_absent(&self) -> bool {
        false
    }
}

pub mod apps;
pub mod batches;
pub mod crud;
pub mod dice;
pub mod differential;
pub mod filters;
pub mod filters_nested;
mod fixture;
pub mod geo;
pub mod leases;
pub mod log;
pub mod nasty;
pub mod ops;
pub mod order;
pub mod random;
pub mod reads;
pub mod schema;
pub mod tasks;
mod tasks_fixture;
pub mod tasks_random;
pub mod unique;

pub use fixture::{Fixture, join_all, same_record};

/// Makes a `#[tokio::test]` of every case. `$factory` is an expression of `Fn() -> impl Harness`.
/// The calling crate needs tokio with its macros.
#[macro_export]
macro_rules! conformance_tests {
    (@cases $factory:expr; $($module:ident { $($case:ident)* })*) => {
        $(mod $module {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let harness = ($factory)();
                    if $crate::conformance::Harness::is_absent(&harness) {
                        return;
                    }
                    $crate::conformance::$module::$case(&harness).await;
                }
            )*
        })*
    };
    ($factory:expr) => {
        $crate::conformance_tests! { @cases $factory;
            crud {
                created_objects_are_read_back
                restored_objects_keep_their_times
                every_type_keeps_its_value
                missing_objects_and_collections_read_as_nothing
                creating_twice_is_refused
                updates_and_deletes_of_missing_objects_are_refused
                upserts_make_or_change
                preconditions_hold_or_refuse
                acls_are_kept_and_filtered
                ids_are_any_text
                times_are_cut_to_milliseconds
                explicit_null_is_not_missing
                writes_to_unknown_collections_are_refused
                deleting_by_filter_counts_and_limits
                revisions_never_repeat
                large_objects_are_kept
            }
            ops {
                set_and_unset
                set_on_insert_works_once
                increments_are_exact
                increments_run_in_the_store
                lists_grow_and_shrink
                nested_operations_make_their_way
                wrong_types_are_refused_and_change_nothing
                operations_apply_in_order
                nulls_need_no_field
            }
            filters {
                logic
                equality_by_type
                ranges_stay_in_their_family
                numbers_compare_by_exact_value
                null_and_missing
                membership
                existence
                negation_of_every_test
                text_is_compared_by_bytes
                patterns
                references_compare_by_id
                times_of_the_object
                ids
                unknown_fields_hold_nothing
                long_lists_of_values
            }
            filters_nested {
                arrays_match_by_element
                whole_arrays_are_equal
                all_and_contained_by
                all_match
                paths_into_maps
                paths_through_arrays
                numeric_steps
                nested_special_values
                nasty_keys
            }
            geo {
                near_has_a_radius
                near_sorts_by_distance
                points_without_a_place_come_last
                boxes_include_their_edges
                the_date_line_and_the_poles
            }
            order {
                one_key_each_way
                ties_follow_the_order_of_creation
                several_keys
                mixed_families
                nested_keys
                system_fields
                text_by_bytes
                skip_and_limit
                numbers_and_big_numbers
            }
            reads {
                projections
                counting_ignores_pages
                distinct_values
                scanning_streams_and_stops
                answers_carry_their_position
                snapshots_stand_still
                explaining_works_for_everything
                readings_have_names
                dropped_reads_do_no_harm
                dropped_scans_leave_their_snapshot
            }
            unique {
                a_taken_value_is_refused
                missing_values_dont_count
                values_can_be_freed_and_reused
                several_columns
                races_have_one_winner
                existing_duplicates_refuse_the_index
                updates_are_checked_too
                changing_one_index_keeps_the_others
                changing_a_part_of_a_key_keeps_the_rest
                values_go_round_in_one_batch
                references_and_numbers
                dropping_the_index_lifts_it
                case_matters
            }
            batches {
                all_or_nothing
                later_steps_see_earlier_ones
                a_failed_batch_leaves_the_others_alone
                a_batch_refused_late_leaves_the_next_whole
                failed_batches_leave_no_schema
                read_checks
                preconditions_in_batches
                many_at_once
                counters_lose_nothing
                empty_batches
                a_batch_can_do_everything
            }
            schema {
                ensuring_twice_is_once
                another_type_is_refused
                creating_twice_is_refused
                versions_grow_with_changes
                altering_keeps_values
                dropped_fields_come_back_empty
                dropped_collections_come_back_empty
                names_differ_by_case
                long_and_odd_names
                rules_and_defaults_are_kept
                indexes_are_listed
                unknown_things_are_refused
                relations_have_no_values
                racing_schema_changes_agree
                concurrent_writers_and_schema
            }
            log {
                positions_are_dense_and_in_order
                images_before_and_after
                refused_writes_leave_no_rows
                reading_on_from_a_position
                deletes_by_filter_are_logged
                names_are_those_of_the_time
                the_log_replays_to_the_state
            }
            apps {
                the_registry
                apps_are_separate
                handles_share
                deleted_apps_are_gone
                clearing_leaves_nothing
                everything_outlives_reopening
                verify_finds_nothing
            }
            nasty {
                texts_come_back_as_they_were
                numbers_come_back_exact
                deep_values
                text_is_never_code
                many_fields
            }
            differential {
                agrees_with_the_evaluator
                writes_agree_with_apply
            }
        }
    };
}

/// The same for what servers that share a store need: leases and the registry of nodes.
#[macro_export]
macro_rules! cluster_conformance_tests {
    ($factory:expr) => {
        $crate::conformance_tests! { @cases $factory;
            leases {
                one_holds_it_at_a_time
                tokens_grow_with_each_holder
                renewing_late_works_while_nobody_took_it
                races_have_one_winner
                a_fence_stops_whoever_was_overtaken
                a_fence_concerns_its_batch_alone
                apps_and_system_have_their_own
                leases_outlive_reopening_and_clearing
                odd_names_and_times_are_refused
                nodes_come_and_go
                the_registry_has_a_version
            }
        }
    };
}

/// The cases about tasks, as [`conformance_tests!`](crate::conformance_tests).
#[macro_export]
macro_rules! task_conformance_tests {
    ($factory:expr) => {
        $crate::conformance_tests! { @cases $factory;
            tasks {
                tasks_are_leased_in_order
                a_task_is_read_back_whole
                completed_tasks_are_gone
                leases_run_out
                released_tasks_come_back
                effects_and_completion_commit_together
                refused_batches_leave_no_tasks
                groups_are_done_in_order
                groups_belong_to_their_queue
                doubles_are_refused_quietly
                keys_live_with_their_task
                used_up_attempts_end_in_death
                the_dead_can_be_seen_retried_moved_and_purged
                queues_say_how_they_stand
                watchers_hear_of_commits
                what_is_too_much_is_refused
                tasks_outlive_reopening
                clearing_removes_tasks
                every_task_is_leased_once
                hints_of_due_work
            }
            tasks_random {
                agrees_with_the_model
            }
        }
    };
}
