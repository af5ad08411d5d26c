//! Attacks on connections. A stranger wants a login, or the trust that belongs to another registry. Or he
//! wants the user to start a program that he put into the user's folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sealcrate_test_kit::{Fault, FaultProxy, Rule};
use sealcrate_tests::fixtures::{Machine, TestImage, image_of};
use sealcrate_tests::{
    Anonymous, Authority, Caller, Done, PASSWORD, Registry, TokenIssuer, TokenLife, USERNAME,
};
use serde_json::json;

/// A registry over plain HTTP that wants tokens, and a proxy before it.
struct Clear {
    issuer: TokenIssuer,
    registry: Registry,
    proxy: FaultProxy,
    machine: Machine,
    image: TestImage,
}

impl Clear {
    /// Starts them, with a user logged in at the proxy.
    fn new() -> Self {
        let life = TokenLife::honest(Duration::from_secs(300));
        let issuer = TokenIssuer::start(Anonymous::MayPull, life);
        let registry = Registry::with_tokens(&issuer);
        let proxy = FaultProxy::start(registry.host(), Vec::new());
        let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
        machine.sandbox.log_in(&proxy.host(), USERNAME, PASSWORD);
        Self { issuer, registry, proxy, machine, image }
    }

    fn name(&self) -> String {
        format!("{}/app:1", self.proxy.host())
    }

    fn push(&self, more: &[&str]) -> Done {
        Done::of(self.machine.push(&self.image, &self.name()).args(more))
    }

    fn assert_no_login_was_sent(&self) {
        let by_password = |request: &&sealcrate_tests::TokenRequest| {
            matches!(request.caller, Caller::Password | Caller::IdentityToken)
        };
        assert!(!self.issuer.requests().iter().any(|request| by_password(&request)));
        let requests = self.proxy.requests();
        assert!(!requests.is_empty());
        for request in requests {
            let sent = request.head.header("Authorization").unwrap_or_default();
            assert!(!sent.starts_with("Basic"), "{}", request.head.start_line());
        }
    }
}

#[test]
fn refresh_token_follows_no_redirect_to_another_host() {
    let clear = Clear::new();
    let issuer = clear.issuer.realm();
    let issuer = issuer.trim_start_matches("http://").trim_end_matches("/token");
    let stranger = FaultProxy::start(issuer, Vec::new());
    let redirect = Rule::new("POST", "/token", Fault::RedirectTo(stranger.host()));
    let token_proxy = FaultProxy::start(issuer, vec![redirect]);
    let realm =
        format!("Bearer realm=\"http://{}/token\",service=\"registry.test\"", token_proxy.host());
    let headers = vec![("WWW-Authenticate".to_owned(), realm)];
    for method in ["HEAD", "GET", "POST"] {
        let headers = headers.clone();
        clear.proxy.add_rule(Rule::new(method, "/v2/app/", Fault::Answer { status: 401, headers }));
    }
    let token = clear.issuer.identity_token();
    clear.machine.sandbox.log_in_with_identity_token(&clear.proxy.host(), token);
    let done = clear.push(&["--plain-http"]).failed(1);
    done.says("only reads follow a redirect to another host").does_not_say(token);
    assert!(token_proxy.requests().iter().any(|request| request.head.method() == "POST"));
    assert!(stranger.requests().is_empty(), "{:?}", stranger.requests());
    assert!(clear.issuer.requests().is_empty(), "it was answered elsewhere");
}

#[test]
fn listener_on_loopback_gets_no_stored_login() {
    let clear = Clear::new();
    let done = clear.push(&[]).failed(1).says("over which the stored login is not sent");
    assert!(done.lines("hint: ")[0].contains("--plain-http=HOST:PORT"), "{}", done.said());
    clear.assert_no_login_was_sent();

    let challenge = ("WWW-Authenticate".to_owned(), "Basic realm=\"give me\"".to_owned());
    for method in ["HEAD", "GET", "POST"] {
        let fault = Fault::Answer { status: 401, headers: vec![challenge.clone()] };
        clear.proxy.add_rule(Rule::new(method, "/v2/app/", fault));
    }
    let done = clear.push(&[]).failed(1).says("over which the stored login is not sent");
    assert!(done.lines("hint: ")[0].contains("--plain-http=HOST:PORT"), "{}", done.said());
    clear.assert_no_login_was_sent();
    assert!(clear.registry.blobs().is_empty());
}

