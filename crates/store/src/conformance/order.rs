//! Order, skip and limit.

use super::Harness;
use super::fixture::*;
use crate::{FieldRef, FieldType, Filter, Op, Path, Query, Sort, SortKey, Test};
use basalt_base::Timestamp;

/// From `a,-b.c`: ascending by `a`, then descending by `b.c`.
fn by(keys: &str) -> Vec<Sort> {
    let level = |key: &str| {
        let (descending, name) = key
            .strip_prefix('-')
            .map_or((false, key), |name| (true, name));
        let path = match name {
            "@id" => Path::system(FieldRef::Id),
            "@created" => Path::system(FieldRef::CreatedAt),
            "@updated" => Path::system(FieldRef::UpdatedAt),
            name => Path::dotted(name),
        };
        Sort {
            key: SortKey::Path(path),
            descending,
        }
    };
    keys.split(',').map(level).collect()
}

async fn sorted(f: &Fixture, keys: &str) -> String {
    let mut query = Query::all("T");
    query.sort = by(keys);
    f.ids(&query).await
}

async fn people(h: &dyn Harness) -> Fixture {
    let f = Fixture::open(h).await;
    let types = [
        ("n", FieldType::Number),
        ("s", FieldType::String),
        ("b", FieldType::Boolean),
    ];
    let rows = [
        r#"{"n":3,"s":"b","b":true}"#,
        r#"{"n":1,"s":"a","b":false}"#,
        r#"{"s":"b"}"#,
        r#"{"n":2.5,"s":"a"}"#,
        r#"{"n":null,"s":null}"#,
        r#"{"n":-1,"s":"B"}"#,
    ];
    f.fill("T", &types, &rows).await;
    f
}

pub async fn one_key_each_way(h: &dyn Harness) {
    let f = people(h).await;
    assert_eq!(sorted(&f, "n").await, "2 4 5 1 3 0");
    assert_eq!(sorted(&f, "-n").await, "0 3 1 5 4 2");
    assert_eq!(sorted(&f, "b").await, "2 3 4 5 1 0");
    assert_eq!(sorted(&f, "-b").await, "0 1 5 4 3 2");
    assert_eq!(sorted(&f, "unknown").await, "0 1 2 3 4 5");
    assert_eq!(sorted(&f, "-unknown").await, "5 4 3 2 1 0");
}

pub async fn ties_follow_the_order_of_creation(h: &dyn Harness) {
    let f = people(h).await;
    assert_eq!(sorted(&f, "s").await, "4 5 1 3 0 2");
    assert_eq!(sorted(&f, "-s").await, "2 0 3 1 5 4");
    f.update("T", "1", vec![("n", Op::Set(v("9")))])
        .await
        .unwrap();
    f.write(delete("T", "0")).await.unwrap();
    f.create("T", "0", r#"{"s":"b"}"#).await;
    assert_eq!(
        sorted(&f, "s").await,
        "4 5 1 3 2 0",
        "updates keep the place, new objects don't"
    );
    assert_eq!(f.matching("T", Filter::Everything).await, "1 2 3 4 5 0");
}

pub async fn several_keys(h: &dyn Harness) {
    let f = people(h).await;
    assert_eq!(sorted(&f, "s,n").await, "4 5 1 3 2 0");
    assert_eq!(sorted(&f, "s,-n").await, "4 5 3 1 0 2");
    assert_eq!(sorted(&f, "-s,n").await, "2 0 1 3 5 4");
    assert_eq!(sorted(&f, "b,-n,s").await, "3 5 4 2 1 0");
    assert_eq!(sorted(&f, "unknown,-n").await, "0 3 1 5 4 2");
}

pub async fn mixed_families(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"m":{"v":{"$g":[1,2]}}}"#,
        r#"{"m":{"v":{"$t":5}}}"#,
        r#"{"m":{"v":true}}"#,
        r#"{"m":{"v":false}}"#,
        r#"{"m":{"v":{"$r":["A","x"]}}}"#,
        r#"{"m":{"v":{"$b":"AA=="}}}"#,
        r#"{"m":{"v":[1]}}"#,
        r#"{"m":{"v":{"a":1}}}"#,
        r#"{"m":{"v":"1"}}"#,
        r#"{"m":{"v":7}}"#,
        r#"{"m":{"v":null}}"#,
        r#"{"m":{}}"#,
        r#"{"m":{"v":-7.5}}"#,
    ];
    f.fill("T", &[("m", FieldType::Object)], &rows).await;
    assert_eq!(sorted(&f, "m.v").await, "10 11 12 9 8 7 6 5 4 3 2 1 0");
    assert_eq!(sorted(&f, "-m.v").await, "0 1 2 3 4 5 6 7 8 9 12 11 10");
}

