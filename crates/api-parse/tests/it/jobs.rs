//! Jobs and their schedules.

use super::support::{check, world};

#[tokio::test]
async fn jobs_are_started_and_scheduled_with_the_master_key() {
    let world = world().await;
    check(
        &world,
        &[
            (
                "",
                "POST",
                "/jobs/clean",
                "{}",
                403,
                &["unauthorized: master key is required"],
            ),
            (
                "",
                "GET",
                "/cloud_code/jobs",
                "",
                403,
                &["unauthorized: master key is required"],
            ),
            (
                "read-only",
                "POST",
                "/jobs/clean",
                "{}",
                400,
                &["\"code\":119"],
            ),
            (
                "master",
                "POST",
                "/jobs/nobody",
                "{}",
                400,
                &["\"code\":141", "Invalid job."],
            ),
            ("master", "POST", "/jobs/clean", r#"{"a":1}"#, 200, &["{}"]),
            (
                "master",
                "POST",
                "/jobs",
                r#"{"jobName":"report"}"#,
                200,
                &["{}"],
            ),
            (
                "master",
                "GET",
                "/classes/_JobStatus",
                "",
                200,
                &[
                    "\"jobName\":\"clean\"",
                    "\"status\":\"running\"",
                    "\"source\":\"api\"",
                    "\"params\":{\"a\":1}",
                ],
            ),
            ("master", "GET", "/cloud_code/jobs", "", 200, &["[]"]),
            (
                "master",
                "POST",
                "/cloud_code/jobs",
                r#"{"job_schedule":{"jobName":"clean","description":"nightly"}}"#,
                201,
                &["\"objectId\""],
            ),
            (
                "master",
                "GET",
                "/cloud_code/jobs",
                "",
                200,
                &[
                    "\"description\":\"nightly\"",
                    "\"startAfter\":\"2023",
                    "!results",
                ],
            ),
            (
                "master",
                "GET",
                "/cloud_code/jobs/data",
                "",
                200,
                &["\"in_use\":[\"clean\"]", "\"jobs\":[\"clean\",\"report\"]"],
            ),
        ],
    )
    .await;
}