#[test]
fn listener_on_another_port_gets_no_stored_login() {
    let clear = Clear::new();
    let [named, nearly, host] =
        [clear.proxy.host(), clear.registry.host().to_owned(), "127.0.0.1".into()];
    let other = FaultProxy::start(clear.registry.host(), Vec::new());
    clear.machine.sandbox.allow_in_clear(&nearly);
    clear.machine.sandbox.allow_in_clear(&host);
    clear.push(&[&format!("--plain-http={nearly}")]).failed(1).says("login is not sent");
    clear.assert_no_login_was_sent();
    // The login that is stored for the one port, and may go there, does not go to the other.
    clear.machine.sandbox.allow_in_clear(&named);
    let name = format!("{}/app:1", other.host());
    let mut push = clear.machine.push(&clear.image, &name);
    Done::of(push.arg("--plain-http")).failed(1).says("denies access");
    clear.assert_no_login_was_sent();
}

#[test]
fn login_goes_in_clear_where_the_user_allows_it() {
    let clear = Clear::new();
    let (host, home) = (clear.proxy.host(), clear.machine.sandbox.home());
    for option in ["--plain-http".to_owned(), format!("--plain-http={host}")] {
        let asked = clear.issuer.requests().len();
        clear.push(&[&option]).with_status(0);
        let requests = &clear.issuer.requests()[asked..];
        assert!(requests.iter().any(|it| it.caller == Caller::Password), "{option}");
    }
    clear.push(&[]).failed(1);
    let folder = home.join(".config/containers");
    fs::create_dir_all(&folder).expect("the sandbox can be written");
    let conf = folder.join("registries.conf");
    let text = format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n");
    fs::write(&conf, &text).expect("the sandbox can be written");
    clear.push(&[]).with_status(0);
    fs::write(&conf, text.replace("true", "1")).expect("the sandbox can be written");
    clear.push(&[]).failed(1).says("registries.conf is malformed in line 3");
    fs::remove_file(&conf).expect("the sandbox can be written");
    clear.push(&[]).failed(1);
    clear.machine.sandbox.allow_in_clear(&host);
    clear.push(&[]).with_status(0);
    assert_eq!(clear.registry.tags("app"), ["1"]);
}

#[test]
fn what_is_public_is_pulled_without_the_login() {
    let clear = Clear::new();
    clear.push(&["--plain-http"]).with_status(0);
    let asked = clear.issuer.requests().len();
    Done::of(clear.machine.pull(&clear.name()).args(["--to", "oci:back"])).with_status(0);
    let callers: Vec<_> = clear.issuer.requests()[asked..].iter().map(|it| it.caller).collect();
    assert!(
        !callers.is_empty() && callers.iter().all(|it| *it == Caller::Anonymous),
        "{callers:?}"
    );
}

/// Two registries that speak TLS, with authorities of their own, and one that does not.
struct Three {
    authorities: [Authority; 2],
    guarded: [Registry; 2],
    plain: Registry,
    machine: Machine,
}

impl Three {
    /// Starts them, with a user logged in at both, and with an image in the plain one.
    fn new() -> Self {
        let authorities = [Authority::new(), Authority::new()];
        let guarded = [0, 1].map(|at| Registry::with_htpasswd_over_tls(&authorities[at]));
        let (plain, machine) = (Registry::plain(), Machine::with_own_passphrase());
        for registry in &guarded {
            machine.sandbox.log_in(registry.host(), USERNAME, PASSWORD);
        }
        let name = format!("{}/app:1", plain.host());
        Done::of(&mut machine.push(&image_of(1000), &name)).with_status(0);
        Self { authorities, guarded, plain, machine }
    }

    fn copy(&self, from: &Registry, to: &Registry, options: &[String]) -> Done {
        let at = |registry: &Registry| format!("docker://{}/app:1", registry.host());
        let mut copy = self.machine.sandbox.sealcrate();
        Done::of(copy.args(["copy", &at(from), &at(to)]).args(options))
    }

    /// `--ca` for the one registry with the authority of another.
    fn ca(&self, registry: usize, authority: usize) -> String {
        let file = self.authorities[authority].ca_file();
        format!("--ca={}={}", self.guarded[registry].host(), file.display())
    }
}

#[test]
fn authority_of_one_registry_vouches_for_no_other() {
    let three = Three::new();
    let [one, other] = &three.guarded;
    three.copy(&three.plain, one, &[three.ca(0, 0)]).with_status(0);
    for options in [
        vec![three.ca(0, 0)],
        vec![three.ca(0, 0), three.ca(0, 1)],
        vec![three.ca(0, 0), three.ca(1, 0)],
        vec![three.ca(1, 1), three.ca(1, 0)],
    ] {
        three.copy(one, other, &options).failed(1).says("certificate");
    }
    assert!(other.blobs().is_empty());
    three.copy(one, other, &[three.ca(0, 0), three.ca(1, 1)]).with_status(0);
    assert_eq!(other.tags("app"), ["1"]);
}

