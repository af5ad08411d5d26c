//! Standing: whether tags still name the images that this machine has put there.
//!
//! Somebody else may have given a layer to further readers, and have removed them since. They still have the
//! data key, and must get nothing of the next push. The record of this machine knows nothing of them, but
//! such a change leaves the tag with another manifest. So the record's private layers count only while the
//! tags stand as this machine left them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use sealcrate_crypt::pushed::Tagged;
use sealcrate_image::{Digest, Reference};
use thiserror::Error;

use crate::Result;

/// How to treat private layers when their tags do not stand as they did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubts {
    /// They are encrypted anew.
    Heed,
    /// They are used again.
    Ignore,
}

/// Why a remembered layer is not used again.
#[derive(Clone, Debug, Error, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    #[error("{0} was changed since this machine pushed it")]
    Changed(String),
    #[error("{0} names something that this machine has not pushed")]
    Foreign(String),
    #[error("no tag is left from this machine's earlier pushes")]
    Gone,
    #[error("{name} cannot be asked for: {why}")]
    Unknown { name: String, why: String },
    #[error("this machine has noted no tag of its earlier pushes")]
    Unnoted,
}

/// The digests that tags lead to now, each asked for once.
pub(super) struct Standing<'a> {
    ask: Box<Ask<'a>>,
    answers: RefCell<HashMap<Reference, Answer>>,
}

/// Asks a registry for a tag.
type Ask<'a> = dyn Fn(&Reference) -> Result<Option<Digest>> + 'a;

/// The digest of a tag that is there, or why it is not known.
type Answer = Result<Option<Digest>, Doubt>;

impl<'a> Standing<'a> {
    /// Takes `ask`, which asks for a tag.
    pub(super) fn new(ask: impl Fn(&Reference) -> Result<Option<Digest>> + 'a) -> Self {
        Self { ask: Box::new(ask), answers: RefCell::default() }
    }

    /// Checks that a layer under `tags` may be pushed to `target` as it is. `has_put` tells whether this
    /// machine has put a manifest under a tag.
    ///
    /// # Errors
    /// It may not.
    pub(super) fn check(
        &self,
        has_put: impl Fn(&Reference, Digest) -> bool,
        target: &Reference,
        tags: &[Arc<Tagged>],
    ) -> Result<(), Doubt> {
        if tags.is_empty() {
            return Err(Doubt::Unnoted);
        }
        match self.now(target)? {
            Some(digest) if !has_put(target, digest) => {
                return Err(Doubt::Foreign(target.familiar()));
            }
            _ => {}
        }
        let mut is_left = false;
        for Tagged { name, digest } in tags.iter().map(|tagged| &**tagged) {
            match self.now(name)? {
                None => {}
                Some(now) if now == *digest => is_left = true,
                Some(_) => return Err(Doubt::Changed(name.familiar())),
            }
        }
        if is_left { Ok(()) } else { Err(Doubt::Gone) }
    }

    /// Returns the digest that a tag leads to, asking for it at most once.
    fn now(&self, name: &Reference) -> Answer {
        if let Some(answer) = self.answers.borrow().get(name) {
            return answer.clone();
        }
        let answer = (self.ask)(name).map_err(|error| {
            let (name, why) = (name.familiar(), with_causes(&error));
            Doubt::Unknown { name, why }
        });
        self.answers.borrow_mut().insert(name.clone(), answer.clone());
        answer
    }
}

