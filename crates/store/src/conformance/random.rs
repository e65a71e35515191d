//! Random collections, objects, filters and sorts, as nasty as they get.

use super::dice::Dice;
use crate::{
    Access, Acl, AclEntry, FieldRef, FieldType, Filter, Path, Pattern, PatternOptions, Principals,
    Query, Sort, SortKey, Test,
};
use basalt_base::{FileRef, GeoPoint, Map, Reference, Timestamp, Value};
use std::sync::Arc;

/// A collection with objects and a query of it.
pub struct Case {
    /// The fields.
    pub fields: Vec<(&'static str, FieldType)>,
    /// Id, fields, ACL and time of each object, in order of creation.
    pub rows: Vec<Row>,
    /// The queries.
    pub queries: Vec<Query>,
}

/// What an object is made of.
pub struct Row {
    /// Its id.
    pub id: String,
    /// Its fields.
    pub fields: Vec<(Arc<str>, Value)>,
    /// Its permissions.
    pub acl: Acl,
    /// When it is made.
    pub at: Timestamp,
}

/// The name of the collection of every case.
pub const COLLECTION: &str = "Random";

/// The case of a seed: `rows` objects and `queries` queries.
pub fn random_case(seed: u64, rows: usize, queries: usize) -> Case {
    let dice = Dice::new(seed);
    let fields = fields();
    let rows = (0..rows).map(|n| row(&dice, &fields, n));
    let rows: Vec<Row> = rows.collect();
    let around = Around {
        dice: &dice,
        fields: &fields,
        rows: &rows,
    };
    let queries = (0..queries).map(|_| query(&around)).collect();
    Case {
        fields,
        rows,
        queries,
    }
}

fn fields() -> Vec<(&'static str, FieldType)> {
    vec![
        ("num", FieldType::Number),
        ("txt", FieldType::String),
        ("yes", FieldType::Boolean),
        ("at", FieldType::Date),
        ("obj", FieldType::Object),
        ("arr", FieldType::Array),
        ("geo", FieldType::GeoPoint),
        ("ref", FieldType::Reference("A".into())),
        ("bin", FieldType::Bytes),
        ("file", FieldType::File),
        ("area", FieldType::Polygon),
    ]
}

fn row(dice: &Dice, fields: &[(&'static str, FieldType)], n: usize) -> Row {
    let mut values = Vec::new();
    for (name, ty) in fields {
        if dice.once_in(12) {
            values.push(((*name).into(), Value::Null));
        } else if !dice.once_in(5) {
            values.push(((*name).into(), of_type(dice, ty)));
        }
    }
    let entries = |dice: &Dice| {
        let kinds = [
            AclEntry::Public,
            AclEntry::User("u1".into()),
            AclEntry::User("r:x".into()),
            AclEntry::Role("x".into()),
        ];
        (!dice.once_in(3)).then(|| dice.some(2, || dice.pick(&kinds).clone()))
    };
    Row {
        id: format!("{}{n}", dice.pick(&["a", "B", "é", "z"])),
        fields: values,
        acl: Acl {
            read: entries(dice),
            write: entries(dice),
        },
        at: Timestamp::from_millis(1_000 * dice.below(5) as i64),
    }
}

const NUMBERS: &[f64] = &[
    0.0,
    1.0,
    2.0,
    -1.0,
    2.5,
    -0.5,
    0.1,
    10.0,
    9.0,
    1e21,
    -1e300,
    5e-324,
    9_007_199_254_740_992.0,
];
const INTEGERS: &[i64] = &[
    9_007_199_254_740_993,
    -9_007_199_254_740_993,
    i64::MAX,
    i64::MIN,
    1_700_000_000_000,
];
const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "b",
    "ab",
    "abc",
    "é",
    "e\u{301}",
    "10",
    "9",
    "1",
    "null",
    "true",
    "x",
    "u1",
    "a%b",
    "a_b",
    "it's",
    "\"q\"",
    "\\",
    "🌍",
    "\u{ffee}",
    "line\nbreak",
    "$t",
    "y",
];
const KEYS: &[&str] = &[
    "a", "b", "a", "b", "0", "1", "é", "a\"b", "it's", "$t", "$x", "", "a b", "01", "-1", "x.y",
];
const PATTERNS: &[&str] = &[
    "", "^a", "^\\Qa\\E", "b$", "[0-9]+", "^$", "(?i)É", "a.b", "^(?!a)", "\\\\", "^a|b", "^A",
];

fn number(dice: &Dice) -> Value {
    if dice.once_in(3) {
        Value::Int(*dice.pick(INTEGERS))
    } else {
        Value::number(*dice.pick(NUMBERS))
    }
}

fn text(dice: &Dice) -> Value {
    Value::from(*dice.pick(TEXTS))
}

fn time(dice: &Dice) -> Value {
    let ms = dice.pick(&[
        0,
        1,
        -1,
        1_000,
        2_000,
        1_700_000_000_000,
        -62_135_596_800_000,
    ]);
    Value::Timestamp(Timestamp::from_millis(*ms))
}

fn point(dice: &Dice) -> GeoPoint {
    let latitude = *dice.pick(&[0.0, 1.0, -45.5, 89.9, -90.0, 52.52]);
    let longitude = *dice.pick(&[0.0, 1.0, 179.9, -179.9, 13.405, -90.25]);
    GeoPoint {
        latitude,
        longitude,
    }
}

fn reference(dice: &Dice, collection: &str) -> Value {
    Value::Reference(Reference {
        collection: collection.to_owned(),
        id: (*dice.pick(&["x", "y", "a", "10"])).to_owned(),
    })
}

fn of_type(dice: &Dice, ty: &FieldType) -> Value {
    match ty {
        FieldType::Number => number(dice),
        FieldType::String => text(dice),
        FieldType::Boolean => Value::Bool(dice.once_in(2)),
        FieldType::Date => time(dice),
        FieldType::GeoPoint => Value::Geo(point(dice)),
        FieldType::Bytes => Value::Bytes(dice.some(3, || *dice.pick(&[0, 1, 97, 255]))),
        FieldType::Reference(target) => reference(dice, target),
        FieldType::File => Value::File(FileRef {
            name: (*dice.pick(&["a.txt", "b.txt", "é"])).to_owned(),
            url: dice.once_in(2).then(|| "https://example.org".to_owned()),
        }),
        FieldType::Polygon => {
            let mut corners = vec![point(dice), point(dice), point(dice)];
            corners.push(corners[0]);
            Value::Polygon(corners)
        }
        FieldType::Object => map(dice, 3),
        FieldType::Array => Value::Array(dice.some(4, || any(dice, 2))),
        FieldType::Relation(_) => Value::Null,
    }
}

fn map(dice: &Dice, depth: usize) -> Value {
    let entry = || ((*dice.pick(KEYS)).to_owned(), any(dice, depth - 1));
    Value::Map(dice.some(4, entry).into_iter().collect::<Map>())
}

/// Any value, nested at most `depth` deep.
pub fn any(dice: &Dice, depth: usize) -> Value {
    match dice.below(if depth == 0 { 11 } else { 17 }) {
        0 => Value::Null,
        1 => Value::Bool(dice.once_in(2)),
        2 | 3 => number(dice),
        4 | 5 => text(dice),
        6 => time(dice),
        7 => Value::Timestamp(Timestamp::new(1, 5)),
        8 => Value::Geo(point(dice)),
        9 => {
            let collection = dice.pick(&["A", "B"]);
            reference(dice, collection)
        }
        10 => {
            let ty = dice.pick(&[FieldType::Bytes, FieldType::File, FieldType::Polygon]);
            of_type(dice, ty)
        }
        11..=13 => Value::Array(dice.some(4, || any(dice, depth - 1))),
        _ => map(dice, depth),
    }
}

/// What a query is made around: mostly paths and values that the objects have, so that it finds
/// something.
struct Around<'a> {
    dice: &'a Dice,
    fields: &'a [(&'static str, FieldType)],
    rows: &'a [Row],
}

