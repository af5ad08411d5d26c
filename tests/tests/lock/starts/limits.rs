//! Starts at every limit of memory: each goes well, or says that the memory is not enough.

use sealcrate_tests::{CrunPodman, Done, Engine, assert_all_are_told, memory_steps};

use crate::fixture::{Locksmith, PRIVATE, key};

#[test]
fn many_small_files_are_unlocked_or_refused_with_words_at_every_limit() {
    let locksmith = Locksmith::new();
    // Each file has a page of its own.
    let lines = format!(
        "{PRIVATE}RUN mkdir /app && i=0 && while [ $i -lt 3000 ]; do echo private-$i > /app/$i; i=$((i+1)); done\n"
    );
    let original = locksmith.build(&lines, &[]);
    let locked = locksmith.lock(&original, &[]);
    let options = ["-e", &key()];
    let program = ["/.sealcrate/init", "/bin/true"];
    let steps = memory_steps(docker(&locksmith), locked.name(), &options, (1, 40), &program);

    assert_all_are_told(&steps);
}

/// Returns the client of the locksmith's engine.
fn docker(locksmith: &Locksmith) -> impl Fn(&[&str]) -> Done {
    |arguments| Done::of(&mut locksmith.engine.docker(arguments))
}

/// The kernel's records of files take memory as well, also of files without content.
#[test]
fn many_empty_files_are_unlocked_or_refused_with_words_at_every_limit() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "{PRIVATE}RUN mkdir /app && i=0 && while [ $i -lt 24000 ]; do : > /app/$i; i=$((i+1)); done\n"
    );
    let original = locksmith.build(&lines, &[]);
    let locked = locksmith.lock(&original, &[]);
    let options = ["-e", &key()];
    let program = ["/.sealcrate/init", "/bin/true"];
    let steps = memory_steps(docker(&locksmith), locked.name(), &options, (22, 50), &program);

    assert_all_are_told(&steps);
}

#[test]
fn large_files_are_unlocked_or_refused_with_words_at_every_limit() {
    let locksmith = Locksmith::new();
    let data = sealcrate_tests::noise(12 << 20);
    let lines = format!("{PRIVATE}COPY a /app/a\nCOPY b /app/b\n");
    let original = locksmith.build(&lines, &[("a", &data), ("b", &data[..1 << 20])]);
    let locked = locksmith.lock(&original, &[]);
    let options = ["-e", &key()];
    let program = ["/.sealcrate/init", "/bin/true"];
    let steps = memory_steps(docker(&locksmith), locked.name(), &options, (1, 36), &program);

    assert_all_are_told(&steps);
}

#[test]
fn podman_and_crun_unlock_or_refuse_with_words_at_every_limit() {
    let locksmith = Locksmith::new();
    let lines = format!("{PRIVATE}COPY a /app/a\nCMD [\"true\"]\n");
    let original = locksmith.build(&lines, &[("a", &sealcrate_tests::noise(12 << 20))]);
    let locked = locksmith.lock(&original, &[]);
    let podman = CrunPodman::of_root();
    podman.load(&locksmith.saved(&locked));
    let image = format!("localhost/{}", locked.name());
    let key = key();
    // Podman allows no programs below a container's /dev. The mount is the one that the init asks for.
    let memory = ["--tmpfs", "/dev/sealcrate:exec,size=14m"];
    let options = [podman.options(), &memory, &["-e", &key]].concat();
    let call = |arguments: &[&str]| podman.call(arguments);
    let program = ["/.sealcrate/init", "/bin/true"];
    assert_all_are_told(&memory_steps(call, &image, &options, (1, 32), &program));

    // A limit of the container's own.
    let limited = |limit: &str| podman.run(&[&options[..], &["--memory", limit]].concat(), &image);
    let done = limited("12m").with_status(1);
    done.says("sealcrate: not enough memory: the limit is 12 MiB");
    limited("64m").with_status(0);
}

