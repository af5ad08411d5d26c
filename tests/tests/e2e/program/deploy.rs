//! The files in `deploy/`: the programs that read them accept them, and the names in them exist.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealcrate_tests::fixtures::Machine;
use sealcrate_tests::{Done, busybox};
use serde_json::Value;

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(deploy(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Reads a file of YAML with another program.
fn yaml(name: &str) -> Value {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let mut python = Command::new("/usr/bin/python3");
    Done::of(python.args(["-c", script]).arg(deploy(name))).with_status(0).json()
}

/// Lets containerd read a configuration, and returns the configuration as containerd understands
/// it.
fn understood(config: &Path) -> String {
    let mut containerd = Command::new("containerd");
    let containerd = containerd.arg("--config").arg(config).args(["config", "dump"]);
    Done::of(containerd).with_status(0).stdout
}

#[test]
fn systemd_takes_the_unit_and_what_is_added_to_containerds() {
    let machine = Machine::new();
    let binary = machine.sandbox.sealcrate().get_program().to_str().unwrap().to_owned();
    let unit = read("sealcrate-keyprovider.service").replace("/usr/local/bin/sealcrate", &binary);
    assert!(unit.contains(&format!("ExecStart={binary} keyprovider --identity ")));
    machine.write("sealcrate-keyprovider.service", &unit);
    machine.write("containerd.service", "[Service]\nExecStart=/usr/bin/containerd\n");
    fs::create_dir(machine.path("containerd.service.d")).unwrap();
    machine
        .write("containerd.service.d/sealcrate.conf", read("containerd.service.d/sealcrate.conf"));
    for name in ["sealcrate-keyprovider.service", "containerd.service"] {
        let mut verify = Command::new("systemd-analyze");
        verify.args(["verify", "--man=no", "--recursive-errors=one"]).arg(machine.path(name));
        let done = Done::of(&mut verify).with_status(0);
        assert!(!done.stderr.contains(name), "{}", done.said());
    }
    // systemd notices a unit that is none.
    machine.write("bad.service", unit.replace("[Service]", "[Service]\nType=none of these"));
    let mut verify = Command::new("systemd-analyze");
    let done = Done::of(verify.args(["verify", "--man=no"]).arg(machine.path("bad.service")));
    assert!(done.stderr.contains("bad.service"), "{}", done.said());
}

#[test]
fn key_provider_of_the_unit_is_the_one_that_the_decoder_is_told_of() {
    let providers: Value = serde_json::from_str(&read("key-providers.json")).unwrap();
    let address = providers["key-providers"]["sealcrate"]["grpc"].as_str().unwrap();
    let socket = address.strip_prefix("unix://").unwrap();
    let unit = read("sealcrate-keyprovider.service");
    assert!(unit.contains(&format!("--serve unix:{socket}\n")), "{unit}");
    let added = read("containerd.service.d/sealcrate.conf");
    assert!(added.contains("OCICRYPT_KEYPROVIDER_CONFIG=/etc/sealcrate/key-providers.json\n"));
}

#[test]
fn daemonset_mounts_what_its_script_uses() {
    let kustomization = yaml("kustomization.yaml");
    for file in kustomization["configMapGenerator"][0]["files"].as_array().unwrap() {
        assert!(deploy(file.as_str().unwrap()).is_file(), "{file}");
    }
    let resource = kustomization["resources"][0].as_str().unwrap();
    let set = yaml(resource);
    assert_eq!((&set["apiVersion"], &set["kind"]), (&"apps/v1".into(), &"DaemonSet".into()));
    let spec = &set["spec"]["template"]["spec"];
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&set["spec"]["selector"]["matchLabels"], labels);
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap().to_owned()).collect()
    };
    let container = &spec["containers"][0];
    assert_eq!(names(&container["volumeMounts"]), names(&spec["volumes"]));
    let map = &kustomization["configMapGenerator"][0];
    let files = spec["volumes"].as_array().unwrap().iter().find(|of| of["name"] == "files");
    assert_eq!(files.unwrap()["configMap"]["name"], map["name"]);
    assert_eq!(set["metadata"]["namespace"], map["namespace"]);
}

#[test]
fn script_of_the_daemonset_installs_once_and_brings_changed_keys() {
    let machine = Machine::new();
    let host = machine.path("host");
    fs::create_dir_all(host.join("etc/containerd")).unwrap();
    fs::create_dir(machine.path("secret")).unwrap();
    machine.write("busybox", busybox());
    machine.call("chmod", &["+x", "busybox"]);
    machine.write("secret/identity", "first");
    machine.write("secret/other", "other");
    machine.write("containerd.toml", read("containerd.toml"));
    machine.write("install.sh", read("kubernetes/install.sh").replace("/sealcrate", "./busybox"));
    let install = || {
        let mut command = machine.sandbox.command("./busybox");
        command.args(["sh", "./install.sh", "host"]);
        command.env("KEYS", "secret").env("ONCE", "1").env("RESTART", "echo restarted");
        Done::of(&mut command).with_status(0).stdout
    };
    assert_eq!(install(), "restarted\ninstalled\n");
    let config = host.join("etc/containerd/config.toml");
    let dump = understood(&config);
    for id in ["tar", "tar.gzip"] {
        assert!(dump.contains(&format!("io.containerd.ocicrypt.decoder.v1.{id}\"]")), "{dump}");
    }
    let before = fs::read(&config).unwrap();
    let keys = host.join("etc/containerd/ocicrypt/keys");
    assert_eq!(fs::read(keys.join("identity")).unwrap(), b"first");
    assert_eq!(fs::read(host.join("usr/local/bin/ctd-decoder")).unwrap(), busybox());

    machine.write("secret/identity", "second");
    fs::remove_file(machine.path("secret/other")).unwrap();
    assert_eq!(install(), "installed\n");
    assert_eq!(fs::read(&config).unwrap(), before);
    assert_eq!(fs::read(keys.join("identity")).unwrap(), b"second");
    assert!(!keys.join("other").exists());
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(fs::metadata(keys.join("identity")).unwrap().mode() & 0o777, 0o600);
}

/// `containerd config default` writes the stanzas of the decoder itself: version 1.7 in double quotes, 2.1 in single ones.
#[test]
fn script_of_the_daemonset_adds_no_table_twice() {
    for quote in ['"', '\''] {
        let machine = Machine::new();
        let folder = machine.path("host/etc/containerd");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir(machine.path("secret")).unwrap();
        machine.write("busybox", busybox());
        machine.call("chmod", &["+x", "busybox"]);
        machine.write("containerd.toml", read("containerd.toml"));
        let script = read("kubernetes/install.sh").replace("/sealcrate", "./busybox");
        machine.write("install.sh", script);
        let stanza = read("containerd.toml").replace('"', &quote.to_string());
        let config = format!("version = 2\n{stanza}");
        fs::write(folder.join("config.toml"), &config).unwrap();
        let mut command = machine.sandbox.command("./busybox");
        command.args(["sh", "./install.sh", "host"]);
        command.env("KEYS", "secret").env("ONCE", "1").env("RESTART", "echo restarted");
        assert_eq!(Done::of(&mut command).with_status(0).stdout, "installed\n");
        understood(&folder.join("config.toml"));
        assert_eq!(fs::read_to_string(folder.join("config.toml")).unwrap(), config);
    }
}
