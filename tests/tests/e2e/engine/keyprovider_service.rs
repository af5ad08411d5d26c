//! The users whom a key provider answers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use sealcrate_tests::{Done, GeneratedClient};

use crate::keys::keyprovider_service::Node;

/// A user who is neither root nor the one that tests run as.
const NOBODY: &str = "65534";

#[test]
fn only_root_and_allowed_users_are_answered() {
    sealcrate_tests::assert_provided();
    let node = Node::new();
    let client = GeneratedClient::new();
    let as_nobody = || {
        let call = client.call(&node.address(), "UnWrapKey", &node.machine.path("request"));
        // The folders of the test are closed to others. The script opens the way in for this user alone.
        let script = "chmod 0666 \"$1\"; for d in \"$2\" \"$1\"; do while [ \"$d\" != /tmp ] && [ \"$d\" != / ]; do \
                      [ -d \"$d\" ] && chmod o+x \"$d\"; d=$(dirname \"$d\"); done; done; shift; \
                      exec setpriv --reuid=65534 --clear-groups -- /usr/bin/python3 \"$@\"";
        let mut command = as_root("sh");
        command.args(["-c", script, "sh"]).arg(node.socket()).args(call.get_args());
        command.stdin(fs::File::open(node.machine.path("request")).unwrap());
        Done::of(&mut command)
    };
    let open = |path: PathBuf| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    };
    open(node.machine.path("request"));
    let mut service = node.serve(&[]);
    as_nobody().with_status(1).says("UNAVAILABLE");
    service.wait_for(&format!("uid {NOBODY} pid "));
    assert!(
        service.log().contains("refused: neither root nor an --allow-uid"),
        "{}",
        service.log()
    );
    assert_eq!(service.end().code(), Some(0));
    let mut service = node.serve(&["--allow-uid", NOBODY]);
    as_nobody().with_status(0);
    service.wait_for(&format!("uid {NOBODY} pid "));
}

/// Prepares a command that runs as root.
fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", "--", program]);
    command
}
