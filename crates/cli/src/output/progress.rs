//! Progress for people: bars on a terminal, one plain line a blob otherwise, or nothing.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use sealcrate_image::{Meter, Printable, Progress, Quiet, Stage};

use crate::args::TalkArgs;
use crate::output::talk;

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
        Stage::Decrypt => ("decrypting", "decrypted"),
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
    bytes: AtomicU64,
}

impl Meter for Line {
    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn done(self: Box<Self>) {
        let (_, done) = verb(self.stage);
        let bytes = HumanBytes(self.bytes.into_inner());
        talk::line(&format!("{}: {done} {bytes}", self.name));
    }
}

/// A bar for each blob at work, and one for all of them below. Without a blob at work it shows
/// nothing, so that messages stand on lines of their own.
struct Bars {
    bars: MultiProgress,
    total: ProgressBar,
    active: Arc<AtomicUsize>,
}

impl Bars {
    fn new() -> Self {
        let bars = MultiProgress::new();
        let total =
            bars.add(ProgressBar::new(0).with_style(style("{msg:>25} {bytes:>10}  {elapsed}")));
        total.set_message("total");
        Self { bars, total, active: Arc::default() }
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
        bar.set_message(format!("{doing} {}", Printable(name)));
        self.active.fetch_add(1, Ordering::SeqCst);
        let (bars, total, active) = (self.bars.clone(), self.total.clone(), self.active.clone());
        Box::new(Bar { bar, bars, total, active })
    }

    fn present(&self, name: &str) {
        // If a line cannot be shown, the work goes on.
        let _ = self.bars.println(format!("{}: already there", Printable(name)));
    }
}

struct Bar {
    bar: ProgressBar,
    bars: MultiProgress,
    total: ProgressBar,
    active: Arc<AtomicUsize>,
}

impl Meter for Bar {
    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
        self.total.inc(bytes);
    }

    /// The drop removes the bar, as it does when the blob fails.
    fn done(self: Box<Self>) {}
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.bars.remove(&self.bar);
        if self.active.fetch_sub(1, Ordering::SeqCst) == 1 {
            let _ = self.bars.clear();
        }
    }
}
