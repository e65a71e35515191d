//! Any text is storage JSON or refused, and what is read is written back the same.

#![no_main]

use basalt_base::Reason;
use basalt_store::codec::{decode, decode_record, encode_record, encode_to_string};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match decode(text) {
        Ok(value) => {
            let json = encode_to_string(&value);
            let again = decode(&json).expect("what was written is read");
            assert_eq!(again, value);
            assert_eq!(encode_to_string(&again), json);
        }
        Err(error) => assert_eq!(error.reason(), Reason::StoreCorrupt),
    }
    if let Ok(record) = decode_record(text) {
        let json = encode_record(&record);
        let again = decode_record(&json).expect("what was written is read");
        assert_eq!(encode_record(&again), json);
    }
});
