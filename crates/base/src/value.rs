//! Values: richer than JSON, so that every protocol's types have one home.

use indexmap::IndexMap;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A nested map; keeps the order in which keys were written.
pub type Map = IndexMap<String, Value>;

/// A point in time in UTC: seconds since 1970 and nanoseconds in `0..1_000_000_000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

impl Timestamp {
    /// From seconds and nanoseconds; `nanos` of a second or more are carried.
    pub fn new(seconds: i64, nanos: u32) -> Self {
        let carry = i64::from(nanos / 1_000_000_000);
        Self {
            seconds: seconds.saturating_add(carry),
            nanos: nanos % 1_000_000_000,
        }
    }

    /// From milliseconds since 1970.
    pub fn from_millis(ms: i64) -> Self {
        Self {
            seconds: ms.div_euclid(1_000),
            nanos: (ms.rem_euclid(1_000) * 1_000_000) as u32,
        }
    }

    /// Milliseconds since 1970, rounded down, saturating.
    pub fn millis(self) -> i64 {
        self.seconds
            .saturating_mul(1_000)
            .saturating_add(i64::from(self.nanos / 1_000_000))
    }

    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds within the second.
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// The same instant with the precision that Parse keeps.
    pub fn truncate_to_millis(self) -> Self {
        Self::from_millis(self.millis())
    }

    /// The instant `duration` earlier.
    pub fn minus(self, duration: std::time::Duration) -> Self {
        let seconds = self.seconds.saturating_sub_unsigned(duration.as_secs());
        match self.nanos.checked_sub(duration.subsec_nanos()) {
            Some(nanos) => Self { seconds, nanos },
            None => Self {
                seconds: seconds.saturating_sub(1),
                nanos: self.nanos + 1_000_000_000 - duration.subsec_nanos(),
            },
        }
    }

    /// The time from `earlier` to this, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> std::time::Duration {
        if earlier >= self {
            return std::time::Duration::ZERO;
        }
        let nanos = (1_000_000_000 + self.nanos - earlier.nanos) % 1_000_000_000;
        let borrow = i64::from(self.nanos < earlier.nanos);
        let seconds = self.seconds.saturating_sub(earlier.seconds) - borrow;
        std::time::Duration::new(seconds.unsigned_abs(), nanos)
    }

    /// The instant `duration` later, saturating.
    pub fn plus(self, duration: std::time::Duration) -> Self {
        let seconds = self.seconds.saturating_add_unsigned(duration.as_secs());
        Self::new(seconds, self.nanos + duration.subsec_nanos())
    }
}

/// A position on the earth in degrees; latitude in -90..=90, longitude in -180..=180.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeoPoint {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

impl GeoPoint {
    /// `None` when a coordinate is out of range or not a number.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let ok = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        ok.then_some(Self {
            latitude,
            longitude,
        })
    }

    /// The same for equal points: zero has two signs.
    fn bits(self) -> (u64, u64) {
        let bits = |degrees: f64| (degrees + 0.0).to_bits();
        (bits(self.latitude), bits(self.longitude))
    }

    /// Great-circle distance in radians, by the haversine formula.
    pub fn radians_to(self, other: Self) -> f64 {
        let (lat1, lat2) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half_lat = ((lat2 - lat1) / 2.0).sin();
        let half_lng = ((other.longitude - self.longitude).to_radians() / 2.0).sin();
        let a = half_lat * half_lat + lat1.cos() * lat2.cos() * half_lng * half_lng;
        2.0 * a.sqrt().min(1.0).asin()
    }
}

/// A reference (Parse: pointer) to an object of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The collection's name.
    pub collection: String,
    /// The object's id.
    pub id: String,
}

/// A stored file by name; `url` only where the client gave a foreign one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRef {
    /// The file's name in the blob store.
    pub name: String,
    /// An address outside of this server's file store.
    pub url: Option<String>,
}

/// A value of an object's field.
///
/// Numbers: `Int` holds what is a whole number in int64, `Double` everything else; the two compare
/// by exact numeric value. Build numbers with [`Value::number`] to keep that canonical.
#[derive(Clone, Debug)]
pub enum Value {
    /// An explicit null; a missing field has no value at all.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number that is no int64; never NaN.
    Double(f64),
    /// A decimal of up to 38 digits as canonical text.
    Decimal(Box<str>),
    /// Text without U+0000.
    String(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A point in time.
    Timestamp(Timestamp),
    /// A position on the earth.
    Geo(GeoPoint),
    /// A closed polygon: its corners, the first one repeated at the end.
    Polygon(Vec<GeoPoint>),
    /// A reference to an object.
    Reference(Reference),
    /// A file.
    File(FileRef),
    /// A list.
    Array(Vec<Value>),
    /// A nested map.
    Map(Map),
}

impl Value {
    /// The canonical number for a double: an `Int` when it is whole and exactly representable.
    pub fn number(n: f64) -> Self {
        // The upper end is 2^63, which is exact; i64::MAX as a double would round up to it.
        let int64 = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
        if n.fract() == 0.0 && int64.contains(&n) {
            Self::Int(n as i64)
        } else {
            Self::Double(n)
        }
    }

