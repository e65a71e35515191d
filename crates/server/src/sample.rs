//! A few objects for an empty app, so that the first look at it shows something.

use basalt_api_parse::App;
use basalt_base::{Result, Value};
use basalt_data::{Call, Create, FieldChange, Principal, Rank};
use basalt_store::{FieldOp, Op, Path};

const COLLECTION: &str = "Welcome";
const NOTES: [(&str, &str); 3] = [
    (
        "Hello",
        "This class came with `basalt dev`; delete it whenever you like.",
    ),
    (
        "Next",
        "Save objects of your own: a class is made by its first object.",
    ),
    ("Keys", "`basalt app keys` prints the keys of this app."),
];

/// Fills the app if it has no classes.
pub(crate) async fn fill(app: &App) -> Result<()> {
    if !app.data.deps().store.catalogue().collections.is_empty() {
        return Ok(());
    }
    let call = Call::by(Principal::ranked(app.id.clone(), Rank::Master));
    for (order, (title, text)) in (1..).zip(NOTES) {
        let create = Create {
            collection: COLLECTION.into(),
            id: None,
            fields: vec![
                set("title", Value::from(title)),
                set("text", Value::from(text)),
                set("order", Value::Int(order)),
            ],
            acl: None,
            created_at: None,
            updated_at: None,
        };
        app.data.create(&call, create).await?;
    }
    Ok(())
}

fn set(field: &str, value: Value) -> FieldChange {
    FieldChange::Field(FieldOp {
        path: Path::field(field),
        op: Op::Set(value),
    })
}
