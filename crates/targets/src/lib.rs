//! The machines that programs are packed and images are locked for: [`TARGETS`], one row each.
//!
//! A row has all differences between machines that are no code: names, numbers, and the names of
//! compilers and linkers. A further machine is one more row, and the system calls and the
//! entry of the stub (`crates/stub/start/src/arch`).

#![no_std]

mod table;
mod target;

pub use table::TARGETS;
pub use target::{Class, Libraries, Target, Toolchain};

impl Target {
    /// Finds the target of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Finds the target that the header of a little-endian program names.
    pub fn of_program(class: u8, machine: u16) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.class.number() == class && target.machine == machine)
    }

    /// Finds the target that the config of an image names.
    pub fn of_image(os: &str, architecture: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| os == "linux" && target.oci == architecture)
    }

    /// Finds the target that one of the compiler's targets means. The vendor between the processor and
    /// the system makes no difference: distributions name themselves there.
    pub fn of_triple(triple: &str) -> Option<&'static Self> {
        let of_triple = parts(triple)?;
        TARGETS.iter().find(|target| {
            target.toolchain.triples.iter().any(|known| parts(known) == Some(of_triple))
        })
    }
}

/// Returns the processor, and the system with its library, of one of the compiler's targets.
fn parts(triple: &str) -> Option<(&str, &str)> {
    let (processor, rest) = triple.split_once('-')?;
    let (_vendor, system) = rest.split_once('-')?;
    Some((processor, system))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_and_number_finds_its_own_row() {
        for target in &TARGETS {
            assert_eq!(Target::named(target.name), Some(target));
            assert_eq!(Target::of_program(target.class.number(), target.machine), Some(target));
            assert_eq!(Target::of_image("linux", target.oci), Some(target));
            for triple in target.toolchain.triples {
                assert_eq!(Target::of_triple(triple), Some(target));
            }
        }
    }

    #[test]
    fn what_is_in_no_row_is_no_target() {
        assert_eq!(Target::named("riscv64"), None);
        // x32 has the number of x86-64, and addresses of 32 bits.
        assert_eq!(Target::of_program(1, 62), None);
        assert_eq!(Target::of_image("windows", "amd64"), None);
        for triple in ["x86_64-apple-darwin", "x86_64-unknown-linux-gnux32", "x86_64", ""] {
            assert_eq!(Target::of_triple(triple), None, "{triple}");
        }
    }

    #[test]
    fn a_distribution_may_be_the_vendor() {
        let target = Target::of_triple("aarch64-alpine-linux-musl");
        assert_eq!(target.map(|target| target.name), Some("arm64"));
    }
}