fn path(around: &Around<'_>) -> Path {
    let dice = around.dice;
    let root = match dice.below(14) {
        0 => FieldRef::Id,
        1 => FieldRef::CreatedAt,
        2 => FieldRef::UpdatedAt,
        3 => FieldRef::Named("unknown".into()),
        4..=6 => FieldRef::Named("obj".into()),
        7..=9 => FieldRef::Named("arr".into()),
        _ => FieldRef::Named(dice.pick(around.fields).0.into()),
    };
    let nested = matches!(&root, FieldRef::Named(n) if matches!(&**n, "obj" | "arr"));
    let mut rest = Vec::new();
    if nested && !dice.once_in(3) {
        match stored(around, &root).filter(|_| !dice.once_in(5)) {
            Some(value) => walk(dice, &value, &mut rest),
            None => rest.push((*dice.pick(KEYS)).into()),
        }
    }
    if dice.once_in(12) {
        rest.push((*dice.pick(KEYS)).into());
    }
    Path { root, rest }
}

/// What some object has in a field.
fn stored(around: &Around<'_>, root: &FieldRef) -> Option<Value> {
    if around.rows.is_empty() {
        return None;
    }
    let row = around.dice.pick(around.rows);
    match root {
        FieldRef::Id => Some(Value::String(row.id.clone())),
        FieldRef::CreatedAt | FieldRef::UpdatedAt => Some(Value::Timestamp(row.at)),
        FieldRef::Named(name) => {
            let mut fields = row.fields.iter();
            fields
                .find(|(n, _)| n == name)
                .map(|(_, value)| value.clone())
        }
    }
}

