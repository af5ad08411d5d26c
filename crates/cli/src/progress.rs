//! Progress for people: bars on a terminal, one plain line a blob otherwise, or nothing.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use sealcrate_image::{Meter, Progress, Quiet, Stage};

use crate::args::TalkArgs;
use crate::talk;

/// Chooses how progress is shown.
pub(crate) fn shown(args: &TalkArgs) -> Arc<dyn Progress> {
    if args.quiet {
        Arc::new(Quiet)
    } else if std::io::stderr().is_terminal() && !args.verbose {
        Arc::new(Bars::new())
    } else {
        Arc::new(Lines)
    }
}

fn verb(stage: Stage) -> (&'static str, &'static str) {
    match stage {
        Stage::Compress => ("compressing", "compressed"),
        Stage::Download => ("downloading", "downloaded"),
        Stage::Encrypt => ("encrypting", "encrypted"),
        Stage::Export => ("exporting", "exported"),
        Stage::Store => ("storing", "stored"),
        Stage::Upload => ("uploading", "uploaded"),
        _ => ("working on", "done with"),
    }
}

/// One line when a blob is done.
struct Lines;

impl Progress for Lines {
    fn begin(&self, stage: Stage, name: &str, _: Option<u64>) -> Box<dyn Meter> {
        Box::new(Line { stage, name: name.to_owned(), bytes: 0.into() })
    }

    fn present(&self, name: &str) {
        talk::line(&format!("{name}: already there"));
    }
}

struct Line {
    stage: Stage,
    name: String,
    bytes: std::sync::atomic::AtomicU64,
}

impl Meter for Line {
    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    }

    fn done(self: Box<Self>) {
        let (_, done) = verb(self.stage);
        let bytes = HumanBytes(self.bytes.into_inner());
        talk::line(&format!("{}: {done} {bytes}", self.name));
    }
}

/// A bar for each blob that is worked on, and one for all of them below.
struct Bars {
    bars: MultiProgress,
    total: ProgressBar,
}

impl Bars {
    fn new() -> Self {
        let bars = MultiProgress::new();
        let total =
            bars.add(ProgressBar::new(0).with_style(style("{msg:>25} {bytes:>10}  {elapsed}")));
        total.set_message("total");
        total.enable_steady_tick(Duration::from_millis(200));
        Self { bars, total }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.total.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are constants")
        .progress_chars("=> ")
}

impl Progress for Bars {
    fn begin(&self, stage: Stage, name: &str, bytes: Option<u64>) -> Box<dyn Meter> {
        let (doing, _) = verb(stage);
        let bar = match bytes {
            Some(bytes) => ProgressBar::new(bytes)
                .with_style(style("{msg:>25} [{bar:30}] {bytes:>10}/{total_bytes}")),
            None => ProgressBar::new_spinner().with_style(style("{msg:>25} {bytes:>10}")),
        };
        let bar = self.bars.insert_before(&self.total, bar);
        bar.set_message(format!("{doing} {name}"));
        Box::new(Bar { bar, total: self.total.clone() })
    }

    fn present(&self, name: &str) {
        let _ = self.bars.println(format!("{name}: already there"));
    }
}

struct Bar {
    bar: ProgressBar,
    total: ProgressBar,
}

impl Meter for Bar {
    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        self.total.inc(bytes);
    }

    fn done(self: Box<Self>) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
