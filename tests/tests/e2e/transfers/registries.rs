//! Registries behind certificates, passwords and tokens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use sealcrate_test_kit::{Fault, FaultProxy, Rule};
use sealcrate_tests::fixtures::{FAST, Machine};
use sealcrate_tests::{
    Anonymous, Authority, Caller, Done, PASSWORD, Registry, TokenIssuer, TokenLife, USERNAME,
    note_secret,
};
use serde_json::json;

const MINUTES: Duration = Duration::from_secs(300);
/// "alice:correct horse" in base64.
const AUTH: &str = "YWxpY2U6Y29ycmVjdCBob3JzZQ==";

/// A machine with the layout `image`.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.layout("image", &["public", "private"]);
    machine
}

fn name(host: &str) -> String {
    format!("{host}/team/app:1")
}

/// The arguments of a push of `image`.
fn push<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let push = ["push", name, "--from=oci:image", "--encrypt-layer=1", "--pass-file=key", FAST];
    [&push[..], more].concat()
}

/// The arguments of a pull that needs no engine.
fn pull<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["pull", name, "--to=oci:back", "--pass-file=key"], more].concat()
}

/// A registry that wants a password, over TLS, with its certificate authority.
struct Guarded {
    authority: Authority,
    registry: Registry,
}

impl Guarded {
    fn start() -> Self {
        let authority = Authority::new();
        let registry = Registry::with_htpasswd_over_tls(&authority);
        Self { authority, registry }
    }

    fn ca(&self) -> String {
        format!("--ca={}", self.authority.ca_file().display())
    }

    #[track_caller]
    fn assert_pushed(&self) {
        assert_eq!(self.registry.tags("team/app"), ["1"]);
    }
}

#[test]
fn password_of_docker_login_opens_a_registry_with_its_own_authority() {
    let (guarded, machine) = (Guarded::start(), machine());
    let (host, ca) = (guarded.registry.host(), guarded.ca());
    machine.sandbox.log_in(host, USERNAME, PASSWORD);
    machine.succeed(&push(&name(host), &[&ca]));
    guarded.assert_pushed();
    machine.succeed(&pull(&name(host), &[&ca]));
}

#[test]
fn unknown_authority_is_refused() {
    let (guarded, machine) = (Guarded::start(), machine());
    let host = guarded.registry.host();
    machine.sandbox.log_in(host, USERNAME, PASSWORD);
    let stranger = Authority::new();
    let other = format!("--ca={}", stranger.ca_file().display());
    for more in [&[][..], &[other.as_str()]] {
        let done = machine.fail(1, &push(&name(host), more)).says("certificate");
        assert!(done.lines("hint: ")[0].contains("--ca"), "{}", done.said());
    }
    assert!(guarded.registry.blobs().is_empty());
}

#[test]
fn credential_helper_is_asked() {
    let (guarded, machine) = (Guarded::start(), machine());
    let (host, ca) = (guarded.registry.host(), guarded.ca());
    let helper = format!(
        "#!/bin/sh\ncat > asked\n[ \"$1\" = get ] || exit 1\n\
         echo '{{\"ServerURL\":\"{host}\",\"Username\":\"{USERNAME}\",\"Secret\":\"{PASSWORD}\"}}'\n"
    );
    note_secret("password from a helper", PASSWORD);
    fs::create_dir(machine.path("bin")).unwrap();
    machine.write("bin/docker-credential-x", helper);
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(machine.path("bin/docker-credential-x"), mode).unwrap();
    let path = format!("{}:{}", machine.path("bin").display(), std::env::var("PATH").unwrap());
    for config in [json!({ "credHelpers": { host: "x" } }), json!({ "credsStore": "x" })] {
        fs::write(machine.sandbox.docker_config().join("config.json"), config.to_string()).unwrap();
        let name = name(host);
        let mut command = machine.sealcrate(&push(&name, &[&ca]));
        Done::of(command.env("PATH", &path)).with_status(0);
        guarded.assert_pushed();
        let asked = fs::read_to_string(machine.path("asked")).unwrap();
        assert_eq!(asked.trim_end(), host);
        fs::remove_file(machine.path("asked")).unwrap();
    }
}

#[test]
fn helper_that_is_missing_is_named() {
    let (guarded, machine) = (Guarded::start(), machine());
    let config = json!({ "credsStore": "nowhere-to-be-found" });
    fs::write(machine.sandbox.docker_config().join("config.json"), config.to_string()).unwrap();
    machine
        .fail(1, &push(&name(guarded.registry.host()), &[&guarded.ca()]))
        .says("docker-credential-nowhere-to-be-found");
}

#[test]
fn password_of_podman_login_opens_too() {
    let (guarded, machine) = (Guarded::start(), machine());
    let host = guarded.registry.host();
    let folder = machine.sandbox.runtime().join("containers");
    fs::create_dir(&folder).unwrap();
    let auth = json!({ "auths": { host: { "auth": AUTH } } });
    fs::write(folder.join("auth.json"), auth.to_string()).unwrap();
    machine.succeed(&push(&name(host), &[&guarded.ca()]));
    guarded.assert_pushed();
}

#[test]
fn wrong_password_and_none_are_refused_with_a_hint() {
    let (guarded, machine) = (Guarded::start(), machine());
    let (host, ca) = (guarded.registry.host(), guarded.ca());
    let assert_refused = |arguments: &[&str]| {
        let done = machine.fail(1, arguments).says(&format!("{host} denies access"));
        assert!(done.lines("hint: ")[0].contains("docker login"), "{}", done.said());
        done.does_not_say("not this one");
    };
    assert_refused(&push(&name(host), &[&ca]));
    machine.sandbox.log_in(host, USERNAME, "not this one");
    assert_refused(&push(&name(host), &[&ca]));
    assert_refused(&pull(&name(host), &[&ca]));
    assert!(guarded.registry.blobs().is_empty());
}

