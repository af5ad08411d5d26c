//! The committed code of the service is the code that its definition gives.

#[test]
fn committed_code_is_the_generated_one() {
    let generated = xtask_proto::generate().unwrap();
    let committed = std::fs::read_to_string(xtask_proto::committed()).unwrap();
    assert!(committed == generated, "`cargo xtask proto` writes it anew");
}
