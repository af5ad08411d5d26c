//! Blobs that another repository of the same registry has, so that nobody need send them: the registry
//! links them. OCI distribution specification, "Mounting a blob from another repository".

use reqwest::Method;
use reqwest::header::LOCATION;
use tracing::debug;

use super::monolithic::took;
use crate::registry::RegistryError;
use crate::registry::client::{Client, Right};
use crate::registry::http::redirect;
use crate::{Digest, Repository};

/// Asks the registry to take the blob `digest` of `size` bytes of the repository `from` into `to`, and
/// tells whether it did. A registry may refuse for any reason, which is no error.
///
/// # Errors
/// The registry cannot be reached, or fails.
pub(crate) async fn mount(
    client: &Client,
    to: &Repository,
    from: &Repository,
    digest: Digest,
    size: u64,
) -> Result<bool, RegistryError> {
    let mut call = client.call(Method::POST, to, "blobs/uploads/", Right::Push).await?;
    call.url
        .query_pairs_mut()
        .append_pair("mount", &digest.to_string())
        .append_pair("from", from.path());
    // A token has to be good for both repositories; a request may have several scopes, with spaces
    // between them.
    call.scope = format!("{} repository:{}:pull", call.scope, from.path());
    let begun = call
        .transport
        .pace()
        .persist(async || {
            let answer = client.attempt(&call).await?;
            match answer.status.as_u16() {
                201 => Ok(match took(client, to, answer, digest, size).await? {
                    true => None,
                    false => Some(None),
                }),
                // The registry has begun an upload instead.
                202 => {
                    Ok(Some(answer.header(&LOCATION).map(|to| redirect::resolve(&answer.url, to))))
                }
                _ => Err(answer.refusal().await.into()),
            }
        })
        .await;
    match begun {
        Ok(None) => Ok(true),
        Ok(Some(location)) => {
            if let Some(Ok(location)) = location {
                let mut cancel = client.call(Method::DELETE, to, "", Right::Push).await?;
                cancel.url = location;
                // If the upload stays, the registry forgets it in time.
                let _ = client.attempt(&cancel).await;
            }
            Ok(false)
        }
        Err(error @ (RegistryError::Transport { .. } | RegistryError::Setup { .. })) => Err(error),
        Err(error) => {
            debug!("{digest} is not taken over from {from}: {error}");
            Ok(false)
        }
    }
}
