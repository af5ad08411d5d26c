//! The way back: the original image, bit by bit.

use crate::fixture::{CLEAR, Locksmith, PRIVATE};

#[test]
fn unlocked_image_is_the_original() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "{PRIVATE}COPY a /app/a\nENV X=y\n{CLEAR}COPY a /b\n{PRIVATE}RUN rm /b\nCMD [\"cat\", \"/app/a\"]\n"
    );
    let original = locksmith.build(&lines, &[("a", b"content\n")]);
    let locked = locksmith.lock(&original, &[]);
    let name = format!("{}-back", original.name());
    let _back = locksmith.engine.remove_on_drop(&name);
    let id = locksmith.engine.image_id(original.name());
    // The engine may have no layer of the original already.
    locksmith.engine.run(&["image", "rm", "--force", original.name()]);
    let arguments = ["unlock", locked.name(), "-i", "identity", "-t", &name];
    locksmith.sealcrate(&arguments).with_status(0);
    assert_eq!(locksmith.engine.image_id(&name), id);
    assert_eq!(locksmith.engine.run_container(&name, &[]), "content");
}

#[test]
fn wrong_keys_and_other_images_are_told() {
    let locksmith = Locksmith::new();
    let original = locksmith.build(&format!("{PRIVATE}COPY a /a\n"), &[("a", b"x")]);
    let locked = locksmith.lock(&original, &[]);
    std::fs::write(locksmith.path("wrong"), "a wrong horse battery").unwrap();
    let unlock = |image: &str, key: &str| {
        locksmith.sealcrate(&["unlock", image, "-i", key, "-t", "never:1"])
    };
    unlock(locked.name(), "wrong").failed(3).says("wrong key");
    unlock(locked.name(), "nowhere").failed(1).says("cannot read the key from nowhere");
    unlock(original.name(), "identity").failed(4).says("the image is not locked");
    assert!(!locksmith.engine.has_image("never:1"));
    let again = ["lock", locked.name(), "-t", "never:1", "--all-layers", "-r"];
    let recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
    locksmith.sealcrate(&[&again[..], &[recipient]].concat()).failed(1).says("locked already");
}

#[test]
fn encrypted_image_is_not_locked() {
    let locksmith = Locksmith::new();
    let original = locksmith.build(&format!("{PRIVATE}COPY a /a\n"), &[("a", b"x")]);
    std::fs::write(locksmith.path("pass"), "a passphrase of some length").unwrap();
    let from = format!("docker-daemon:{}", original.name());
    let encrypt = ["copy", &from, "oci:encrypted:1", "--all-layers"];
    let recipient = locksmith.recipient();
    for to in [&["--new-pass-file=pass", "--iterations=100000"], &["-r", recipient]] {
        locksmith.sealcrate(&[&encrypt[..], to].concat()).with_status(0);
        let lock = ["lock", "--from=oci:encrypted:1", "--to=oci:locked:1", "--all-layers", "-r"];
        let done = locksmith.sealcrate(&[&lock[..], &[recipient]].concat()).failed(1);
        done.says("the image is encrypted already");
        assert!(!locksmith.path("locked").exists());
    }
}
