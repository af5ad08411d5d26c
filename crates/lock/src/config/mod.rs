//! The two halves of a config: the members that engines need before a start unlocks anything, and the rest.

pub(crate) mod error;
mod user;

use sealcrate_image::{Config, DiffId};
use sealcrate_packfile::index::{Command, List};
use serde_json::{Map, Value, json};

use crate::{ConfigError, TreePath};

/// The program that engines run in a locked image.
pub(crate) const INIT: &str = "/.sealcrate/init";

/// The shell that runs a health check of one line if the image names no shell.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// The original command, its environment and its health check, in memory of their own.
pub(crate) struct PrivateHalf {
    env: Vec<u8>,
    entrypoint: Vec<u8>,
    cmd: Vec<u8>,
    working_dir: String,
    healthcheck: Vec<u8>,
}

impl PrivateHalf {
    /// Takes the members of a config that a start unlocks.
    pub(crate) fn of(config: &Config) -> Result<Self, ConfigError> {
        let strings = |name| strings(&config.runtime, name);
        Ok(Self {
            env: encoded(&strings("Env")?),
            entrypoint: encoded(&strings("Entrypoint")?),
            cmd: encoded(&strings("Cmd")?),
            working_dir: string(&config.runtime, "WorkingDir")?.to_owned(),
            healthcheck: encoded(&healthcheck(config)?),
        })
    }

    /// Returns the command as the index has it.
    pub(crate) fn command(&self) -> Command<'_> {
        let list = |bytes| List::parse(bytes).expect("it has just been written");
        Command {
            env: list(&self.env),
            entrypoint: list(&self.entrypoint),
            cmd: list(&self.cmd),
            working_dir: self.working_dir.as_bytes(),
            healthcheck: list(&self.healthcheck),
        }
    }
}

fn encoded(strings: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    List::write(strings.iter().map(String::as_bytes), &mut bytes);
    bytes
}

/// Returns the paths of the volumes.
pub(crate) fn volumes(config: &Config) -> Result<Vec<TreePath>, ConfigError> {
    match config.runtime.get("Volumes") {
        Some(Value::Object(volumes)) => Ok(volumes
            .keys()
            .map(|path| TreePath::parse(path.as_bytes()))
            .collect::<Result<_, _>>()?),
        _ => Ok(Vec::new()),
    }
}

/// The lists of users and groups of an image.
pub(crate) struct Lists {
    pub(crate) passwd: Vec<u8>,
    pub(crate) group: Vec<u8>,
}

/// Writes the config of the locked image.
pub(crate) fn clear_half(
    config: &Config,
    volumes: &[TreePath],
    lists: &Lists,
    diff_ids: &[DiffId],
) -> Result<Vec<u8>, ConfigError> {
    let mut runtime = Map::new();
    let user = string(&config.runtime, "User")?;
    let user = user::in_numbers(user, &lists.passwd, &lists.group)?;
    runtime.insert("User".into(), user.into());
    for name in ["ExposedPorts", "StopSignal"] {
        if let Some(value) = config.runtime.get(name).filter(|value| !value.is_null()) {
            runtime.insert(name.into(), value.clone());
        }
    }
    if !volumes.is_empty() {
        let volumes: Map<_, _> =
            volumes.iter().map(|volume| (volume.to_string(), json!({}))).collect();
        runtime.insert("Volumes".into(), volumes.into());
    }
    runtime.insert("WorkingDir".into(), "/".into());
    runtime.insert("Entrypoint".into(), json!([INIT]));
    if !healthcheck(config)?.is_empty()
        && let Some(Value::Object(check)) = config.runtime.get("Healthcheck")
    {
        let mut check = check.clone();
        check.insert("Test".into(), json!(["CMD", INIT, "exec", "--healthcheck"]));
        runtime.insert("Healthcheck".into(), check.into());
    }
    let mut whole = json!({
        "architecture": config.architecture,
        "os": config.os,
        "config": runtime,
        "rootfs": { "type": "layers", "diff_ids": diff_ids.iter().map(|id| id.0).collect::<Vec<_>>() },
    });
    if let Some(variant) = &config.variant {
        whole["variant"] = variant.clone().into();
    }
    Ok(serde_json::to_vec(&whole).expect("it is made of texts"))
}

/// Returns the program and arguments of the health check, or nothing if there is none. Docker's "Image
/// Specification v1.2".
fn healthcheck(config: &Config) -> Result<Vec<String>, ConfigError> {
    let Some(Value::Object(check)) = config.runtime.get("Healthcheck") else {
        return Ok(Vec::new());
    };
    let mut test = strings(check, "Test")?.into_iter();
    match test.next().as_deref() {
        Some("CMD") => Ok(test.collect()),
        Some("CMD-SHELL") => {
            let mut shell = strings(&config.runtime, "Shell")?;
            if shell.is_empty() {
                shell = SHELL.map(str::to_owned).to_vec();
            }
            Ok(shell.into_iter().chain(test).collect())
        }
        _ => Ok(Vec::new()),
    }
}

fn string<'m>(members: &'m Map<String, Value>, name: &'static str) -> Result<&'m str, ConfigError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) if !text.contains('\0') => Ok(text),
        Some(_) => Err(ConfigError::Member(name)),
    }
}

fn strings(members: &Map<String, Value>, name: &'static str) -> Result<Vec<String>, ConfigError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item.as_str() {
                Some(text) if !text.contains('\0') => Ok(text.to_owned()),
                _ => Err(ConfigError::Member(name)),
            })
            .collect(),
        Some(_) => Err(ConfigError::Member(name)),
    }
}
