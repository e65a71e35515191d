//! `/metrics`: counters of the server, readings of everything else, as Prometheus text.

use crate::doors::DOORS;
use crate::process;
use basalt_base::AppId;
use basalt_listener::{Route, StatsView};
use basalt_store::Reading;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the duration histogram in microseconds, and how they are shown in seconds.
const BUCKETS: [(u64, &str); 10] = [
    (100, "0.0001"),
    (300, "0.0003"),
    (1_000, "0.001"),
    (3_000, "0.003"),
    (10_000, "0.01"),
    (30_000, "0.03"),
    (100_000, "0.1"),
    (300_000, "0.3"),
    (1_000_000, "1"),
    (10_000_000, "10"),
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counters of one door.
#[derive(Debug, Default)]
struct DoorCounters {
    by_class: [AtomicU64; CLASSES.len()],
    by_duration: [AtomicU64; BUCKETS.len() + 1],
    duration_us: AtomicU64,
}

/// Most pairs of a route and an app that are counted apart; further ones are counted with the door
/// only. Routes come from the adapters' tables and apps from the registry, so that only a server of
/// very many apps gets there.
const ROUTES_MAX: usize = 10_000;

/// A route by its door, its template, and the app.
type RouteKey = (usize, &'static str, Option<AppId>);

/// Counters of one route of one app.
#[derive(Debug, Default)]
struct RouteCounters {
    by_class: [AtomicU64; CLASSES.len()],
    duration_us: AtomicU64,
}

/// Counters of all doors and routes.
#[derive(Debug)]
pub(crate) struct Metrics {
    doors: Vec<DoorCounters>,
    routes: RwLock<HashMap<RouteKey, Arc<RouteCounters>>>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            doors: DOORS.iter().map(|_| DoorCounters::default()).collect(),
            routes: RwLock::default(),
        }
    }

    /// Counts an answered request of the door at this place of the table.
    pub(crate) fn count(
        &self,
        door: usize,
        route: Option<&Route>,
        status: http::StatusCode,
        took: Duration,
    ) {
        let Some(counters) = self.doors.get(door) else {
            return;
        };
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS
            .iter()
            .position(|(bound, _)| us <= *bound)
            .unwrap_or(BUCKETS.len());
        for (counter, by) in [
            (&counters.by_class[class], 1),
            (&counters.by_duration[bucket], 1),
            (&counters.duration_us, us),
        ] {
            counter.fetch_add(by, Ordering::Relaxed);
        }
        if let Some(counters) = route.and_then(|route| self.route(door, route)) {
            counters.by_class[class].fetch_add(1, Ordering::Relaxed);
            counters.duration_us.fetch_add(us, Ordering::Relaxed);
        }
    }

    fn route(&self, door: usize, route: &Route) -> Option<Arc<RouteCounters>> {
        let key = (door, route.template, route.app.clone());
        if let Some(counters) = self.routes.read().get(&key) {
            return Some(Arc::clone(counters));
        }
        let mut routes = self.routes.write();
        if routes.len() >= ROUTES_MAX && !routes.contains_key(&key) {
            return None;
        }
        Some(Arc::clone(routes.entry(key).or_default()))
    }

    /// The page.
    pub(crate) fn page(
        &self,
        listener: StatsView,
        open_apps: usize,
        store: Vec<Reading>,
    ) -> String {
        let mut page = Page::default();
        self.requests(&mut page);
        self.routes(&mut page);
        listener_readings(&mut page, listener);
        page.one("basalt_apps_open", "gauge", open_apps as f64);
        let usage = process::usage();
        page.one(
            "process_resident_memory_bytes",
            "gauge",
            usage.resident_bytes as f64,
        );
        page.one("process_cpu_seconds_total", "counter", usage.cpu_seconds);
        page.one("process_open_fds", "gauge", usage.descriptors as f64);
        page.one("process_threads", "gauge", usage.threads as f64);
        for reading in store {
            let labels: Vec<_> = reading
                .labels
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let kind = if reading.name.ends_with("_total") {
                "counter"
            } else {
                "gauge"
            };
            page.add(reading.name, kind, reading.name, &labels, reading.value);
        }
        page.finish()
    }

    fn routes(&self, page: &mut Page) {
        let mut routes: Vec<_> = self
            .routes
            .read()
            .iter()
            .map(|(key, counters)| (key.clone(), Arc::clone(counters)))
            .collect();
        routes.sort_by(|(a, _), (b, _)| {
            let name = |key: &RouteKey| key.2.as_ref().map(|app| app.as_str().to_owned());
            (a.0, a.1, name(a)).cmp(&(b.0, b.1, name(b)))
        });
        for ((door, template, app), counters) in &routes {
            let app = app.as_ref().map_or("", AppId::as_str);
            let route = [
                ("adapter", DOORS[*door].1),
                ("route", *template),
                ("app", app),
            ];
            for (class, counter) in CLASSES.iter().zip(&counters.by_class) {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 {
                    let [adapter, template, app] = route;
                    let labels = [adapter, template, app, ("status", *class)];
                    let name = "basalt_route_requests_total";
                    page.add(name, "counter", name, &labels, count as f64);
                }
            }
            let seconds = counters.duration_us.load(Ordering::Relaxed) as f64 / 1e6;
            let name = "basalt_route_seconds_total";
            page.add(name, "counter", name, &route, seconds);
        }
    }

    fn requests(&self, page: &mut Page) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for ((_, door, _), counters) in DOORS.iter().zip(&self.doors) {
            let total: u64 = counters.by_class.iter().map(load).sum();
            if total == 0 {
                continue;
            }
            let name = "basalt_requests_total";
            for (class, counter) in CLASSES.iter().zip(&counters.by_class) {
                let labels = [("adapter", *door), ("status", class)];
                page.add(name, "counter", name, &labels, load(counter) as f64);
            }
            let family = "basalt_request_duration_seconds";
            let bucket = "basalt_request_duration_seconds_bucket";
            let mut so_far = 0;
            let bounds = BUCKETS.iter().map(|(_, shown)| *shown).chain(["+Inf"]);
            for (bound, counter) in bounds.zip(&counters.by_duration) {
                so_far += load(counter);
                page.add(
                    family,
                    "histogram",
                    bucket,
                    &[("adapter", door), ("le", bound)],
                    so_far as f64,
                );
            }
            let labels = [("adapter", *door)];
            let seconds = load(&counters.duration_us) as f64 / 1e6;
            page.add(
                family,
                "histogram",
                "basalt_request_duration_seconds_sum",
                &labels,
                seconds,
            );
            page.add(
                family,
                "histogram",
                "basalt_request_duration_seconds_count",
                &labels,
                so_far as f64,
            );
        }
    }
}