#[test]
fn plain_http_for_one_registry_is_spoken_to_no_other() {
    let three = Three::new();
    let [one, other] = &three.guarded;
    let plain = |registry: &Registry| format!("--plain-http={}", registry.host());
    let options = [plain(&three.plain), three.ca(0, 0)];
    three.copy(&three.plain, one, &options).with_status(0);
    let options = [plain(other), three.ca(0, 0), three.ca(1, 1)];
    three.copy(one, other, &options).failed(1);
    assert!(other.blobs().is_empty());
    assert!(!other.log().contains("authorization"), "{}", other.log());
}

#[test]
fn option_without_a_host_does_not_spread_over_two_registries() {
    let three = Three::new();
    let [one, other] = &three.guarded;
    let file = three.authorities[0].ca_file().display().to_string();
    for option in ["--plain-http".to_owned(), format!("--ca={file}")] {
        let done = three.copy(&three.plain, one, std::slice::from_ref(&option)).failed(2);
        done.says("has to say which registry it is for").says(one.host()).says(three.plain.host());
        // Between a registry and a folder there is only one registry that it can mean.
        let mut copy = three.machine.sandbox.sealcrate();
        let from = format!("docker://{}/app:1", three.plain.host());
        Done::of(copy.args(["copy", &from, "oci:back:1", &option])).with_status(0);
    }
    three.copy(&three.plain, one, &[three.ca(0, 0)]).with_status(0);
    // The source of a pull, and not its destination.
    let pull = |more: &[String]| {
        let mut pull = three.machine.pull(&format!("{}/app:1", one.host()));
        let to = format!("docker://{}/app:1", other.host());
        pull.args(["--publish-decrypted", "--to", &to, &format!("--ca={file}")]);
        Done::of(pull.args(more))
    };
    let wrong = format!("--ca={}", three.authorities[1].ca_file().display());
    pull(&[wrong]).failed(1).says("certificate");
    pull(&[three.ca(1, 1)]).with_status(0);
}

#[test]
fn file_of_an_authority_may_have_an_equals_sign_in_its_name() {
    let three = Three::new();
    let one = &three.guarded[0];
    let work = three.machine.sandbox.work();
    fs::copy(three.authorities[0].ca_file(), work.join("a=b.pem")).expect("it can be copied");
    let image = image_of(1000);
    let push = |file: &str| {
        let mut push = three.machine.push(&image, &format!("{}/app:1", one.host()));
        Done::of(push.args(["--ca", file]))
    };
    push("./a=b.pem").with_status(0);
    push("a=b.pem").with_status(2).says("written as ./NAME");
}

/// Puts a program into the folder where the machine's user works; it leaves the file `ran` there.
fn plant(machine: &Machine, name: &str) {
    let work = machine.sandbox.work();
    let script = format!("#!/bin/sh\n: > '{}'\n", work.join("ran").display());
    fs::write(work.join(name), script).expect("the sandbox can be written");
    fs::set_permissions(work.join(name), fs::Permissions::from_mode(0o755))
        .expect("the mode can be set");
}

/// Runs a command under values of `PATH` that lead into the current folder, and holds that it starts no
/// program from there.
fn assert_nothing_is_started_here(machine: &Machine, command: impl Fn() -> Command) {
    for path in [None, Some(""), Some(":"), Some("."), Some("/nowhere:")] {
        let mut command = command();
        match path {
            None => command.env_remove("PATH"),
            Some(path) => command.env("PATH", path),
        };
        Done::of(&mut command).failed(1).says("it is in no folder that PATH names");
        assert!(!machine.sandbox.work().join("ran").exists(), "PATH is {path:?}");
    }
}

#[test]
fn credential_helper_in_the_current_folder_is_not_started() {
    let machine = Machine::with_own_passphrase();
    plant(&machine, "docker-credential-theirs");
    let config = json!({ "credsStore": "theirs" }).to_string();
    fs::write(machine.sandbox.docker_config().join("config.json"), config)
        .expect("the sandbox can be written");
    assert_nothing_is_started_here(&machine, || {
        let mut pull = machine.pull("127.0.0.1:1/app:1");
        pull.args(["--to", "oci:back"]);
        pull
    });
}

