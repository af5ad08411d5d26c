//! The named set: end-to-end tests that run on the engine of every suite, beside the whole suite on this machine's own.
//!
//! They push from an engine, pull into it, lock in it, and start its images. They are few, so that all engines together
//! take minutes.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::{ENGINES, Engine, Folder, Programs, Store, Suite};
use crate::child::{self, Interrupts};
use crate::packages::announce;
use crate::{binary, private_engine};

/// The time that all tests of the set may take on one engine.
const LIMIT: Duration = Duration::from_secs(180);

/// Tests of a program of `tests/tests`.
pub(crate) struct Named {
    /// The program.
    program: &'static str,
    /// The engines that the tests run on.
    engines: &'static [Engine],
    /// The tests, as the program lists them.
    tests: &'static [&'static str],
}

/// The engines that keep images as this machine's engine does: an image's ID there is the digest of its config.
const OVERLAY: [Engine; 2] = [
    Engine { suite: Suite::Trixie, store: Store::Overlay },
    Engine { suite: Suite::Forky, store: Store::Overlay },
];

/// One engine of the release whose containerd gives a stream processor its payload. The store is Docker's alone, so
/// one is enough.
const WITH_PAYLOAD: [Engine; 1] = [Engine { suite: Suite::Trixie, store: Store::Containerd }];

/// All tests of the set.
const SET: [Named; 7] = [
    Named {
        program: "e2e",
        engines: &ENGINES,
        tests: &[
            "engine::builders::commands_that_change_nothing_are_layers_with_buildkit_only",
            "engine::builders::label_before_all_layers_chooses_all",
            "engine::builders::layers_that_only_make_folders_are_counted",
            "engine::contexts::image_that_the_engine_lacks_is_named",
            "engine::fixtures::image_of_crypto_cli_in_the_compatible_shape_is_pulled",
            "engine::fixtures::image_of_crypto_cli_with_private_layers_at_the_end_is_pulled",
            "engine::fixtures::image_of_crypto_cli_with_private_layers_in_the_middle_is_pulled",
            "engine::places::skopeo_reads_what_is_written",
            "engine::protection::type_none_asks_for_nothing_and_docker_pulls_it",
            "engine::pull::plain_image_comes_without_words_about_its_publication",
            "engine::pull::wrong_passphrase_brings_nothing_into_the_engine",
            "engine::recipients::what_skopeo_encrypted_comes_out_of_a_registry_into_the_engine",
            "engine::recipients::wrong_keys_bring_nothing_into_the_engine",
            "engine::selection::layers_above_a_base_in_the_engine_are_chosen_by_its_name",
        ],
    },
    Named {
        program: "e2e",
        engines: &OVERLAY,
        tests: &[
            "engine::builders::image_of_buildkit_comes_back_and_runs",
            "engine::builders::image_of_the_classic_builder_comes_back_and_runs",
            "engine::contexts::engine_of_the_current_context_is_used",
            "engine::contexts::image_is_inspected_in_the_engine_and_in_its_archive",
            "engine::contexts::image_is_read_by_its_id",
            "engine::contexts::pulled_image_takes_the_name_from_an_older_one",
            "engine::places::archive_of_docker_save_is_pushed",
            "engine::places::engines_and_their_archives_take_copies_and_give_them_back",
            "engine::pull::image_gets_the_name_that_is_asked_for",
            "engine::pull::image_is_pulled_by_digest",
            "engine::pull::layers_that_the_engine_holds_are_not_fetched",
            "engine::to_recipients::layers_are_compressed_by_zstd_where_that_is_asked_for",
            "engine::to_recipients::skopeo_opens_what_is_pushed_from_the_engine_with_every_kind_of_key",
        ],
    },
    Named {
        program: "e2e",
        engines: &WITH_PAYLOAD,
        tests: &[
            "engine::containerd::node_with_the_key_pulls_unpacks_and_runs",
            "engine::containerd::node_without_the_key_says_so_and_unpacks_nothing",
        ],
    },
    Named {
        program: "faults",
        engines: &OVERLAY,
        tests: &[
            "engine::again::unchanged_image_is_not_exported_from_the_engine",
            "engine::places::an_engine_that_stops_during_a_load_keeps_nothing",
            "engine::places::an_engine_that_stops_during_an_export_leads_to_no_tag",
            "engine::remembered::unchanged_image_for_recipients_is_not_exported_from_the_engine",
        ],
    },
    Named {
        program: "lock",
        engines: &ENGINES,
        tests: &[
            "engines::deployment::missing_key_file_starts_nothing",
            "engines::deployment::printed_command_starts_what_was_pushed",
            "engines::deployment::printed_pod_has_the_image_by_digest_and_both_mounts_in_memory",
            "images::back::encrypted_image_is_not_locked",
            "images::places::files_that_engines_need_are_named",
            "images::reuse::layers_of_a_registry_are_used_again_in_the_engine",
        ],
    },
    Named {
        program: "lock",
        engines: &OVERLAY,
        tests: &[
            "engines::deployment::printed_command_starts_what_is_in_the_engine",
            "images::back::unlocked_image_is_the_original",
            "images::exchanged::exchanged_shell_and_link_are_refused",
            "images::places::images_built_on_a_locked_one_add_files_where_a_folder_is_kept",
            "programs::applications::request_to_end_reaches_the_command",
            "starts::refused::missing_and_wrong_keys_are_refused",
        ],
    },
    Named {
        program: "pack",
        engines: &ENGINES,
        tests: &[
            "engine::containers::exit_status_and_variables_are_the_programs",
            "engine::containers::limit_of_memory_is_said_and_does_not_kill",
            "engine::containers::program_runs_from_scratch_and_hardened",
            "engine::containers::request_to_end_reaches_the_first_process",
            "engine::containers::secret_in_a_file_opens",
        ],
    },
];