pub async fn nested_keys(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let types = [("m", FieldType::Object), ("l", FieldType::Array)];
    let rows = [
        r#"{"m":{"a":{"b":2}},"l":[2,1]}"#,
        r#"{"m":{"a":{"b":10}},"l":[1,9]}"#,
        r#"{"m":{"a":[{"b":1},{"b":99}]},"l":[1]}"#,
        r#"{"m":{"a":5},"l":[]}"#,
        r#"{"m":{"a":{"b":"x"}},"l":["a"]}"#,
        "{}",
    ];
    f.fill("T", &types, &rows).await;
    assert_eq!(sorted(&f, "m.a.b").await, "3 5 2 0 1 4");
    assert_eq!(sorted(&f, "-m.a.b").await, "4 1 0 2 5 3");
    assert_eq!(sorted(&f, "l").await, "5 3 2 1 0 4");
    assert_eq!(sorted(&f, "l.0,-l.1").await, "5 3 1 2 0 4");
}

pub async fn system_fields(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    f.define("T", &[("n", FieldType::Number)]).await;
    for (id, ms) in [("b", 300), ("a", 100), ("C", 200)] {
        let (fields, acl) = (Vec::new(), crate::Acl::default());
        let mut write = record_write("T", id, crate::Action::Create { fields, acl });
        write.at = Timestamp::from_millis(ms);
        f.write(crate::Write::Record(write)).await.unwrap();
    }
    let mut write = record_write("T", "a", update_action(vec![], false));
    write.at = Timestamp::from_millis(900);
    f.write(crate::Write::Record(write)).await.unwrap();
    assert_eq!(sorted(&f, "@id").await, "C a b");
    assert_eq!(sorted(&f, "-@id").await, "b a C");
    assert_eq!(sorted(&f, "@created").await, "a C b");
    assert_eq!(sorted(&f, "-@updated").await, "a b C");
}

pub async fn text_by_bytes(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"s":"z"}"#,
        r#"{"s":"ä"}"#,
        r#"{"s":"Z"}"#,
        r#"{"s":"\ud83d\ude00"}"#,
        r#"{"s":"\uffee"}"#,
        r#"{"s":"zz"}"#,
        r#"{"s":""}"#,
        r#"{"s":"10"}"#,
        r#"{"s":"9"}"#,
    ];
    f.fill("T", &[("s", FieldType::String)], &rows).await;
    assert_eq!(sorted(&f, "s").await, "6 7 8 2 0 5 1 4 3");
}

pub async fn skip_and_limit(h: &dyn Harness) {
    let f = people(h).await;
    let page = async |sort: &str, skip, limit| {
        let mut query = Query::all("T");
        query.sort = if sort.is_empty() { vec![] } else { by(sort) };
        (query.skip, query.limit) = (skip, limit);
        f.ids(&query).await
    };
    assert_eq!(page("", 0, Some(2)).await, "0 1");
    assert_eq!(page("", 2, Some(2)).await, "2 3");
    assert_eq!(page("", 4, None).await, "4 5");
    assert_eq!(page("", 0, Some(0)).await, "");
    assert_eq!(page("", 99, None).await, "");
    assert_eq!(page("", u64::MAX, Some(u64::MAX)).await, "");
    assert_eq!(page("", 1, Some(u64::MAX)).await, "1 2 3 4 5");
    assert_eq!(page("n", 1, Some(3)).await, "4 5 1");
    assert_eq!(page("-n", 5, Some(3)).await, "2");
    let mut query = Query::all("T").filter(Filter::test("s", Test::Eq(v("\"a\""))));
    query.skip = 1;
    assert_eq!(f.ids(&query).await, "3");
}

pub async fn numbers_and_big_numbers(h: &dyn Harness) {
    let f = Fixture::open(h).await;
    let rows = [
        r#"{"n":9007199254740994}"#,
        r#"{"n":9007199254740993}"#,
        r#"{"n":9007199254740992}"#,
        r#"{"n":9223372036854775808}"#,
        r#"{"n":9223372036854775807}"#,
        r#"{"n":-1e300}"#,
        r#"{"n":1e-300}"#,
        r#"{"n":0}"#,
        r#"{"n":-9223372036854775808}"#,
    ];
    f.fill("T", &[("n", FieldType::Number)], &rows).await;
    assert_eq!(sorted(&f, "n").await, "5 8 7 6 2 1 0 4 3");
    assert_eq!(sorted(&f, "-n").await, "3 4 0 1 2 6 7 8 5");
}
