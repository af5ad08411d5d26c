//! JSON documents from outside, read so that no two readers understand one of them differently.
//!
//! Readers written in Go take the last of two equal members, and match the names of members without
//! regard to case. So a document that is harmless to one reader means something else to another.
//! [`parse`] refuses both: members that occur twice anywhere, and members whose names differ by case from
//! one that the specification fixes. Keys of maps, such as labels and annotations, may differ by case.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Error, Map, Value};

/// Where in a document the specification fixes the names of members.
pub(crate) enum Shape {
    /// An object with these members, and members that nobody specified.
    Object(&'static [(&'static str, Self)]),
    /// A list of such values.
    List(&'static Self),
    /// A value without fixed names: text, a number, or a map.
    Free,
}

use Shape::{Free, List, Object};

const PLATFORM: Shape = Object(&[
    ("architecture", Free),
    ("os", Free),
    ("os.version", Free),
    ("os.features", Free),
    ("variant", Free),
    ("features", Free),
]);

/// OCI image specification, "Content Descriptors", and the member of crypto-cli's format.
const DESCRIPTOR: Shape = Object(&[
    ("mediaType", Free),
    ("digest", Free),
    ("size", Free),
    ("urls", Free),
    ("annotations", Free),
    ("data", Free),
    ("artifactType", Free),
    ("platform", PLATFORM),
    (
        "crypto",
        Object(&[
            ("algos", Free),
            ("nonce", Free),
            ("salt", Free),
            ("iters", Free),
            ("version", Free),
            ("key", Free),
        ]),
    ),
]);

/// OCI image specification, "Image Manifest" and "Image Index"; the members of both, since only the
/// document itself says which of them it is.
pub(crate) const MANIFEST: Shape = Object(&[
    ("schemaVersion", Free),
    ("mediaType", Free),
    ("artifactType", Free),
    ("config", DESCRIPTOR),
    ("layers", List(&DESCRIPTOR)),
    ("manifests", List(&DESCRIPTOR)),
    ("subject", DESCRIPTOR),
    ("annotations", Free),
]);

/// Docker's `Config` and OCI's `config`: how containers run.
const RUNTIME: Shape = Object(&[
    ("ArgsEscaped", Free),
    ("AttachStderr", Free),
    ("AttachStdin", Free),
    ("AttachStdout", Free),
    ("Cmd", Free),
    ("CpuShares", Free),
    ("Cpuset", Free),
    ("Domainname", Free),
    ("Entrypoint", Free),
    ("Env", Free),
    ("ExposedPorts", Free),
    (
        "Healthcheck",
        Object(&[
            ("Test", Free),
            ("Interval", Free),
            ("Timeout", Free),
            ("StartPeriod", Free),
            ("StartInterval", Free),
            ("Retries", Free),
        ]),
    ),
    ("Hostname", Free),
    ("Image", Free),
    ("Labels", Free),
    ("MacAddress", Free),
    ("Memory", Free),
    ("MemorySwap", Free),
    ("NetworkDisabled", Free),
    ("OnBuild", Free),
    ("OpenStdin", Free),
    ("Shell", Free),
    ("StdinOnce", Free),
    ("StopSignal", Free),
    ("StopTimeout", Free),
    ("Tty", Free),
    ("User", Free),
    ("Volumes", Free),
    ("WorkingDir", Free),
]);

/// OCI image specification, "Image Configuration"; Docker's "Image Specification v1.2", and the encrypted
/// member of crypto-cli's format.
pub(crate) const CONFIG: Shape = Object(&[
    ("Size", Free),
    ("architecture", Free),
    ("author", Free),
    ("comment", Free),
    ("config", RUNTIME),
    ("container", Free),
    ("container_config", RUNTIME),
    ("created", Free),
    ("docker_version", Free),
    ("enc", Free),
    (
        "history",
        List(&Object(&[
            ("author", Free),
            ("comment", Free),
            ("created", Free),
            ("created_by", Free),
            ("empty_layer", Free),
        ])),
    ),
    ("id", Free),
    ("os", Free),
    ("os.features", Free),
    ("os.version", Free),
    ("parent", Free),
    ("rootfs", Object(&[("type", Free), ("diff_ids", Free)])),
    ("variant", Free),
]);

/// Parses a document of the shape `shape` into a value of its own type.
///
/// # Errors
/// Malformed JSON; a member that occurs twice, or whose name differs by case from a fixed one; another
/// type than the value has.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], shape: &Shape) -> Result<T, Error> {
    let Strict(value) = serde_json::from_slice(bytes)?;
    shape.check(&value)?;
    serde_json::from_value(value)
}

