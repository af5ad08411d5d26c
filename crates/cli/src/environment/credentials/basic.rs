//! A user name and a password.

use sealcrate_image::registry::Credential;
use zeroize::Zeroizing;

/// Makes a credential of a user name and a password.
pub(super) fn basic(username: &str, password: &str) -> Credential {
    let password = Zeroizing::new(password.to_owned());
    Credential::Basic { username: username.to_owned(), password }
}
