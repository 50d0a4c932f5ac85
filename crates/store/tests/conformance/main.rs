//! Every test of the store runs on SQLite and on PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failure is a failed test, and tests spawn their own tasks"
)]

mod access;
mod audit;
mod bench;
mod journal;
mod keks;
mod ledger;
mod mails;
mod money;
mod outage;
mod people;
mod policies;
mod resources;
mod takeover;

/// `on_both!(module { test, … })`: each `async fn test(bench: Bench)` of the module, on either engine.
macro_rules! on_both {
    ($($module:ident { $($test:ident),* $(,)? })*) => {
        mod sqlite {$(
            mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::$module::$test(crate::bench::Bench::sqlite()).await;
                }
            )*}
        )*}
        mod postgres {$(
            mod $module {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::$module::$test(crate::bench::Bench::postgres().await).await;
                }
            )*}
        )*}
    };
}

on_both! {
    access {
        a_request_is_decided_once_and_not_after_its_end,
    }
    audit {
        entries_are_numbered_by_organization_and_come_with_their_change,
        writers_at_once_leave_no_gap,
        the_database_refuses_to_change_what_is_recorded,
    }
    resources {
        names_are_unique_where_they_must_be,
        nothing_crosses_a_tenant,
        credentials_rotate_once_a_version,
        a_refused_credential_is_marked_once,
        a_deployment_is_made_once,
        pages_are_complete_and_in_order,
        a_code_is_good_for_one_use,
        failures_are_counted_until_they_are_old,
        sessions_and_keys_end,
        one_kek_is_active,
        a_key_is_claimed_once,
    }
    keks {
        nothing_is_sealed_under_a_key_that_is_gone,
        a_wrapped_key_is_replaced_only_as_it_was_read,
        work_on_keys_tells_how_far_it_is,
    }
    mails {
        what_is_due_is_found_and_an_event_is_raised_once,
        a_mail_waits_for_who_can_act_on_it,
    }
    people {
        an_organization_ends_with_everything_but_its_records,
        a_project_ends_with_what_it_holds,
        an_invitation_is_found_by_its_link_until_it_ends,
        of_two_owners_who_demote_each_other_one_remains,
    }
    policies {
        a_token_loads_with_all_that_decides,
        changes_are_heard_before_commit_returns,
        changes_are_told_one_after_the_other,
        no_epoch_is_told_twice_after_a_commit_that_failed,
        a_commit_that_nobody_waits_for_is_still_heard,
        a_transaction_that_is_dropped_leaves_nothing,
        what_a_writer_has_read_stays_so_until_it_commits,
        the_epoch_survives_a_restart,
    }
    journal {
        many_intents_share_few_rows,
        an_intent_is_there_when_it_resolves,
        a_reopened_store_settles_what_is_open,
        refusals_are_coalesced_in_a_flood,
        the_newest_request_wakes_a_follower,
        a_second_server_is_refused,
        requests_are_filtered_and_paged,
        requests_are_found_in_their_pages,
        rare_requests_are_looked_for_in_several_goes,
        usage_is_grouped,
        what_an_answer_claims_stops_nothing,
        what_a_model_is_called_stops_nothing,
        the_newest_version_that_served_is_known,
        a_control_plane_write_waits_its_turn,
    }
    money {
        projections_equal_a_naive_fold,
        a_crash_settles_at_the_hold_as_it_grew,
        the_first_outcome_counts,
        a_killed_projection_counts_once,
        a_rebuild_changes_nothing,
        not_sent_gives_its_place_in_the_day_back,
        a_new_version_makes_a_projection_anew,
        a_refusal_is_told_from_an_attempt_of_its_request,
    }
    ledger {
        random_transactions_balance,
        the_database_refuses_what_does_not_balance_or_changes,
        a_transaction_is_undone_once,
        a_grant_ends_once,
        a_charge_is_posted_once,
        what_ends_after_the_close_is_billed_later,
        a_killed_posting_counts_once,
        an_invoice_has_one_number_and_stays,
    }
    outage {
        intents_are_refused_and_outcomes_survive,
        a_row_that_landed_all_the_same_is_not_charged,
        a_restart_imports_the_spool,
        an_import_twice_counts_once,
        what_does_not_fit_the_spool_stays_in_memory,
    }
}