impl Shape {
    fn check(&self, value: &Value) -> Result<(), Error> {
        match (self, value) {
            (Object(fixed), Value::Object(members)) => {
                check_names(fixed, members)?;
                for (name, shape) in *fixed {
                    members.get(*name).map_or(Ok(()), |member| shape.check(member))?;
                }
                Ok(())
            }
            (List(shape), Value::Array(items)) => items.iter().try_for_each(|it| shape.check(it)),
            _ => Ok(()),
        }
    }
}

/// Refuses names that another reader takes for one of the fixed names.
fn check_names(fixed: &[(&str, Shape)], members: &Map<String, Value>) -> Result<(), Error> {
    for name in members.keys() {
        if fixed.iter().any(|(known, _)| known == name) {
            continue;
        }
        let folded = folded(name);
        if let Some((known, _)) = fixed.iter().find(|(known, _)| self::folded(known) == folded) {
            return Err(Error::custom(format!(
                "the member {name:?} differs from {known:?} by case alone"
            )));
        }
    }
    Ok(())
}

/// Folds case as generously as any reader does: U+017F counts as "s", U+212A as "k".
fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// A JSON value in which no member occurs twice.
pub(crate) struct Strict(pub(crate) Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Building.deserialize(deserializer).map(Self)
    }
}

/// Builds a value, and refuses members that occur twice.
struct Building;

impl<'de> DeserializeSeed<'de> for Building {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Building {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("the member {name:?} occurs twice")));
            }
            map.insert(name, members.next_value_seed(Self)?);
        }
        Ok(Value::Object(map))
    }
}

/// Reads a member that Go programs write as `null` when it is empty.
pub(crate) fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, shape: &Shape) -> Result<Value, String> {
        parse(text.as_bytes(), shape).map_err(|error| error.to_string())
    }

    #[test]
    fn members_that_occur_twice_are_refused_everywhere() {
        for text in [
            r#"{"layers":[],"layers":[]}"#,
            r#"{"unknown":{"a":1,"a":1}}"#,
            r#"{"annotations":{"a":"1","\u0061":"2"}}"#,
            r#"{"layers":[{"x":[{"a":1,"a":2}]}]}"#,
        ] {
            let error = read(text, &MANIFEST).unwrap_err();
            assert!(error.contains("occurs twice"), "{text}: {error}");
        }
    }

    #[test]
    fn names_that_differ_by_case_from_fixed_ones_are_refused() {
        for text in [
            r#"{"Layers":[]}"#,
            r#"{"layer\u017f":[]}"#,
            r#"{"layers":[{"mediatype":"x"}]}"#,
            r#"{"manifests":[{"platform":{"OS":"linux"}}]}"#,
            r#"{"config":{"Digest":"x"}}"#,
            r#"{"subject":{"SIZE":1}}"#,
            r#"{"layers":[{"crypto":{"Key":"x"}}]}"#,
        ] {
            let error = read(text, &MANIFEST).unwrap_err();
            assert!(error.contains("by case alone"), "{text}: {error}");
        }
        for text in [
            r#"{"Config":{}}"#,
            r#"{"config":{"env":[]}}"#,
            r#"{"config":{"Healthchec\u212a":{}}}"#,
            r#"{"config":{"Healthcheck":{"test":[]}}}"#,
            r#"{"history":[{"Created_By":"x"}]}"#,
            r#"{"rootfs":{"Diff_ids":[]}}"#,
            r#"{"Enc":"x"}"#,
        ] {
            let error = read(text, &CONFIG).unwrap_err();
            assert!(error.contains("by case alone"), "{text}: {error}");
        }
    }

    #[test]
    fn keys_of_maps_may_differ_by_case_and_values_stay() {
        let text =
            r#"{"annotations":{"a":"1","A":"2"},"unknown":[1,-2,3.5,null,true,{"x":"\u00e4"}]}"#;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(read(text, &MANIFEST).unwrap(), expected);
        let labels = r#"{"config":{"Labels":{"key":"1","Key":"2"}},"moby.buildkit.x":1}"#;
        assert_eq!(read(labels, &CONFIG).unwrap(), serde_json::from_str::<Value>(labels).unwrap());
    }

    #[test]
    fn bytes_behind_a_document_and_endless_nesting_are_refused() {
        assert!(read("{} {}", &MANIFEST).is_err());
        assert!(read(&"[".repeat(100_000), &MANIFEST).is_err());
    }
}
