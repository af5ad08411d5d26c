//! Hints for the errors of locked images.

use std::error::Error;

use sealcrate_lock::{DifferenceError, LockError, Problem};

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(DifferenceError::Problems(problems)) = error.downcast_ref() {
        return problems.iter().find_map(problem_hint);
    }
    match error.downcast_ref()? {
        LockError::NoInit(_) => Some(
            "build sealcrate with the compiler's target for it, see CONTRIBUTING.md; \
             `sealcrate pack --list-targets` shows what there is",
        ),
        _ => None,
    }
}

fn problem_hint(problem: &Problem) -> Option<&'static str> {
    match problem {
        Problem::OfEngines(_) => Some("--public PATH leaves a file in clear"),
        Problem::Mountpoint(..) => Some(
            "--public PATH leaves it in clear, so that volumes are filled with it; --force leaves it \
             out, so that the folder is empty where nothing is mounted",
        ),
        Problem::Volume(..) => Some(
            "--public PATH leaves it in clear, --drop-volume PATH makes the path of a volume an \
             ordinary folder",
        ),
        Problem::Capabilities(_) | Problem::Device(_) | Problem::SetId(_) => {
            Some("--force locks the image without")
        }
        Problem::StaysFolder(_) => Some("--whole PATH takes a folder below it"),
        Problem::HiddenTarget(_) => Some("lock the layer of that file as well"),
        _ => None,
    }
}
