//! The user that an image names, as numbers: engines look names up before anything is unlocked.

use crate::ConfigError;

/// Returns the user of a config in numbers, by the lists of users and groups of the image.
///
/// A user without a group stays one, so that engines find its groups in the same list.
///
/// # Errors
/// A name that the lists do not have.
pub(crate) fn in_numbers(user: &str, passwd: &[u8], group: &[u8]) -> Result<String, ConfigError> {
    if user.is_empty() {
        return Ok(String::new());
    }
    let (name, group_name) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (user, None),
    };
    let unknown = || ConfigError::User(user.to_owned());
    let uid = match name.parse::<u32>() {
        Ok(uid) => uid,
        Err(_) => number_of(passwd, name).ok_or_else(unknown)?,
    };
    match group_name {
        Some(group_name) => {
            let gid = match group_name.parse::<u32>() {
                Ok(gid) => gid,
                Err(_) => number_of(group, group_name).ok_or_else(unknown)?,
            };
            Ok(format!("{uid}:{gid}"))
        }
        None => {
            // Another name may come first in the list, with other groups.
            let first = fields(passwd).find(|fields| fields.get(2) == Some(&uid.to_string()));
            match first {
                Some(fields) if name.parse::<u32>().is_err() && fields[0] != name => {
                    let own = fields_of(passwd, name).ok_or_else(unknown)?;
                    Ok(format!("{uid}:{}", own.get(3).ok_or_else(unknown)?))
                }
                _ => Ok(uid.to_string()),
            }
        }
    }
}

/// Returns the number behind a name. passwd(5), group(5): both have it in the third field.
fn number_of(list: &[u8], name: &str) -> Option<u32> {
    fields_of(list, name)?.get(2)?.parse().ok()
}

fn fields_of(list: &[u8], name: &str) -> Option<Vec<String>> {
    fields(list).find(|fields| fields.first().is_some_and(|first| first == name))
}

fn fields(list: &[u8]) -> impl Iterator<Item = Vec<String>> {
    let lines = list.split(|byte| *byte == b'\n');
    lines.map(|line| String::from_utf8_lossy(line).split(':').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/app:/bin/sh\n\
                            also:x:1000:7::/also:/bin/sh\n";
    const GROUP: &[u8] = b"root:x:0:\nteam:x:2000:app\n";

    #[test]
    fn names_become_the_numbers_of_the_image() {
        let number = |user| in_numbers(user, PASSWD, GROUP).unwrap();
        assert_eq!(number(""), "");
        assert_eq!(number("app"), "1000");
        assert_eq!(number("1000"), "1000");
        assert_eq!(number("app:team"), "1000:2000");
        assert_eq!(number("5:6"), "5:6");
        assert_eq!(number("also"), "1000:7");
        assert!(in_numbers("nobody", PASSWD, GROUP).is_err());
        assert!(in_numbers("app:nobody", PASSWD, GROUP).is_err());
    }
}