/// Joins an error and its causes. It leaves out a cause that an outer error has shown already.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {

    use super::*;

    /// The tags in registries now, the tags that this machine put there, and all questions.
    struct Scene {
        now: HashMap<Reference, Digest>,
        put: Vec<Arc<Tagged>>,
        asked: RefCell<Vec<String>>,
    }

    fn name(tag: &str) -> Reference {
        format!("x.example/{tag}").parse().unwrap()
    }

    fn tagged((tag, manifest): &(&str, &str)) -> Tagged {
        Tagged { name: name(tag), digest: Digest::of(manifest.as_bytes()) }
    }

    impl Scene {
        fn new(put: &[(&str, &str)], now: &[(&str, &str)]) -> Self {
            let now = now.iter().map(tagged).map(|Tagged { name, digest }| (name, digest));
            let put = put.iter().map(|it| Arc::new(tagged(it))).collect();
            Self { now: now.collect(), put, asked: RefCell::default() }
        }

        fn standing(&self) -> Standing<'_> {
            Standing::new(|reference| {
                self.asked.borrow_mut().push(reference.to_string());
                if reference.tag() == Some("broken") {
                    return Err(std::io::Error::other("it is broken").into());
                }
                Ok(self.now.get(reference).copied())
            })
        }

        /// Checks a layer that lies under the tags `of_layer`.
        fn check(&self, standing: &Standing<'_>, target: &str, of_layer: &[&str]) -> Option<Doubt> {
            let has_put = |name: &Reference, digest| {
                self.put.iter().any(|put| put.name == *name && put.digest == digest)
            };
            let names: Vec<_> = of_layer.iter().map(|tag| name(tag)).collect();
            let tags = self.put.iter().filter(|put| names.contains(&put.name));
            let tags: Vec<_> = tags.cloned().collect();
            standing.check(has_put, &name(target), &tags).err()
        }

        fn doubt(&self, target: &str, of_layer: &[&str]) -> Option<Doubt> {
            self.check(&self.standing(), target, of_layer)
        }
    }

    #[test]
    fn layer_is_used_again_while_one_tag_is_left_and_none_was_changed() {
        let put = [("app:1", "one"), ("app:2", "two")];
        let left = |now: &[(&str, &str)]| Scene::new(&put, now).doubt("app:3", &["app:1", "app:2"]);
        assert_eq!(left(&put), None);
        assert_eq!(left(&put[..1]), None);
        assert_eq!(left(&[]), Some(Doubt::Gone));
        let changed = Doubt::Changed("x.example/app:2".to_owned());
        assert_eq!(left(&[("app:1", "one"), ("app:2", "other")]), Some(changed));
    }

    #[test]
    fn target_has_to_be_absent_or_from_here() {
        let put = [("app:1", "one"), ("app:2", "two")];
        let to =
            |target: &str, now: &[(&str, &str)]| Scene::new(&put, now).doubt(target, &["app:1"]);
        assert_eq!(to("app:2", &put), None);
        let foreign = Some(Doubt::Foreign("x.example/app:2".to_owned()));
        assert_eq!(to("app:2", &[("app:1", "one"), ("app:2", "other")]), foreign);
        assert!(to("app:9", &[("app:1", "one"), ("app:9", "other")]).is_some());
    }

    #[test]
    fn what_cannot_be_known_counts_as_changed() {
        let put = [("app:1", "one"), ("app:broken", "two")];
        let scene = Scene::new(&put, &put);
        let doubt = scene.doubt("app:1", &["app:1", "app:broken"]).unwrap().to_string();
        assert_eq!(doubt, "x.example/app:broken cannot be asked for: it is broken");
        assert!(matches!(scene.doubt("app:broken", &["app:1"]), Some(Doubt::Unknown { .. })));
        assert_eq!(scene.doubt("app:1", &[]), Some(Doubt::Unnoted));
    }

    #[test]
    fn no_tag_is_asked_for_twice() {
        let put = [("app:1", "one"), ("app:2", "two")];
        let scene = Scene::new(&put, &put);
        let standing = scene.standing();
        for _ in 0..3 {
            assert_eq!(scene.check(&standing, "app:1", &["app:1", "app:2"]), None);
        }
        drop(standing);
        assert_eq!(scene.asked.into_inner(), ["x.example/app:1", "x.example/app:2"]);
    }
}
