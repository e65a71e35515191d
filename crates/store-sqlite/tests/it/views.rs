//! The views for people: one for each collection, whatever its name.

use crate::support::*;
use basalt_base::Value;
use basalt_store::FieldType;

#[tokio::test]
async fn views_have_readable_names_also_where_sqlite_folds_case() {
    let place = place();
    let app = app(&place.store).await;
    for name in ["Post", "post", "t1", "basalt_meta"] {
        let mut writes = ensure(
            name,
            &[("Title", FieldType::String), ("title", FieldType::Number)],
        );
        let values = vec![("Title", Value::from(name)), ("title", 7.into())];
        writes.push(create(name, "one", values));
        write(&*app, writes).await.unwrap();
    }
    let catalogue = app.catalogue();
    let id = |name: &str| catalogue.collection(name).unwrap().id.0;
    let conn = rusqlite::Connection::open(place.dir.path().join("apps/1/data.db")).unwrap();
    let names = [
        ("Post", "Post".to_owned()),
        ("post", format!("post~{}", id("post"))),
        ("t1", format!("t1~{}", id("t1"))),
        (
            "basalt_meta",
            format!("class_basalt_meta~{}", id("basalt_meta")),
        ),
    ];
    for (collection, view) in names {
        let sql = format!("SELECT id, Title, created_at FROM \"{view}\"");
        let row: (String, String, String) = conn
            .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap();
        assert_eq!(row.0, "one");
        assert_eq!(row.1, collection);
        assert_eq!(row.2, "2023-11-14T22:13:20.123Z");
    }
}
