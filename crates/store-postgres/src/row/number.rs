//! Numbers as NUMERIC.
//!
//! Whole numbers are exact. Doubles are in their shortest decimal form that reads back the same:
//! it lies within the double's own rounding interval, so that the order of all numbers and their
//! equality are those of the exact values.

use crate::error::corrupt;
use basalt_base::{Result, Value};
use std::fmt::Write;

/// The base of a digit on the wire.
const BASE: u64 = 10_000;
const NEGATIVE: u16 = 0x4000;

/// A number on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// A whole one.
    Int(i64),
    /// Another one; finite.
    Double(f64),
}

impl Number {
    /// The number that a value is.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(n) => Some(Self::Int(*n)),
            Value::Double(n) if n.is_finite() => match Value::number(*n) {
                Value::Int(n) => Some(Self::Int(n)),
                _ => Some(Self::Double(*n)),
            },
            _ => None,
        }
    }

    /// Appends the binary form.
    pub(crate) fn put(self, out: &mut impl Extend<u8>) {
        match self {
            Self::Int(n) => put_int(n, out),
            Self::Double(n) => put_double(n, out),
        }
    }
}

fn put(out: &mut impl Extend<u8>, word: u16) {
    out.extend(word.to_be_bytes());
}

fn head(digits: usize, weight: i32, negative: bool, scale: usize, out: &mut impl Extend<u8>) {
    put(out, digits as u16);
    put(out, weight as u16);
    put(out, if negative { NEGATIVE } else { 0 });
    put(out, scale as u16);
}

fn put_int(n: i64, out: &mut impl Extend<u8>) {
    let mut digits = [0_u16; 5];
    let mut left = n.unsigned_abs();
    let mut count = 0;
    while left > 0 {
        digits[count] = (left % BASE) as u16;
        left /= BASE;
        count += 1;
    }
    let zeros = digits[..count].iter().take_while(|d| **d == 0).count();
    head(count - zeros, count as i32 - 1, n < 0, 0, out);
    for digit in digits[zeros..count].iter().rev() {
        put(out, *digit);
    }
}

fn put_double(n: f64, out: &mut impl Extend<u8>) {
    // `d.ddde±x`: the shortest digits that read back the same.
    let mut text = String::with_capacity(24);
    let _ = write!(text, "{:e}", n.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let decimals: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let weight = exponent.div_euclid(4);
    // Decimal digits in the first group.
    let first = exponent.rem_euclid(4) as usize + 1;
    let (start, rest) = decimals.split_at(first.min(decimals.len()));
    let mut digits = vec![group(start, first)];
    digits.extend(rest.chunks(4).map(|part| group(part, 4)));
    let scale = (decimals.len() as i32 - 1 - exponent).max(0);
    head(digits.len(), weight, n < 0.0, scale as usize, out);
    for digit in digits {
        put(out, digit);
    }
}

/// A digit of the wire from decimal ones, with zeros after them.
fn group(decimals: &[u8], width: usize) -> u16 {
    let digits = decimals.iter().map(|d| u16::from(d - b'0'));
    let padded = digits.chain(std::iter::repeat(0));
    padded.take(width).fold(0, |sum, d| sum * 10 + d)
}

/// Powers of ten that doubles hold exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The number from its binary form.
pub(crate) fn read(raw: &[u8]) -> Result<Value> {
    let (head, digits) = raw
        .split_first_chunk::<8>()
        .ok_or_else(|| corrupt("a number that is cut off"))?;
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (count, weight, sign) = (usize::from(word(0)), word(2).cast_signed(), word(4));
    if !matches!(sign, 0 | NEGATIVE) || digits.len() < count * 2 {
        return Err(corrupt("a number in an unknown form"));
    }
    let digits = digits[..count * 2].as_chunks::<2>().0;
    let digits = digits
        .iter()
        .map(|pair| u64::from(u16::from_be_bytes(*pair)));
    // Decimal places behind the last digit, or zeros if it is positive.
    let exponent = 4 * (i32::from(weight) - count as i32 + 1);
    let negative = sign == NEGATIVE;
    if count <= 4 {
        let sum = digits.clone().fold(0, |sum, d| sum * BASE + d);
        if let Some(value) = short(sum, exponent, negative) {
            return Ok(value);
        }
    }
    let mut text = String::with_capacity(count * 4 + 8);
    if negative {
        text.push('-');
    }
    for digit in digits {
        let _ = write!(text, "{digit:04}");
    }
    if let Ok(zeros) = usize::try_from(exponent)
        && zeros < 20
    {
        text.extend(std::iter::repeat_n('0', zeros));
        if let Ok(n) = text.parse::<i64>() {
            return Ok(Value::Int(n));
        }
    } else {
        let _ = write!(text, "e{exponent}");
    }
    match text.parse::<f64>() {
        Ok(n) if n.is_finite() => Ok(Value::number(n)),
        _ => Err(corrupt("a number beyond doubles")),
    }
}

/// The number `sum * 10^exponent` when that is quickly had: a whole one, or the quotient of two
/// numbers that doubles hold exactly, which is rounded once and so is the nearest double.
fn short(sum: u64, exponent: i32, negative: bool) -> Option<Value> {
    let signed = i64::try_from(sum).ok()?;
    let signed = if negative { -signed } else { signed };
    if sum == 0 || exponent == 0 {
        return Some(Value::Int(signed));
    }
    let divisor = usize::try_from(-exponent).ok()?;
    let divisor = TENS
        .get(divisor)
        .filter(|_| sum <= 1 << f64::MANTISSA_DIGITS)?;
    Some(Value::number(signed as f64 / divisor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        Number::of(value).unwrap().put(&mut out);
        out
    }

    #[test]
    fn numbers_come_back_as_they_were() {
        let ints = [
            0,
            1,
            -1,
            10_000,
            123_456_789,
            -100_000_000,
            i64::MAX,
            i64::MIN,
        ];
        let doubles = [
            0.5,
            -0.5,
            0.1,
            2.5,
            1e21,
            -1e300,
            5e-324,
            f64::MAX,
            f64::MIN_POSITIVE,
            12_345.678_9,
            1e-4,
            1e-5,
            9.223_372_036_854_776e18,
            0.000_123_4,
            99_999.999,
        ];
        let ints = ints.into_iter().map(Value::Int);
        for value in ints.chain(doubles.map(Value::number)) {
            let back = read(&bytes(&value)).unwrap();
            assert_eq!(back, value);
            assert_eq!(
                std::mem::discriminant(&back),
                std::mem::discriminant(&value)
            );
        }
    }

    #[test]
    fn the_form_is_postgres_own() {
        // 12345.67: digits 1, 2345, 6700; weight 1; scale 2.
        let wanted = [0, 3, 0, 1, 0, 0, 0, 2, 0, 1, 0x09, 0x29, 0x1a, 0x2c];
        assert_eq!(bytes(&Value::Double(12_345.67)), wanted);
        assert_eq!(bytes(&Value::Int(10_000)), [0, 1, 0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(bytes(&Value::Int(0)), [0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    }
}