/// Returns the first limit at which a program starts while another group below the same limit has filled
/// a file.
fn enough_beside(locksmith: &Locksmith, image: &str, file: &str) -> u64 {
    let fill = format!(
        "top=/sys/fs/cgroup; [ ! -d $top/memory ] || top=$top/memory
         group=$top$(sed -n 's/^[0-9]*:memory:\\|^0:://p' /proc/self/cgroup | head -n 1)
         mkdir $group/../beside && echo $$ > $group/../beside/cgroup.procs
         rm -f {file}; dd if=/dev/zero of={file} bs=1M count=10 conv=fsync 2>/dev/null
         echo $$ > $group/cgroup.procs && rmdir $group/../beside
         exec /.sealcrate/init /bin/true"
    );
    let program = ["sh", "-c", &fill];
    let steps = memory_steps(docker(locksmith), image, &["-e", &key()], (13, 32), &program);
    assert_all_are_told(&steps);
    steps.iter().find(|step| step.status == 0).unwrap().mib
}

#[test]
fn memory_that_is_in_use_counts_and_what_the_kernel_lets_go_of_does_not() {
    let locksmith = Locksmith::new();
    let data = sealcrate_tests::noise(8 << 20);
    let original = locksmith.build(&format!("{PRIVATE}COPY a /app/a\n"), &[("a", &data)]);
    let locked = locksmith.lock(&original, &[]);
    let in_memory = enough_beside(&locksmith, locked.name(), "/dev/shm/used");
    let on_disk = enough_beside(&locksmith, locked.name(), "/used");
    assert!(on_disk + 5 < in_memory, "{on_disk} and {in_memory} MiB");
}

/// A control group of the machine, with a limit. A drop removes it.
struct Group<'e> {
    engine: &'e Engine,
    image: String,
    name: String,
}

impl<'e> Group<'e> {
    /// Makes the group, by the shell of an image.
    fn new(engine: &'e Engine, image: &str, mib: u64) -> Self {
        let name = format!("sealcrate-test-{}", std::process::id());
        let group = Self { engine, image: image.to_owned(), name };
        group.run(&format!(
            "mkdir $0 && for limit in memory.max memory.limit_in_bytes; do \
             [ ! -f $0/$limit ] || echo $(({mib} << 20)) > $0/$limit; done"
        ));
        group
    }

    fn run(&self, script: &str) {
        let script = format!(
            "top=/sys/fs/cgroup; [ ! -d $top/memory ] || top=$top/memory; set -- $top/{}; {}",
            self.name,
            script.replace("$0", "$1")
        );
        let volume = ["-v", "/sys/fs/cgroup:/sys/fs/cgroup", "--entrypoint", "/bin/sh"];
        let run = ["run", "--rm", "--network", "none"];
        self.engine.run(&[&run[..], &volume, &[&self.image, "-c", &script]].concat());
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        self.run("rmdir $0");
    }
}

#[test]
fn limit_above_the_container_is_told() {
    let locksmith = Locksmith::new();
    let lines = format!("{PRIVATE}COPY a /app/a\nCMD [\"wc\", \"-c\", \"/app/a\"]\n");
    let original = locksmith.build(&lines, &[("a", &sealcrate_tests::noise(40 << 20))]);
    let locked = locksmith.lock(&original, &[]);
    // The limit above is the smaller one, and then the larger, and both are seen.
    let seen = ["--memory=32m", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro"];
    for (above, own) in [(32, &[][..]), (600, &seen)] {
        let group = Group::new(&locksmith.engine, original.name(), above);
        let parent = format!("/{}", group.name);
        let options = [&["--cgroupns", "host", "--cgroup-parent", &parent][..], own].concat();
        let done: Done = locksmith.unlock(locked.name(), &options, &[]).with_status(1).prints("");
        done.says("sealcrate: not enough memory: the limit is 32 MiB");
    }
}
