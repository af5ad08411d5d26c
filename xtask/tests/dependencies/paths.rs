//! The paths that CONTRIBUTING.md sends newcomers to.

use super::workspace;

#[test]
fn every_path_for_newcomers_exists() {
    let text = std::fs::read_to_string(workspace().join("CONTRIBUTING.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| you want to add or change"));
    let rows: Vec<&str> = rows.skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 12, "a row a question: {rows:?}");
    for row in rows {
        let path = row.split('`').nth(1).expect("a row has a path");
        assert!(workspace().join(path).exists(), "{path} is gone");
    }
}