/// Steps that lead somewhere in a value.
fn walk(dice: &Dice, value: &Value, rest: &mut Vec<Box<str>>) {
    match value {
        Value::Map(map) if !map.is_empty() => {
            let Some((key, below)) = map.get_index(dice.below(map.len())) else {
                return;
            };
            rest.push(key.as_str().into());
            if !dice.once_in(3) {
                walk(dice, below, rest);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = dice.below(items.len());
            // Steps into an array go by place, or pass through to the keys of its maps.
            if !(matches!(items[at], Value::Map(_)) && dice.once_in(2)) {
                rest.push(at.to_string().into());
            }
            if !dice.once_in(3) {
                walk(dice, &items[at], rest);
            }
        }
        _ => {}
    }
}

/// A value worth comparing what is at a path with: what an object has there, or an element of it,
/// or another one of the right type, or any.
fn operand(around: &Around<'_>, path: &Path) -> Value {
    let dice = around.dice;
    if !dice.once_in(3)
        && let Some(root) = stored(around, &path.root)
        && let Some(found) = descend(&root, &path.rest)
    {
        return match found {
            Value::Array(items) if !items.is_empty() && !dice.once_in(3) => {
                dice.pick(items).clone()
            }
            Value::Reference(reference) if dice.once_in(2) => Value::String(reference.id.clone()),
            found => found.clone(),
        };
    }
    let ty = match &path.root {
        FieldRef::Id => Some(FieldType::String),
        FieldRef::CreatedAt | FieldRef::UpdatedAt => Some(FieldType::Date),
        FieldRef::Named(name) => {
            let mut fields = around.fields.iter();
            fields.find(|f| f.0 == &**name).map(|f| f.1.clone())
        }
    };
    match ty {
        Some(FieldType::Reference(_)) if dice.once_in(2) => text(dice),
        Some(ty) if path.rest.is_empty() && !dice.once_in(4) => of_type(dice, &ty),
        _ => any(dice, 2),
    }
}

fn descend<'a>(value: &'a Value, rest: &[Box<str>]) -> Option<&'a Value> {
    let Some((step, below)) = rest.split_first() else {
        return Some(value);
    };
    let child = match value {
        Value::Map(map) => map.get(&**step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    };
    descend(child?, below)
}

