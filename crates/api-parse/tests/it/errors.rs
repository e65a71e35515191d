//! Every reason has its place in the protocol; changing one shows here.

use basalt_api_parse::{Form, wire};
use basalt_base::Reason;
use std::fmt::Write;

#[test]
fn every_reason_is_told_as_the_snapshot_says() {
    let mut table = String::new();
    for (reason, _, name, _) in Reason::TABLE {
        let (status, form) = wire(*reason);
        let form = match form {
            Form::Coded(code) => code.to_string(),
            Form::Bare => "no code".to_owned(),
            Form::Internal => "1, cause hidden".to_owned(),
        };
        let _ = writeln!(table, "{name}: HTTP {status}, {form}");
    }
    let snapshot = include_str!("../errors.snapshot.txt");
    assert!(
        table == snapshot,
        "tests/errors.snapshot.txt should be:\n{table}"
    );
}