/// The programs of the set, as cargo has built them.
pub struct Set {
    programs: Vec<(&'static Named, PathBuf)>,
}

impl Set {
    /// Builds the programs, and holds that they have each test that is named.
    ///
    /// # Errors
    /// cargo fails; a test does not exist.
    pub fn build(arguments: &[&str], stubs: &Path) -> anyhow::Result<Self> {
        let names = SET.each_ref().map(|named| named.program);
        let paths = binary::build_tests(arguments, stubs, names)?;
        let programs: Vec<_> = SET.iter().zip(paths).collect();
        for (named, path) in &programs {
            let list = Command::new(path).args(["--list", "--format", "terse"]).output();
            let list =
                list.with_context(|| format!("cannot run the tests of {}", named.program))?;
            named.assert_all_in(&String::from_utf8_lossy(&list.stdout))?;
        }
        Ok(Self { programs })
    }

    /// Runs the tests on the engine of each suite, one engine after the other. `prepare` gives a program its variables.
    /// All engines have their turn, also after a failure.
    ///
    /// # Errors
    /// A folder cannot be made, an engine does not start, its tests take too long, or a signal arrived.
    pub fn run(
        &self,
        interrupts: &Interrupts,
        prepare: impl Fn(&mut Command, &str),
    ) -> anyhow::Result<ExitCode> {
        let mut result = ExitCode::SUCCESS;
        for engine in ENGINES {
            let folder = Folder::provide(engine.suite, interrupts)?;
            let on_engine = |address: &str, programs: &Programs| {
                self.run_on(engine, interrupts, |command| {
                    prepare(command, address);
                    programs.name_to(command)
                })
            };
            let passed = private_engine::with_suite(interrupts, &folder, engine.store, on_engine)?;
            ensure!(!interrupts.arrived(), "interrupted");
            if passed != ExitCode::SUCCESS {
                result = passed;
            }
        }
        Ok(result)
    }

    fn run_on(
        &self,
        engine: Engine,
        interrupts: &Interrupts,
        prepare: impl Fn(&mut Command) -> anyhow::Result<()>,
    ) -> anyhow::Result<ExitCode> {
        let (suite, store) = (engine.suite.name(), engine.store.name());
        announce(&format!("testing the engine of {suite} with the store {store}"));
        let start = Instant::now();
        let mut result = ExitCode::SUCCESS;
        for (named, path) in
            self.programs.iter().filter(|(named, _)| named.engines.contains(&engine))
        {
            let mut command = Command::new(path);
            command.arg("--exact").args(named.tests);
            command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests"));
            prepare(&mut command)?;
            let left = LIMIT.saturating_sub(start.elapsed());
            let passed = child::run_in_own_group_within(&mut command, interrupts, left)
                .with_context(|| format!("{} on the engine of {suite} ({store})", named.program))?;
            if passed != ExitCode::SUCCESS {
                announce(&format!("{} failed with {suite}, {store}", named.program));
                result = passed;
            }
        }
        announce(&format!("{suite} with {store} took {} s", start.elapsed().as_secs()));
        Ok(result)
    }
}

impl Named {
    /// Holds that a list of libtest has each test.
    fn assert_all_in(&self, list: &str) -> anyhow::Result<()> {
        for test in self.tests {
            let listed = list.lines().any(|line| line.strip_suffix(": test") == Some(test));
            ensure!(listed, "no test of {} has the name {test}", self.program);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_is_small_and_names_no_test_twice() {
        let mut all: Vec<_> = SET
            .iter()
            .flat_map(|named| named.tests.iter().map(|test| (named.program, *test)))
            .collect();
        assert!(all.len() <= 50, "{}", all.len());
        all.sort_unstable();
        assert!(all.is_sorted_by(|test, next| test < next));
        // Without a name, a program would run all of its tests.
        assert!(SET.iter().all(|named| !named.tests.is_empty()));
        for engine in ENGINES {
            assert!(SET.iter().any(|named| named.engines.contains(&engine)), "{engine:?}");
        }
    }

    #[test]
    fn name_that_no_test_has_is_told() {
        let named = Named {
            program: "lock",
            engines: &ENGINES,
            tests: &["starts::first", "starts::second"],
        };
        named.assert_all_in("starts::second: test\nstarts::first: test\n").unwrap();
        let error = named.assert_all_in("starts::first: test\nstarts::seconds: test\n");
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "no test of lock has the name starts::second");
        assert!(named.assert_all_in("starts::first: test\nstarts::second: benchmark\n").is_err());
    }
}
