//! Texts that are generated from the definition of the arguments: completions, man pages and help.

use std::fs;

use sealcrate_tests::fixtures::Machine;

#[test]
fn completions_for_bash_are_loaded_and_complete() {
    let machine = Machine::new();
    let script = machine.succeed(&["completions", "bash"]);
    assert_eq!(script.stderr, "");
    machine.write("completions.bash", &script.stdout);
    machine.call("bash", &["-n", "completions.bash"]);
    let completed = machine.call(
        "bash",
        &[
            "-c",
            ". ./completions.bash; COMP_WORDS=(sealcrate pu); COMP_CWORD=1; \
         _sealcrate sealcrate pu sealcrate; echo \"${COMPREPLY[@]}\"",
        ],
    );
    assert_eq!(completed.split_whitespace().collect::<Vec<_>>(), ["push", "pull"]);
}

#[test]
fn completions_for_zsh_and_fish_name_every_command() {
    let machine = Machine::new();
    for (shell, beginning) in [("zsh", "#compdef sealcrate"), ("fish", "# ")] {
        let script = machine.succeed(&["completions", shell]).stdout;
        assert!(script.starts_with(beginning), "{shell}: {script}");
        for word in [
            "push",
            "pull",
            "copy",
            "inspect",
            "encrypt-layer",
            "pass-file",
            "keygen",
            "start-key-file",
        ] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    machine.fail_usage(&["completions", "nosh"]);
}

#[test]
fn man_pages_are_written_for_every_command() {
    let machine = Machine::new();
    fs::create_dir(machine.path("man")).unwrap();
    machine.succeed(&["man", "man"]);
    for command in [
        "",
        "-push",
        "-pull",
        "-copy",
        "-inspect",
        "-pack",
        "-unpack",
        "-keygen",
        "-respond",
        "-completions",
        "-man",
    ] {
        let page = machine.path("man").join(format!("sealcrate{command}.1"));
        let page = fs::read_to_string(&page).unwrap_or_else(|_| panic!("{}", page.display()));
        assert!(page.contains(".TH sealcrate") && page.contains(".SH NAME"), "{command}: {page}");
    }
    machine.fail(1, &["man", "nowhere"]).says("cannot write the man pages to nowhere");
}

#[test]
fn help_names_the_exit_codes() {
    let help = Machine::new().succeed(&["--help"]).stdout.replace('\n', " ");
    let codes = "0 done, 1 failure, 2 usage, 3 wrong or missing key, 4 refused because it is not \
                 encrypted, 5 damaged or tampered with";
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains(codes), "{help}");
}
