//! Geo points.

use super::Harness;
use super::fixture::*;
use crate::{FieldType, Filter, Path, Query, Sort, SortKey, Test};
use basalt_base::GeoPoint;

fn point(latitude: f64, longitude: f64) -> GeoPoint {
    GeoPoint::new(latitude, longitude).unwrap()
}

fn near(center: GeoPoint, kilometres: f64) -> Filter {
    let radians_max = Some(kilometres / 6_371.0);
    Filter::test(
        "p",
        Test::Near {
            center,
            radians_max,
        },
    )
}

fn within(south: f64, west: f64, north: f64, east: f64) -> Filter {
    let (south_west, north_east) = (point(south, west), point(north, east));
    Filter::test(
        "p",
        Test::WithinBox {
            south_west,
            north_east,
        },
    )
}

fn by_distance(center: GeoPoint, descending: bool) -> Vec<Sort> {
    let key = SortKey::Distance(Path::field("p"), center);
    vec![Sort { key, descending }]
}

async fn places(h: &dyn Harness) -> Fixture {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"p":{"$g":[52.52,13.405]}}"#,    // Berlin
        r#"{"p":{"$g":[48.137,11.575]}}"#,   // Munich
        r#"{"p":{"$g":[53.551,9.994]}}"#,    // Hamburg
        r#"{"p":{"$g":[-33.868,151.209]}}"#, // Sydney
        r#"{"p":null}"#,
        "{}",
    ];
    f.fill("T", &[("p", FieldType::GeoPoint)], &rows).await;
    f
}

pub async fn near_has_a_radius(h: &dyn Harness) {
    let f = places(h).await;
    let potsdam = point(52.39, 13.06);
    for (kilometres, expected) in [(0.0, ""), (50.0, "0"), (300.0, "0 2"), (600.0, "0 1 2")] {
        assert_eq!(
            f.matching("T", near(potsdam, kilometres)).await,
            expected,
            "{kilometres}"
        );
    }
    assert_eq!(f.matching("T", near(potsdam, 30_000.0)).await, "0 1 2 3");
    let any = Test::Near {
        center: potsdam,
        radians_max: None,
    };
    assert_eq!(
        f.matching("T", Filter::test("p", any.clone())).await,
        "0 1 2 3"
    );
    let not = Filter::test("p", Test::Not(Box::new(any)));
    assert_eq!(f.matching("T", not).await, "4 5");
    assert_eq!(
        f.matching("T", near(point(52.52, 13.405), 0.0)).await,
        "0",
        "the very point"
    );
    let both = near(potsdam, 300.0).and(within(53.0, 9.0, 54.0, 10.0));
    assert_eq!(f.matching("T", both).await, "2");
}

pub async fn near_sorts_by_distance(h: &dyn Harness) {
    let f = places(h).await;
    let mut query = Query::all("T").filter(near(point(48.0, 11.0), 30_000.0));
    query.sort = by_distance(point(48.0, 11.0), false);
    assert_eq!(f.ids(&query).await, "1 0 2 3");
    query.sort = by_distance(point(48.0, 11.0), true);
    assert_eq!(f.ids(&query).await, "3 2 0 1");
    query.limit = Some(2);
    query.skip = 1;
    assert_eq!(f.ids(&query).await, "2 0");
}

pub async fn points_without_a_place_come_last(h: &dyn Harness) {
    let f = places(h).await;
    let mut query = Query::all("T");
    query.sort = by_distance(point(48.0, 11.0), false);
    assert_eq!(f.ids(&query).await, "1 0 2 3 4 5");
    query.sort = by_distance(point(48.0, 11.0), true);
    assert_eq!(f.ids(&query).await, "3 2 0 1 5 4", "also when descending");
}

pub async fn boxes_include_their_edges(h: &dyn Harness) {
    let f = places(h).await;
    assert_eq!(
        f.matching("T", within(48.137, 9.994, 53.551, 13.405)).await,
        "0 1 2"
    );
    assert_eq!(
        f.matching("T", within(48.138, 9.994, 53.551, 13.405)).await,
        "0 2"
    );
    assert_eq!(
        f.matching("T", within(-90.0, -180.0, 90.0, 180.0)).await,
        "0 1 2 3"
    );
    assert_eq!(
        f.matching("T", within(52.52, 13.405, 52.52, 13.405)).await,
        "0"
    );
    assert_eq!(
        f.matching("T", within(-40.0, 150.0, -30.0, 152.0)).await,
        "3"
    );
}

pub async fn the_date_line_and_the_poles(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"p":{"$g":[0,179.9]}}"#,
        r#"{"p":{"$g":[0,-179.9]}}"#,
        r#"{"p":{"$g":[89.9,0]}}"#,
        r#"{"p":{"$g":[89.9,180]}}"#,
        r#"{"p":{"$g":[-90,0]}}"#,
        r#"{"p":{"$g":[0,0]}}"#,
    ];
    f.fill("T", &[("p", FieldType::GeoPoint)], &rows).await;
    assert_eq!(f.matching("T", near(point(0.0, 180.0), 50.0)).await, "0 1");
    assert_eq!(f.matching("T", near(point(0.0, -180.0), 50.0)).await, "0 1");
    assert_eq!(f.matching("T", near(point(90.0, 77.0), 50.0)).await, "2 3");
    assert_eq!(f.matching("T", near(point(-90.0, 120.0), 1.0)).await, "4");
    let mut query = Query::all("T").filter(near(point(0.0, 179.95), 30_000.0));
    query.sort = by_distance(point(0.0, 179.95), false);
    assert!(f.ids(&query).await.starts_with("0 1 "));
}
