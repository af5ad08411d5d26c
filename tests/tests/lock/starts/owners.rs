//! The owners of unlocked files where a container may not set all of them.

use crate::fixture::{FOR_ALL, Locksmith, PRIVATE};

/// Files of another user, of all kinds, and a program that shows them.
const LINES: &str = "COPY a /app/in/a
RUN ln /app/in/a /app/hard && ln -s in/a /app/link && mkfifo /app/pipe && chmod 750 /app/in && chmod 640 /app/in/a \\
    && touch -h -d @1500000000 /app/in/a /app/link /app/pipe && chown -h 1000:2000 /app/in/a /app/in /app/link /app/pipe \\
    && touch -d @1500000001 /app/in /app
CMD [\"stat\", \"-c\", \"%n %F %a %u %g %Y\", \"/app/hard\", \"/app/link\", \"/app/pipe\", \"/app/in\", \"/app/.\"]
";

#[test]
fn files_of_others_need_no_more_than_the_privilege_to_give_them_away() {
    let locksmith = Locksmith::new();
    let original = locksmith.build(&format!("{PRIVATE}{LINES}"), &[("a", b"private\n")]);
    let locked = locksmith.lock(&original, &[]);
    for options in [&["--cap-drop=ALL", "--cap-add=CHOWN"][..], &[]] {
        let done = locksmith.assert_same(&original, &locked, options, &[]).with_status(0);
        assert!(done.stdout.starts_with("/app/hard regular file 640 1000 2000 1500000000\n"));
    }
}

#[test]
fn files_that_root_may_not_give_away_are_told_once() {
    let locksmith = Locksmith::new();
    let original = locksmith.build(&format!("{PRIVATE}{LINES}"), &[("a", b"private\n")]);
    let locked = locksmith.lock(&original, &[]);
    let done = locksmith.unlock(locked.name(), &["--cap-drop=ALL"], &[]).with_status(0);
    assert!(
        done.stdout.starts_with("/app/hard regular file 640 0 0 1500000000\n"),
        "{}",
        done.said()
    );
    let lines: Vec<_> = done.stderr.lines().collect();
    assert!(lines.len() == 1 && lines[0].contains("belong to root"), "{}", done.said());
    // A user other than root cannot give files away. The guide says so, and the init does not.
    let options = ["--cap-drop=ALL", "--user=1000", FOR_ALL];
    let done = locksmith.unlock(locked.name(), &options, &[]).with_status(0);
    assert_eq!(done.stderr, "", "{}", done.said());
}
