//! Homes: an image in another place than it was pushed to does not count as one that belongs there.

use sealcrate_tests::fixtures::FAST;

use crate::shop::{KEY, OTHER, OWNER, Shop, children};

/// Both formats: how to encrypt, and how to open.
const FORMATS: [(&[&str], &str); 2] =
    [(&[OWNER], KEY), (&["--pass-file=key", FAST], "--pass-file=key")];

/// Pushes the image `image` to a repository.
fn push(shop: &Shop, repository: &str, format: &[&str]) -> String {
    let name = shop.name_of(repository, "1");
    let push = ["push", &name, "--from=oci:image", "--encrypt-layer=1"];
    shop.machine.succeed(&[&push[..], format].concat());
    name
}

/// A stranger puts the image of one repository into another.
fn moved(shop: &Shop, from: &str, to: &str) -> String {
    let manifest = shop.registry.manifest(from, "1").unwrap();
    shop.move_to(to, "1", &manifest);
    shop.name_of(to, "1")
}

#[test]
fn owner_gives_nobody_another_image_than_he_means() {
    for (format, key) in FORMATS {
        let shop = Shop::new();
        push(&shop, "secret", format);
        let at = moved(&shop, "secret", "open");
        let home = format!("{}/secret", shop.registry.host());
        let change: &[&str] = match key {
            KEY => &["--add", OTHER],
            _ => &["--new-pass-file=other-key", FAST],
        };
        let before = shop.registry.tag_digest("open", "1");
        let rewrap = [&["rewrap", &at, key], change].concat();
        for more in [&[][..], &["--reencrypt"]] {
            let done = shop.machine.fail(5, &[&rewrap[..], more].concat());
            assert!(done.stderr.contains(&home), "{}", done.said());
            assert!(done.stderr.contains("/open") && done.stderr.contains("--home"));
            assert_eq!(shop.registry.tag_digest("open", "1"), before);
        }
        let wrong = format!("--home={}/another", shop.registry.host());
        shop.machine.fail(5, &[&rewrap[..], &[&wrong]].concat());
        // Another name of the same registry is another place.
        let local = at.replace("127.0.0.1", "localhost");
        let honest = local.replace("/open", "/secret");
        shop.machine.fail(5, &[&["rewrap", &honest, key], change].concat());
        let stated = format!("--home={home}");
        shop.machine.succeed(&[&rewrap[..], &[&stated]].concat());
        // The new place is sealed.
        let key = if key == KEY { KEY } else { "--pass-file=other-key" };
        shop.machine.succeed(&["pull", &at, "--to=oci:back", key]);
        shop.fails(5, &["pull", &at, "--to=oci:back", key, &stated]);
    }
}

#[test]
fn exchanged_images_of_the_same_readers_are_noticed() {
    for (format, key) in FORMATS {
        let shop = Shop::new();
        push(&shop, "team/web", format);
        push(&shop, "team/database", format);
        let at = moved(&shop, "team/database", "team/web");
        let pull = ["pull", &at, "--to=oci:back", key];
        let done = shop.fails(5, &pull).says("team/database").says("team/web").says("--home");
        assert_eq!(done.lines("hint: ").len(), 1);
        let copy = ["copy", &format!("docker://{at}"), "oci:back", key];
        shop.fails(5, &copy);
        let stated = format!("--home={}/team/database", shop.registry.host());
        shop.machine.succeed(&[&pull[..], &[&stated]].concat());
        shop.fails(5, &["pull", &at, "--to=oci:back", key, "--home=x.example/team/web"]);
        let dir = format!("{}/team/web", shop.registry.host());
        shop.fails(5, &[&pull[..], &[&format!("--home={dir}")]].concat());
    }
}

#[test]
fn caches_and_other_names_of_a_registry_are_no_other_home() {
    let shop = Shop::new();
    push(&shop, "team/web", &[OWNER]);
    for (repository, code) in [
        ("web", 0),
        ("mirror/team/web", 0),
        ("team/web-2", 5),
        ("my-web", 5),
        ("steam/web", 5),
        ("web/team", 5),
    ] {
        let at = moved(&shop, "team/web", repository).replace("127.0.0.1", "localhost");
        let _ = std::fs::remove_dir_all(shop.machine.path("back"));
        let done = shop.machine.run(&["pull", &at, "--to=oci:back", KEY]);
        assert_eq!(done.status, Some(code), "{repository}: {}", done.said());
        assert_eq!(shop.machine.path("back").exists(), code == 0);
        // A copy changes no byte, and a note tells of the home where it matters.
        let from = format!("docker://{}", shop.name_of("team/web", "1"));
        let done = shop.machine.succeed(&["copy", &from, &format!("docker://{at}")]);
        let told = done.lines("note: an encrypted image keeps its home").len();
        assert_eq!(told, usize::from(code != 0), "{repository}: {}", done.said());
    }
    // A layout in a folder has no name to compare.
    let from = format!("docker://{}", shop.name_of("team/web", "1"));
    shop.machine.succeed(&["copy", &from, "oci:other:latest"]);
    shop.machine.succeed(&["copy", "oci:other:latest", "oci:opened", KEY]);
    let stated = ["copy", "oci:other:latest", "oci:back", KEY, "--home=x.example/elsewhere"];
    shop.fails(5, &stated);
}

