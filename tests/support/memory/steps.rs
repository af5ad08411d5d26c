//! Starts of a program at one limit of memory after the other, each in a control group of its own.
//!
//! A container for each limit would take half a second. So all of them are made in one container. It
//! sees the control groups of the machine, and its shell makes new ones below its own.

use crate::Done;

/// Makes a group for each limit, starts the program in it, and prints the limit, the status and the
/// words. Control groups, versions 1 and 2.
const SCRIPT: &str = r#"
first=$1 last=$2; shift 2
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    top=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup) limit=memory.max swap=memory.swap.max
    mkdir $top/rest
    for process in $(cat $top/cgroup.procs); do echo $process > $top/rest/cgroup.procs; done
    echo +memory > $top/cgroup.subtree_control
else
    top=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
    limit=memory.limit_in_bytes swap=memory.swappiness
fi
mib=$first
while [ $mib -le $last ]; do
    group=$top/step-$mib
    mkdir $group
    echo $((mib << 20)) > $group/$limit
    echo 0 > $group/$swap 2>/dev/null
    # The limit of a group holds for those below it.
    echo +memory > $group/cgroup.subtree_control 2>/dev/null
    mkdir $group/below
    said=$(sh -c 'echo $$ > "$0/below/cgroup.procs" && exec "$@"' $group "$@" 2>&1 >/dev/null)
    echo "$mib $? $said"
    rm -rf /dev/sealcrate
    rmdir $group/below $group
    mib=$((mib + 1))
done
"#;

/// The result of a start at one limit.
#[derive(Debug, PartialEq, Eq)]
pub struct MemoryStep {
    /// The limit in MiB.
    pub mib: u64,
    /// The exit status, as a shell tells it.
    pub status: u32,
    /// The words on standard error.
    pub said: String,
}

/// Starts a program of an image, which has a shell, at every limit from `first` to `last` MiB. `call` runs
/// the client of an engine with the arguments that it gets.
///
/// # Panics
/// If the groups cannot be made.
pub fn memory_steps(
    call: impl FnOnce(&[&str]) -> Done,
    image: &str,
    options: &[&str],
    (first, last): (u64, u64),
    program: &[&str],
) -> Vec<MemoryStep> {
    let fixed = ["run", "--rm", "--network", "none", "--entrypoint", "/bin/sh"];
    let groups = ["--cgroupns", "host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup"];
    let limits = [first.to_string(), last.to_string()];
    let script = [image, "-c", SCRIPT, "sh", &limits[0], &limits[1]];
    let done = call(&[&fixed[..], &groups, options, &script, program].concat()).with_status(0);
    let steps: Vec<_> = done.stdout.lines().map(parsed).collect();
    assert_eq!(steps.len() as u64, last - first + 1, "{}", done.said());
    steps
}

fn parsed(line: &str) -> MemoryStep {
    let mut parts = line.splitn(3, ' ');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let (mib, status, said) = (next(), next(), next());
    let number = |text: &str| text.parse::<u32>().unwrap_or_else(|_| panic!("no step: {line}"));
    MemoryStep { mib: number(&mib).into(), status: number(&status), said }
}

/// Asserts that the program is started where the memory is enough, and that a sentence says it where it
/// is not.
///
/// # Panics
/// If the kernel ends a start, or nothing is said.
pub fn assert_all_are_told(steps: &[MemoryStep]) {
    let enough = steps.iter().position(|step| step.status == 0);
    let enough = enough.unwrap_or_else(|| panic!("no limit is enough: {:?}", steps.last()));
    assert!(enough > 0, "the first limit is not enough");
    for (place, MemoryStep { mib, status, said }) in steps.iter().enumerate() {
        if place < enough {
            assert_eq!(*status, 1, "{mib} of {} MiB: {said}", steps[enough].mib);
            assert!(said.contains("sealcrate: not enough memory"), "{mib} MiB: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        } else {
            assert_eq!(
                (*status, &**said),
                (0, ""),
                "{mib} MiB, and {} were enough",
                steps[enough].mib
            );
        }
    }
}

/// Returns bytes that nothing compresses, the same ones each time.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