    /// The number as a double, when this is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(n) => Some(*n as f64),
            Self::Double(n) => Some(*n),
            _ => None,
        }
    }

    /// The text, when this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(s) => Some(s),
            _ => None,
        }
    }

    /// The list, when this is one.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The map, when this is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The boolean, when this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// Order between two values of the same family (numbers, texts, times, booleans, bytes);
    /// `None` across families, where range tests never match.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Int(a), Self::Double(b)) => Some(compare_int_double(*a, *b)),
            (Self::Double(a), Self::Int(b)) => Some(compare_int_double(*b, *a).reverse()),
            (Self::String(a), Self::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            (Self::Reference(a), Self::Reference(b)) => Some(
                a.id.cmp(&b.id)
                    .then_with(|| a.collection.cmp(&b.collection)),
            ),
            (Self::Null, Self::Null) => Some(Ordering::Equal),
            _ => None,
        }
    }
}

/// Exact: never rounds the integer to a double. `b` is finite.
fn compare_int_double(a: i64, b: f64) -> Ordering {
    if b >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    if b < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    let whole = b.trunc() as i64;
    a.cmp(&whole)
        .then_with(|| 0.0_f64.partial_cmp(&b.fract()).unwrap_or(Ordering::Equal))
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            (Self::Geo(a), Self::Geo(b)) => a == b,
            (Self::Polygon(a), Self::Polygon(b)) => a == b,
            (Self::File(a), Self::File(b)) => a.name == b.name,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }
}

/// Equality is one of equivalence: doubles are never NaN.
impl Eq for Value {}

/// Equal values have equal hashes: whole numbers whatever their variant, maps whatever their order.
impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Null => state.write_u8(0),
            Self::Bool(b) => (1_u8, b).hash(state),
            Self::Int(n) => (2_u8, n).hash(state),
            Self::Double(n) => match Self::number(*n) {
                Self::Int(n) => (2_u8, n).hash(state),
                _ => (3_u8, n.to_bits()).hash(state),
            },
            Self::Decimal(digits) => (4_u8, digits).hash(state),
            Self::String(text) => (5_u8, text).hash(state),
            Self::Bytes(bytes) => (6_u8, bytes).hash(state),
            Self::Timestamp(at) => (7_u8, at).hash(state),
            Self::Geo(point) => (8_u8, point.bits()).hash(state),
            Self::Polygon(corners) => {
                (9_u8, corners.len()).hash(state);
                for point in corners {
                    point.bits().hash(state);
                }
            }
            Self::Reference(reference) => (10_u8, reference).hash(state),
            Self::File(file) => (11_u8, &file.name).hash(state),
            Self::Array(items) => (12_u8, items).hash(state),
            Self::Map(map) => {
                let mut members: Vec<(&String, &Self)> = map.iter().collect();
                members.sort_unstable_by_key(|(key, _)| *key);
                (13_u8, members).hash(state);
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_fractional_numbers_compare_by_exact_value() {
        let big = 9_007_199_254_740_993_i64; // 2^53 + 1 has no double
        assert_ne!(Value::Int(big), Value::number(big as f64));
        assert_eq!(Value::number(5.0), Value::Int(5));
        assert_eq!(
            Value::Int(3).compare(&Value::Double(3.5)),
            Some(Ordering::Less)
        );
        assert_eq!(
            Value::Int(-3).compare(&Value::Double(-3.5)),
            Some(Ordering::Greater)
        );
        assert_eq!(
            Value::Int(i64::MAX).compare(&Value::Double(1e300)),
            Some(Ordering::Less)
        );
    }

    #[test]
    fn equal_values_have_equal_hashes() {
        use std::hash::BuildHasher as _;
        let state = std::hash::RandomState::new();
        let map = |pairs: [(&str, Value); 2]| {
            let pairs = pairs.map(|(key, value)| (key.to_owned(), value));
            Value::Map(Map::from_iter(pairs))
        };
        let point = |lat, lng| Value::Geo(GeoPoint::new(lat, lng).unwrap());
        let file = |url: Option<&str>| {
            Value::File(FileRef {
                name: "f".to_owned(),
                url: url.map(str::to_owned),
            })
        };
        for (a, b) in [
            (Value::Int(3), Value::Double(3.0)),
            (Value::Int(0), Value::Double(-0.0)),
            (Value::Int(i64::MIN), Value::Double(-(2.0_f64.powi(63)))),
            (point(0.0, -0.0), point(-0.0, 0.0)),
            (file(None), file(Some("u"))),
            (
                map([("a", Value::Int(1)), ("b", Value::Null)]),
                map([("b", Value::Null), ("a", Value::Double(1.0))]),
            ),
        ] {
            assert_eq!(a, b);
            let nested = |value: &Value| Value::Array(vec![value.clone()]);
            for (a, b) in [(a.clone(), b.clone()), (nested(&a), nested(&b))] {
                assert_eq!(state.hash_one(&a), state.hash_one(&b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn timestamps_round_down_to_milliseconds_also_before_1970() {
        assert_eq!(Timestamp::from_millis(-1).millis(), -1);
        assert_eq!(Timestamp::new(-1, 999_999_999).millis(), -1);
        assert_eq!(Timestamp::new(1, 2_500_000_000).millis(), 3_500);
    }

    #[test]
    fn a_quarter_of_the_equator_is_half_pi() {
        let (a, b) = (GeoPoint::new(0.0, 0.0), GeoPoint::new(0.0, 90.0));
        let radians = a.zip(b).map(|(a, b)| a.radians_to(b)).unwrap();
        assert!((radians - std::f64::consts::FRAC_PI_2).abs() < 1e-12);
        assert!(GeoPoint::new(90.1, 0.0).is_none());
    }
}