#[test]
fn image_without_a_home_gets_no_reader_by_accident() {
    let shop = Shop::new();
    let encrypt = ["copy", "oci:image", "oci:enc:latest", "--encrypt-layer=1", OWNER];
    shop.machine.succeed(&encrypt);
    let name = shop.name("1");
    shop.machine.succeed(&["copy", "oci:enc:latest", &format!("docker://{name}")]);
    shop.pull("1", &[]);
    shop.rewrap_fails(2, "1", &[]).says("--home");
    shop.rewrap_fails(2, "1", &["--reencrypt"]).says("--home");
    let before = shop.registry.tag_digest("app", "1");
    shop.machine.fail(2, &["rewrap", &name, KEY, "--new-pass-file=key"]).says("--home");
    assert_eq!(shop.registry.tag_digest("app", "1"), before);
    let home = format!("--home={}/app", shop.registry.host());
    shop.machine.succeed(&["rewrap", &name, KEY, "--add", OTHER, &home]);
    // It has a home now. To remove a reader it needs none.
    shop.machine.succeed(&["rewrap", &name, KEY, "--remove", OTHER]);
    let seen = shop.machine.succeed(&["inspect", &name, KEY, "--output=json"]).json();
    assert_eq!(seen["record"]["home"], home["--home=".len()..]);
    shop.machine.succeed(&["rewrap", "oci:enc:latest", KEY, "--add", OTHER]);
}

#[test]
fn image_without_a_home_belongs_where_it_lies_and_nowhere_else() {
    let shop = Shop::new();
    for (format, key) in [(&[OWNER][..], KEY), (&["--new-pass-file=key", FAST], "--pass-file=key")]
    {
        let encrypt = ["copy", "oci:image", "oci:enc:latest", "--encrypt-layer=1"];
        shop.machine.succeed(&[&encrypt[..], format].concat());
        let name = shop.name("1");
        shop.machine.succeed(&["copy", "oci:enc:latest", &format!("docker://{name}")]);
        let before = shop.registry.tag_digest("app", "1");
        let changes: &[&[&str]] = match key {
            KEY => &[&["--add", OTHER], &["--remove", OTHER], &["--add", OTHER, "--reencrypt"]],
            _ => &[&["--new-pass-file=other-key", FAST]],
        };
        for change in changes {
            for home in ["x.example/app".to_owned(), shop.name_of("other", "1")] {
                let home = format!("--home={}", home.trim_end_matches(":1"));
                let rewrap = [&["rewrap", &name, key, &home], *change].concat();
                shop.machine.fail(2, &rewrap).says("lies at").says(&home["--home=".len()..]);
                assert_eq!(shop.registry.tag_digest("app", "1"), before);
            }
        }
    }
}

#[test]
fn images_of_an_index_have_a_home_as_well() {
    let shop = Shop::new();
    shop.push_several("1");
    let index = shop.registry.manifest("app", "1").unwrap();
    let value = shop.manifest("1");
    for child in children(&value) {
        shop.move_to("other", sealcrate_tests::fixtures::stored::digest(child), &shop.bytes(child));
    }
    let target = "/v2/other/manifests/1";
    let headers = [("Content-Type", sealcrate_test_kit::OCI_INDEX)];
    let put =
        sealcrate_test_kit::http::request("PUT", shop.registry.host(), target, &headers, &index);
    assert_eq!(put.unwrap().status, 201);
    let at = shop.name_of("other", "1");
    for more in [&[][..], &["--platform=linux/amd64"]] {
        shop.fails(5, &[&["pull", &at, "--to=oci:back", KEY], more].concat());
    }
    shop.machine.fail(5, &["rewrap", &at, KEY, "--add", OTHER]);
    let home = format!("--home={}/app", shop.registry.host());
    shop.machine.succeed(&["rewrap", &at, KEY, "--add", OTHER, &home]);
    shop.machine.succeed(&["pull", &at, "--to=oci:back", KEY, "--require-binding=2"]);
}