fn pattern(dice: &Dice) -> Arc<Pattern> {
    let letters = dice.pick(&["", "", "i", "s", "m"]);
    let options = PatternOptions::parse(letters).expect("these are known");
    let source = dice.pick(PATTERNS);
    Arc::new(Pattern::new(source, options, 1_000).expect("these are fine"))
}

fn test(around: &Around<'_>, path: &Path) -> Test {
    let dice = around.dice;
    let one = || operand(around, path);
    let is_geo = matches!(&path.root, FieldRef::Named(name) if &**name == "geo");
    match dice.below(19) {
        // Geo tests are for geo points, most of the time.
        15 | 16 if !is_geo && !dice.once_in(4) => Test::Gte(one()),
        0 | 1 => Test::Eq(one()),
        2 => Test::Ne(one()),
        3 => Test::Lt(one()),
        4 => Test::Lte(one()),
        5 => Test::Gt(one()),
        6 => Test::Gte(one()),
        7 | 8 => Test::In(dice.some(4, one)),
        9 => Test::NotIn(dice.some(4, one)),
        10 => Test::All(dice.some(2, one)),
        11 => Test::AllMatch(dice.some(2, || pattern(dice))),
        12 => Test::Exists(dice.once_in(2)),
        13 => Test::ContainedBy(match one() {
            Value::Array(items) => items,
            value => vec![value, Value::Null, one()],
        }),
        14 => Test::Regex(pattern(dice)),
        15 => Test::Near {
            center: point(dice),
            radians_max: (!dice.once_in(3)).then(|| *dice.pick(&[0.0, 0.01, 0.5, 2.0])),
        },
        16 => within(dice),
        17 => Test::Eq(Value::Null),
        _ => Test::Not(Box::new(test(around, path))),
    }
}

fn within(dice: &Dice) -> Test {
    let (a, b) = (point(dice), point(dice));
    Test::WithinBox {
        south_west: GeoPoint {
            latitude: a.latitude.min(b.latitude),
            longitude: a.longitude.min(b.longitude),
        },
        north_east: GeoPoint {
            latitude: a.latitude.max(b.latitude),
            longitude: a.longitude.max(b.longitude),
        },
    }
}

fn filter(around: &Around<'_>, depth: usize) -> Filter {
    let dice = around.dice;
    let below = || filter(around, depth - 1);
    match dice.below(if depth == 0 { 12 } else { 20 }) {
        0 if dice.once_in(3) => Filter::Everything,
        1 if dice.once_in(6) => Filter::Nothing,
        2 if dice.once_in(2) => {
            let entries = [AclEntry::User("u1".into()), AclEntry::Role("x".into())];
            let entries = entries.into_iter().take(dice.below(3));
            let access = *dice.pick(&[Access::Read, Access::Write]);
            Filter::Allows(access, Arc::new(Principals::new(entries)))
        }
        0..=11 => {
            let path = if dice.once_in(8) {
                Path::field("geo")
            } else {
                path(around)
            };
            let test = test(around, &path);
            Filter::Test(path, test)
        }
        12..=14 => Filter::And(dice.some(2, below)),
        15..=17 => Filter::Or(dice.some(4, below)),
        _ => Filter::Not(Box::new(below())),
    }
}

fn query(around: &Around<'_>) -> Query {
    let dice = around.dice;
    let mut query = Query::all(COLLECTION).filter(filter(around, 3));
    query.sort = dice.some(2, || Sort {
        key: if dice.once_in(6) {
            SortKey::Distance(Path::field("geo"), point(dice))
        } else {
            SortKey::Path(path(around))
        },
        descending: dice.once_in(2),
    });
    if dice.once_in(4) {
        query.skip = dice.below(10) as u64;
    }
    if dice.once_in(3) {
        query.limit = Some(dice.below(20) as u64);
    }
    query
}
