//! Typed expressions.

use basalt_base::Value;

/// An expression over a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Value),
    /// The value at a path of map keys. Along an array the rest of the path is looked up in each
    /// map of it, giving an array.
    Path(super::Keys),
    /// The whole document.
    Root,
    /// A new map; keys whose value is missing are left out.
    Map(Vec<(String, Expr)>),
    /// A new array; missing values become null.
    Array(Vec<Expr>),
    /// A function of its arguments. Their number was checked against [`Function::arguments`].
    Call(Function, Vec<Expr>),
}

impl Expr {
    /// The value at `a.b.c`.
    pub fn path(dotted: &str) -> Self {
        Self::Path(dotted.split('.').map(Into::into).collect())
    }
}

macro_rules! functions {
    ($($variant:ident $name:literal $least:literal $most:expr, $doc:literal;)*) => {
        /// What an expression can compute.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Function { $(#[doc = $doc] $variant,)* }

        impl Function {
            /// Every function with its name in pipelines and the least and most arguments.
            pub const TABLE: &'static [(Function, &'static str, usize, usize)] =
                &[$((Function::$variant, $name, $least, $most),)*];

            /// The name in pipelines.
            pub const fn name(self) -> &'static str { match self { $(Self::$variant => $name,)* } }

            /// The least and most arguments.
            pub const fn arguments(self) -> (usize, usize) {
                match self { $(Self::$variant => ($least, $most),)* }
            }
        }
    };
}

const MANY: usize = usize::MAX;

functions! {
    Add "$add" 0 MANY, "The sum; one argument may be a time, the others are then milliseconds.";
    Subtract "$subtract" 2 2, "The difference; of two times, in milliseconds.";
    Multiply "$multiply" 0 MANY, "The product.";
    Divide "$divide" 2 2, "The quotient.";
    Mod "$mod" 2 2, "The remainder, with the sign of the first.";
    Abs "$abs" 1 1, "The distance from zero.";
    Ceil "$ceil" 1 1, "The next whole number up.";
    Floor "$floor" 1 1, "The next whole number down.";
    Round "$round" 1 2, "Rounded to that many decimals, halves to even.";
    Trunc "$trunc" 1 2, "Cut to that many decimals.";
    Concat "$concat" 0 MANY, "The texts in a row; null when one is null.";
    ToLower "$toLower" 1 1, "In lower case; null gives the empty text.";
    ToUpper "$toUpper" 1 1, "In upper case; null gives the empty text.";
    Substr "$substr" 3 3, "From a start, that many characters; a negative number means all.";
    SubstrCp "$substrCP" 3 3, "The same as `$substr`: by code points.";
    StrLenCp "$strLenCP" 1 1, "The number of code points.";
    ToString "$toString" 1 1, "Text of a number, boolean or time; null stays null.";
    Cond "$cond" 3 3, "The second or the third, by whether the first is true.";
    IfNull "$ifNull" 2 MANY, "The first that is neither null nor missing, else the last.";
    Eq "$eq" 2 2, "Equal.";
    Ne "$ne" 2 2, "Not equal.";
    Gt "$gt" 2 2, "Greater in the total order.";
    Gte "$gte" 2 2, "Greater or equal in the total order.";
    Lt "$lt" 2 2, "Less in the total order.";
    Lte "$lte" 2 2, "Less or equal in the total order.";
    Cmp "$cmp" 2 2, "-1, 0 or 1 by the total order.";
    And "$and" 0 MANY, "All are true.";
    Or "$or" 0 MANY, "One is true.";
    Not "$not" 1 1, "Not true.";
    In "$in" 2 2, "The array holds the value.";
    Size "$size" 1 1, "The number of elements of an array.";
    ArrayElemAt "$arrayElemAt" 2 2, "The element at an index; from the end when negative.";
    IsArray "$isArray" 1 1, "Whether it is an array.";
    ConcatArrays "$concatArrays" 0 MANY, "The arrays in a row; null when one is null.";
    Year "$year" 1 2, "The year. The second argument of these is an offset such as `+02:00`.";
    Month "$month" 1 2, "The month, 1 to 12.";
    DayOfMonth "$dayOfMonth" 1 2, "The day of the month, 1 to 31.";
    DayOfWeek "$dayOfWeek" 1 2, "The day of the week, 1 (Sunday) to 7.";
    DayOfYear "$dayOfYear" 1 2, "The day of the year, 1 to 366.";
    Week "$week" 1 2, "The week of the year, 0 to 53; weeks start on Sunday.";
    IsoWeek "$isoWeek" 1 2, "The ISO 8601 week, 1 to 53.";
    IsoWeekYear "$isoWeekYear" 1 2, "The year that the ISO 8601 week belongs to.";
    IsoDayOfWeek "$isoDayOfWeek" 1 2, "The ISO 8601 day of the week, 1 (Monday) to 7.";
    Hour "$hour" 1 2, "The hour, 0 to 23.";
    Minute "$minute" 1 2, "The minute, 0 to 59.";
    Second "$second" 1 2, "The second, 0 to 59.";
    Millisecond "$millisecond" 1 2, "The millisecond, 0 to 999.";
    DateToString "$dateToString" 4 4, "Text of a time: format, time, offset, value for null.";
}

impl Function {
    /// The function of that name in pipelines.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut rows = Self::TABLE.iter();
        rows.find(|row| row.1 == name).map(|row| row.0)
    }
}
