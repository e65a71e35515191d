//! Frames there and back, and random bytes.

use super::*;
use proptest::prelude::*;

fn orders() -> Vec<Order> {
    vec![
        Order::Load(Bundle {
            entry: "main.js".to_owned(),
            files: vec![File {
                path: "main.js".to_owned(),
                content: b"1".to_vec(),
            }],
            about: b"{}".to_vec(),
            memory_bytes_max: 1 << 27,
            slice_millis_max: 5_000,
        }),
        Order::Invoke {
            id: 7,
            millis_max: 15_000,
            kind: "function".to_owned(),
            name: "hello".to_owned(),
            request: b"{\"params\":{}}".to_vec(),
        },
        Order::Answer {
            call: 3,
            ok: true,
            body: Vec::new(),
        },
        Order::Cancel { id: u64::MAX },
    ]
}

fn words() -> Vec<Word> {
    let text = || "\u{1F30D} text".to_owned();
    vec![
        Word::Ready {
            version: VERSION,
            jail: 63,
        },
        Word::Loaded {
            declared: b"[]".to_vec(),
        },
        Word::Refused { message: text() },
        Word::Done {
            id: 1,
            outcome: Outcome::Interrupted,
            body: b"{}".to_vec(),
            context: Vec::new(),
            cpu_micros: 12,
            memory_bytes: 1 << 20,
            open: true,
        },
        Word::Call {
            call: 9,
            id: 1,
            what: "rest".to_owned(),
            body: vec![0; 100_000],
        },
        Word::Log {
            id: 0,
            level: "info".to_owned(),
            text: text(),
        },
        Word::Late {
            id: 1,
            cpu_micros: 5,
        },
    ]
}

#[test]
fn frames_come_out_as_they_went_in_however_they_are_cut() {
    let (mut orders_out, mut words_out) = (Vec::new(), Vec::new());
    for order in orders() {
        order.write(&mut orders_out);
    }
    for word in words() {
        word.write(&mut words_out);
    }
    for size in [1, 3, 64, 1 << 20] {
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for part in orders_out.chunks(size) {
            decoder.push(part);
            while let Some(order) = decoder.order().unwrap() {
                found.push(order);
            }
        }
        assert_eq!(found, orders());
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for part in words_out.chunks(size) {
            decoder.push(part);
            while let Some(word) = decoder.word().unwrap() {
                found.push(word);
            }
        }
        assert_eq!(found, words());
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_is_kept() {
    let mut decoder = Decoder::new(100);
    decoder.push(&101_u32.to_le_bytes());
    assert_eq!(decoder.word(), Err(Malformed));
    let mut decoder = Decoder::default();
    decoder.push(&0_u32.to_le_bytes());
    assert_eq!(decoder.order(), Err(Malformed));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        while let Ok(Some(_)) = decoder.word() {}
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        while let Ok(Some(_)) = decoder.order() {}
    }

    #[test]
    fn damaged_frames_never_panic(at in 0_usize..400, byte in any::<u8>(), cut in 0_usize..400) {
        let mut bytes = Vec::new();
        for word in words().iter().filter(|word| !matches!(word, Word::Call { .. })) {
            word.write(&mut bytes);
        }
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len().saturating_sub(cut % 50));
        let mut decoder = Decoder::new(10_000);
        decoder.push(&bytes);
        while let Ok(Some(_)) = decoder.word() {}
    }
}