fn listener_readings(page: &mut Page, stats: StatsView) {
    for (name, kind, value) in [
        ("basalt_connections_open", "gauge", stats.connections_open),
        (
            "basalt_connections_total",
            "counter",
            stats.connections_total,
        ),
        (
            "basalt_connections_refused_total",
            "counter",
            stats.refused_total,
        ),
        (
            "basalt_connections_refused_per_ip_total",
            "counter",
            stats.refused_per_ip_total,
        ),
        (
            "basalt_accept_errors_total",
            "counter",
            stats.accept_errors_total,
        ),
        (
            "basalt_tls_handshake_failures_total",
            "counter",
            stats.handshake_failures_total,
        ),
        (
            "basalt_malformed_requests_total",
            "counter",
            stats.malformed_total,
        ),
        ("basalt_request_panics_total", "counter", stats.panics_total),
        (
            "basalt_request_timeouts_total",
            "counter",
            stats.timeouts_total,
        ),
        ("basalt_slow_peers_total", "counter", stats.slow_peers_total),
    ] {
        page.one(name, kind, value as f64);
    }
}

/// Lines by family: the format wants each family's lines together.
#[derive(Default)]
struct Page {
    families: BTreeMap<&'static str, (&'static str, String)>,
}

impl Page {
    fn one(&mut self, name: &'static str, kind: &'static str, value: f64) {
        self.add(name, kind, name, &[], value);
    }

    fn add(
        &mut self,
        family: &'static str,
        kind: &'static str,
        name: &str,
        labels: &[(&str, &str)],
        value: f64,
    ) {
        let (_, lines) = self.families.entry(family).or_insert((kind, String::new()));
        lines.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(
                lines,
                "{}{label}=\"{text}\"",
                if at == 0 { "{" } else { "," }
            );
        }
        let _ = writeln!(
            lines,
            "{} {value}",
            if labels.is_empty() { "" } else { "}" }
        );
    }

    fn finish(self) -> String {
        let families = self.families.iter();
        families.fold(String::new(), |mut page, (name, (kind, lines))| {
            let _ = write!(page, "# TYPE {name} {kind}\n{lines}");
            page
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    fn the_page_is_prometheus_text() {
        let metrics = Metrics::new();
        let route = Route {
            template: "/classes/:class",
            app: Some(AppId::new("shop")),
        };
        metrics.count(2, Some(&route), StatusCode::OK, Duration::from_micros(150));
        metrics.count(2, None, StatusCode::NOT_FOUND, Duration::from_mins(1));
        let store = vec![Reading {
            name: "basalt_store_wal_bytes",
            labels: vec![("app", "a\"b\\c\nd".to_owned())],
            value: 1.5,
        }];
        let page = metrics.page(StatsView::default(), 1, store);
        for line in [
            "# TYPE basalt_requests_total counter",
            r#"basalt_requests_total{adapter="parse",status="2xx"} 1"#,
            r#"basalt_request_duration_seconds_bucket{adapter="parse",le="0.0001"} 0"#,
            r#"basalt_request_duration_seconds_bucket{adapter="parse",le="0.0003"} 1"#,
            r#"basalt_request_duration_seconds_bucket{adapter="parse",le="+Inf"} 2"#,
            r#"basalt_request_duration_seconds_count{adapter="parse"} 2"#,
            r#"basalt_route_requests_total{adapter="parse",route="/classes/:class",app="shop",status="2xx"} 1"#,
            r#"basalt_route_seconds_total{adapter="parse",route="/classes/:class",app="shop"} 0.00015"#,
            r#"basalt_store_wal_bytes{app="a\"b\\c\nd"} 1.5"#,
            "# TYPE basalt_connections_open gauge",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        let types = page
            .lines()
            .filter(|line| line.starts_with("# TYPE"))
            .count();
        let distinct: std::collections::HashSet<_> = page
            .lines()
            .filter(|line| line.starts_with("# TYPE"))
            .collect();
        assert_eq!(types, distinct.len());
    }
}