#[test]
fn key_provider_in_the_current_folder_is_not_started() {
    let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
    plant(&machine, "theirs");
    let providers = machine.sandbox.work().join("providers.json");
    let encrypt = || {
        let mut copy = machine.sandbox.sealcrate();
        copy.args([
            "copy",
            "--all-layers",
            &image.location(),
            "oci:sealed:1",
            "-r=provider:theirs",
        ]);
        copy.env("OCICRYPT_KEYPROVIDER_CONFIG", &providers);
        copy
    };
    let configure = |path: &str| {
        let config = json!({ "key-providers": { "theirs": { "cmd": { "path": path } } } });
        fs::write(&providers, config.to_string()).expect("the sandbox can be written");
    };
    configure("theirs");
    assert_nothing_is_started_here(&machine, encrypt);
    configure("./theirs");
    Done::of(&mut encrypt()).failed(1).says("nothing is started from the current folder");
    assert!(!machine.sandbox.work().join("ran").exists());
}

/// Prepares a run with two more open descriptors. The first one has the passphrase.
fn with_descriptors(machine: &Machine, arguments: &[&str]) -> Command {
    let binary = machine.sandbox.sealcrate().get_program().to_owned();
    let script = r#"exec 3<key 17<key; exec "$0" "$@""#;
    let mut bash = machine.sandbox.command("bash");
    bash.args(["-c", script]).arg(binary).args(arguments);
    bash
}

/// Writes a program that lists its descriptors and reads from them.
fn spy(machine: &Machine, name: &str) -> PathBuf {
    let work = machine.sandbox.work();
    // It leaves pipes alone: reading from them would wait.
    let script = "#!/bin/sh\nls -l /proc/$$/fd > fds\n: > read\n\
        for it in /proc/$$/fd/*; do [ -f $it ] && cat $it >> read; done\nexit 1\n";
    let file = work.join(name);
    fs::write(&file, script).expect("the sandbox can be written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("the mode can be set");
    file
}

/// Holds that the spy ran, and saw nothing of the passphrase.
fn assert_nothing_was_seen(machine: &Machine) {
    let seen = |name: &str| {
        let bytes = fs::read(machine.sandbox.work().join(name)).expect("the spy ran");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (fds, read) = (seen("fds"), seen("read"));
    assert!(fds.contains(" 0 -> ") && !fds.contains("/key"), "{fds}");
    assert!(!read.contains(&machine.passphrase), "it read the passphrase");
}

#[test]
fn credential_helper_gets_none_of_the_descriptors() {
    let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
    spy(&machine, "docker-credential-spy");
    let config = json!({ "credsStore": "spy" }).to_string();
    fs::write(machine.sandbox.docker_config().join("config.json"), config)
        .expect("the sandbox can be written");
    let location = image.location();
    let push = ["push", "127.0.0.1:1/app:1", "--all-layers", "--pass-fd", "3", "--from", &location];
    let mut command = with_descriptors(&machine, &push);
    let path = std::env::var("PATH").expect("tests have a PATH");
    command.env("PATH", format!("{}:{path}", machine.sandbox.work().display()));
    Done::of(&mut command).failed(1).says("docker-credential-spy gives no credential");
    assert_nothing_was_seen(&machine);
}

#[test]
fn key_provider_gets_none_of_the_descriptors() {
    let (machine, image) = (Machine::with_own_passphrase(), image_of(1000));
    let path = spy(&machine, "provider");
    let providers = machine.sandbox.work().join("providers.json");
    let config = json!({ "key-providers": { "spy": { "cmd": { "path": path } } } });
    fs::write(&providers, config.to_string()).expect("the sandbox can be written");
    let location = image.location();
    let options = ["--all-layers", "--new-pass-fd", "3", "-r=provider:spy"];
    let copy = [&["copy", &location, "oci:sealed:1"][..], &options].concat();
    let mut command = with_descriptors(&machine, &copy);
    Done::of(command.env("OCICRYPT_KEYPROVIDER_CONFIG", &providers)).failed(1);
    assert_nothing_was_seen(&machine);
}

#[test]
fn engine_on_another_machine_is_not_spoken_to_in_clear_without_a_warning() {
    const WARNING: &str = "warning: the engine at tcp://";
    let machine = Machine::with_own_passphrase();
    let push = |host: &str| {
        let mut push = machine.sandbox.sealcrate();
        push.args(["push", "127.0.0.1:1/app:1", "--all-layers", "--pass-file", "key"]);
        Done::of(push.env("DOCKER_HOST", host)).failed(1)
    };
    // Nobody listens there. The system takes this address for this machine; a user who reads it takes it
    // for any machine.
    let done = push("tcp://0.0.0.0:1");
    let lines = done.lines(WARNING);
    assert_eq!(lines.len(), 1, "{}", done.said());
    assert!(lines[0].contains("layers, configs and image names travel in clear"), "{}", lines[0]);
    assert!(push("tcp://127.0.0.1:1").lines(WARNING).is_empty());
}
