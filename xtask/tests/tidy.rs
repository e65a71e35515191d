//! The house rules hold for this very checkout.

#[test]
fn the_repository_is_tidy() {
    let report = xtask::tidy::run(&xtask::tree::root().unwrap()).unwrap();
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    assert!(
        problems.is_empty(),
        "{} broken rules\n{}\n",
        problems.len(),
        problems.join("\n")
    );
}
