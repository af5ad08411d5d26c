//! `cache`: the record of earlier pushes.

use anyhow::{Context, Result};

use crate::args::CacheTask;
use crate::environment::cache::Cache;
use crate::environment::places::variable;
use crate::output::talk;

pub(crate) fn run(task: CacheTask) -> Result<()> {
    let cache = Cache::of(&variable).context("there is no home, and so no cache")?;
    match task {
        CacheTask::Purge => {
            let gone = cache.purge()?;
            if gone.is_empty() {
                talk::line("the cache was empty");
            }
            for folder in gone {
                talk::line(&format!("{} is gone", folder.display()));
            }
        }
    }
    Ok(())
}