#[test]
fn plain_http_means_that() {
    let (guarded, plain, machine) = (Guarded::start(), Registry::plain(), machine());
    let host = guarded.registry.host();
    machine.sandbox.log_in(host, USERNAME, PASSWORD);
    machine.fail(1, &push(&name(host), &[&guarded.ca(), "--plain-http"]));
    assert!(guarded.registry.blobs().is_empty());
    machine.succeed(&push(&name(plain.host()), &["--plain-http"]));
    assert_eq!(plain.tags("team/app"), ["1"]);
}

#[test]
fn tokens_are_fetched_with_the_password_and_anonymously() {
    let issuer = TokenIssuer::start(Anonymous::MayPull, TokenLife::honest(MINUTES));
    let (registry, machine) = (Registry::with_tokens(&issuer), machine());
    let name = name(registry.host());
    let done = machine.fail(1, &push(&name, &[])).says("denies access");
    assert!(done.lines("hint: ")[0].contains("docker login"), "{}", done.said());
    assert!(registry.blobs().is_empty());
    machine.sandbox.log_in(registry.host(), USERNAME, PASSWORD);
    machine.succeed(&push(&name, &["--plain-http"]));
    assert!(issuer.requests().iter().any(|request| request.caller == Caller::Password));

    let asked = issuer.requests().len();
    let stranger = Machine::new();
    stranger.succeed(&pull(&name, &[]));
    let callers: Vec<_> = issuer.requests()[asked..].iter().map(|r| r.caller).collect();
    assert!(!callers.is_empty() && callers.iter().all(|c| *c == Caller::Anonymous), "{callers:?}");
}

#[test]
fn identity_token_is_as_good_as_the_password() {
    let issuer = TokenIssuer::start(Anonymous::Refused, TokenLife::honest(MINUTES));
    let (registry, machine) = (Registry::with_tokens(&issuer), machine());
    machine.sandbox.log_in_with_identity_token(registry.host(), issuer.identity_token());
    let name = name(registry.host());
    machine.succeed(&push(&name, &["--plain-http"]));
    machine.succeed(&pull(&name, &["--plain-http"]));
    let requests = issuer.requests();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| request.caller == Caller::IdentityToken), "{requests:?}");
    let wrong = Machine::new();
    wrong.sandbox.log_in_with_identity_token(registry.host(), "not this one");
    let done = wrong.fail(1, &pull(&name, &["--plain-http"]));
    done.says("denies access").does_not_say("not this one");
}

#[test]
fn token_that_ends_during_an_upload_is_renewed() {
    let issuer = TokenIssuer::start(Anonymous::Refused, TokenLife::honest(MINUTES));
    let (registry, machine) = (Registry::with_tokens(&issuer), machine());
    // When the upload arrives, its token has ended.
    let ended = format!("Bearer {}", issuer.ended_token("repository:team/app:pull,push"));
    let late = Rule::new("PUT", "/blobs/uploads/", Fault::Authorize(ended)).once();
    let proxy = FaultProxy::start(registry.host(), vec![late]);
    machine.sandbox.log_in(&proxy.host(), USERNAME, PASSWORD);
    machine.succeed(&push(&name(&proxy.host()), &["--jobs=1", "--plain-http"]));
    assert_eq!(registry.tags("team/app"), ["1"]);
    let refused = |request: &&sealcrate_test_kit::RecordedRequest| {
        request.head.method() == "PUT" && request.status == Some(401)
    };
    assert_eq!(proxy.requests().iter().filter(refused).count(), 1);
}

#[test]
fn requests_are_shown_without_secrets() {
    let issuer = TokenIssuer::start(Anonymous::Refused, TokenLife::honest(MINUTES));
    let (registry, machine) = (Registry::with_tokens(&issuer), machine());
    let proxy = FaultProxy::start(registry.host(), Vec::new());
    machine.sandbox.log_in(&proxy.host(), USERNAME, PASSWORD);
    let done = machine.succeed(&push(&name(&proxy.host()), &["--verbose", "--plain-http"]));
    let requests = proxy.requests();
    let tokens = requests.iter().filter_map(|request| request.head.header("Authorization"));
    let tokens: Vec<_> = tokens.filter_map(|value| value.strip_prefix("Bearer ")).collect();
    assert!(!tokens.is_empty());
    let mut done = done.says("PUT").says("/v2/team/app/manifests/1");
    for hidden in [PASSWORD, AUTH, sealcrate_tests::fixtures::PASSPHRASE].into_iter().chain(tokens)
    {
        done = done.does_not_say(hidden);
    }
}

#[test]
fn registry_that_is_not_there_is_named() {
    let machine = machine();
    let done = machine.fail(1, &pull("127.0.0.1:1/team/app", &[])).says("127.0.0.1:1");
    assert!(done.lines("hint: ")[0].contains("check the name"), "{}", done.said());
}

#[test]
fn image_that_is_not_there_is_named() {
    let (registry, machine) = (Registry::plain(), Machine::new());
    let name = name(registry.host());
    machine.fail(1, &pull(&name, &[])).says(&format!("{name} is not in the registry"));
    assert!(!machine.path("back").exists());
}
