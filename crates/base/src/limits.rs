//! Limits on everything that comes in. Every field is a documented setting (`docs/settings.md`).

use std::time::Duration;

/// The limits that engines and adapters share. The defaults suit a public server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest JSON request body in bytes.
    pub body_bytes_max: usize,
    /// Deepest nesting of JSON in a body, a query or a stored value.
    pub json_depth_max: usize,
    /// Most values (each member of a list or map counts) in one JSON text: small values take many
    /// times their text's size in memory.
    pub json_values_max: usize,
    /// Largest stored object in bytes of its encoded form.
    pub object_bytes_max: usize,
    /// Longest user name and role name in bytes. (An e-mail address has at most 320, as its
    /// standard says.)
    pub name_bytes_max: usize,
    /// Most fields that one collection can have.
    pub fields_max: usize,
    /// Most collections of one app.
    pub collections_max: usize,
    /// Most operators (tests and logical nodes) in one filter, sub-queries included.
    pub filter_nodes_max: usize,
    /// Deepest nesting of logical operators in one filter.
    pub filter_depth_max: usize,
    /// Deepest nesting of sub-queries.
    pub subquery_depth_max: usize,
    /// Most rows that a sub-query may yield.
    pub subquery_rows_max: usize,
    /// Most values in one list operator such as `$in`.
    pub list_values_max: usize,
    /// Longest regular expression in bytes.
    pub regex_bytes_max: usize,
    /// Deepest include path.
    pub include_depth_max: usize,
    /// Most include paths of one query.
    pub include_paths_max: usize,
    /// Most requests in one batch.
    pub batch_requests_max: usize,
    /// Rows that a query returns when it names no limit.
    pub query_rows_default: usize,
    /// Largest skip.
    pub skip_max: u64,
    /// Most stages of an aggregate pipeline.
    pub pipeline_stages_max: usize,
    /// Memory that one aggregate may hold, in bytes.
    pub aggregate_bytes_max: usize,
    /// How long a query or aggregate may run.
    pub query_time_max: Duration,
    /// How deep hooks may trigger each other.
    pub hook_depth_max: usize,
    /// How long one call of a webhook may take, waiting for its turn included.
    pub webhook_time_max: Duration,
    /// Most webhooks of one app that run at once.
    pub webhooks_max: usize,
    /// Largest answer of a webhook in bytes.
    pub webhook_answer_bytes_max: usize,
    /// How long a function or trigger of Cloud Code may take.
    pub cloud_time_max: Duration,
    /// How long Cloud Code may run without a pause.
    pub cloud_slice_max: Duration,
    /// Most bytes that the Cloud Code of one app may hold.
    pub cloud_memory_bytes_max: usize,
    /// Most runs of one app's Cloud Code at once that no other run has caused.
    pub cloud_calls_max: usize,
    /// Most bytes of one app's logs of functions and hooks.
    pub log_bytes_max: usize,
    /// How long a line of those logs is kept.
    pub log_time_max: Duration,
    /// Most live connections of one address; loopback is exempt.
    pub live_sockets_per_ip_max: usize,
    /// Most live connections of one app on one node.
    pub live_clients_max: usize,
    /// Most live queries of one app on one node.
    pub live_subscriptions_max: usize,
    /// Most live queries of one connection.
    pub live_subscriptions_per_client_max: usize,
    /// Largest message of a live client in bytes.
    pub live_message_bytes_max: usize,
    /// Most messages a second of a live client, after a burst of as many and two for each
    /// subscription that it may have.
    pub live_messages_per_second_max: usize,
    /// Most events that wait for a live client; who has more is cut off.
    pub live_queue_messages_max: usize,
    /// Most bytes of events that wait for a live client.
    pub live_queue_bytes_max: usize,
    /// Most bytes of events that wait for all live clients of an app on one node.
    pub live_queues_bytes_max: usize,
    /// How long a live client may take to say who it is.
    pub live_handshake_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 20 * 1024 * 1024,
            json_depth_max: 100,
            json_values_max: 250_000,
            object_bytes_max: 16 * 1024 * 1024,
            name_bytes_max: 512,
            fields_max: 1_000,
            collections_max: 10_000,
            filter_nodes_max: 10_000,
            filter_depth_max: 50,
            subquery_depth_max: 10,
            subquery_rows_max: 100_000,
            list_values_max: 20_000,
            regex_bytes_max: 1_000,
            include_depth_max: 10,
            include_paths_max: 50,
            batch_requests_max: 50,
            query_rows_default: 100,
            skip_max: 1_000_000_000,
            pipeline_stages_max: 100,
            aggregate_bytes_max: 256 * 1024 * 1024,
            query_time_max: Duration::from_secs(30),
            hook_depth_max: 16,
            webhook_time_max: Duration::from_secs(15),
            webhooks_max: 64,
            webhook_answer_bytes_max: 8 * 1024 * 1024,
            cloud_time_max: Duration::from_secs(30),
            cloud_slice_max: Duration::from_secs(5),
            cloud_memory_bytes_max: 128 * 1024 * 1024,
            cloud_calls_max: 256,
            log_bytes_max: 64 * 1024 * 1024,
            log_time_max: Duration::from_hours(30 * 24),
            live_sockets_per_ip_max: 1_000,
            live_clients_max: 20_000,
            live_subscriptions_max: 100_000,
            live_subscriptions_per_client_max: 200,
            live_message_bytes_max: 256 * 1024,
            live_messages_per_second_max: 50,
            live_queue_messages_max: 4_096,
            live_queue_bytes_max: 4 * 1024 * 1024,
            live_queues_bytes_max: 256 * 1024 * 1024,
            live_handshake_time_max: Duration::from_secs(10),
        }
    }
}
