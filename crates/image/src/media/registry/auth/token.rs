//! The client's identity: answers to challenges, and the tokens that they got.
//!
//! Docker's "Token Authentication" and "OAuth2 Token Authentication" specifications.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::challenge;
use crate::registry::http::answer::Answer;
use crate::registry::http::redirect;
use crate::registry::http::retry::Failure;
use crate::registry::http::transport::{Payload, Request, Transport};
use crate::registry::{Complaint, Credential, RegistryError};

/// The largest answer of a token service that is read.
const MAX_TOKEN_ANSWER: u64 = 256 << 10;

/// How many headers with challenges are read.
const MAX_HEADERS: usize = 8;

/// The longest token that is used.
const MAX_TOKEN: usize = 64 << 10;

/// How long a token lasts if its answer does not say. Docker's specification, "Token Response".
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

/// How long before its end the client stops using a token, so that it does not end on the way.
const MARGIN: Duration = Duration::from_secs(10);

/// The credential, and the tokens that it got.
pub(crate) struct Keyring {
    host: String,
    credential: Credential,
    /// Whether there is a credential that must not be sent.
    withholds: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: Option<Asked>,
    tokens: HashMap<String, Token>,
    generation: u64,
}

/// How the registry wants the client to authenticate.
#[derive(Clone)]
enum Asked {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

impl Asked {
    /// Chooses among the challenges that come in `headers`.
    fn parse<'a>(
        host: &str,
        home: &Url,
        headers: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, RegistryError> {
        let challenges: Vec<_> = headers
            .take(MAX_HEADERS)
            .flat_map(|value| challenge::parse(&String::from_utf8_lossy(value)))
            .collect();
        let bearers = challenges.iter().filter(|challenge| challenge.scheme == "bearer");
        for challenge in bearers {
            let realm = challenge.parameter("realm").and_then(|realm| realm.parse::<Url>().ok());
            let Some(realm) = realm else { continue };
            let safe = match realm.scheme() {
                "https" => true,
                "http" => home.scheme() == "http",
                _ => false,
            };
            if !safe {
                let (host, realm) = (host.to_owned(), redirect::shown(&realm));
                return Err(RegistryError::InsecureRealm { host, realm });
            }
            let service = challenge.parameter("service").map(ToOwned::to_owned);
            return Ok(Self::Bearer { realm, service });
        }
        if challenges.iter().any(|challenge| challenge.scheme == "basic") {
            return Ok(Self::Basic);
        }
        Err(RegistryError::Challenge { host: host.to_owned() })
    }
}

struct Token {
    value: HeaderValue,
    generation: u64,
    good_until: Instant,
}

/// The value of an `Authorization` header.
#[derive(Clone)]
pub(crate) struct Authorization {
    pub(crate) value: HeaderValue,
    generation: u64,
}

impl Keyring {
    /// Makes a keyring that answers `host` with `credential`.
    pub(crate) fn new(host: String, credential: Credential) -> Self {
        Self { host, credential, withholds: false, state: Mutex::default() }
    }

    /// Makes a keyring that answers `host` anonymously, even if there is a `credential`.
    pub(crate) fn withholding(host: String, credential: &Credential) -> Self {
        let withholds = !matches!(credential, Credential::Anonymous);
        Self { withholds, ..Self::new(host, Credential::Anonymous) }
    }

    /// Tells whether there is a credential that must not be sent.
    pub(crate) fn withholds(&self) -> bool {
        self.withholds
    }

    /// Returns the authorization that the registry has asked for in `scope`; `None` before the
    /// first challenge.
    pub(crate) async fn ready(
        &self,
        transport: &Transport,
        scope: &str,
    ) -> Result<Option<Authorization>, RegistryError> {
        let mut state = self.state.lock().await;
        match state.asked.clone() {
            None => Ok(None),
            Some(asked) => self.authorize(transport, &mut state, &asked, scope).await.map(Some),
        }
    }

    /// Answers the challenge in `refused`, which `used` did not satisfy.
    pub(crate) async fn renew(
        &self,
        transport: &Transport,
        scope: &str,
        home: &Url,
        refused: &Answer,
        used: Option<&Authorization>,
    ) -> Result<Authorization, RegistryError> {
        let headers = refused.headers.get_all(WWW_AUTHENTICATE);
        let asked = Asked::parse(&self.host, home, headers.iter().map(HeaderValue::as_bytes))?;
        let mut state = self.state.lock().await;
        // Another thread may have renewed the token while this request was under way.
        let stale = |token: &Token| used.is_some_and(|used| used.generation >= token.generation);
        if state.tokens.get(scope).is_some_and(stale) {
            state.tokens.remove(scope);
        }
        state.asked = Some(asked.clone());
        self.authorize(transport, &mut state, &asked, scope).await
    }

    async fn authorize(
        &self,
        transport: &Transport,
        state: &mut State,
        asked: &Asked,
        scope: &str,
    ) -> Result<Authorization, RegistryError> {
        let (realm, service) = match asked {
            Asked::Basic => {
                let value = self.basic().ok_or_else(|| self.denied(Complaint::default()))?;
                return Ok(Authorization { value, generation: 0 });
            }
            Asked::Bearer { realm, service } => (realm, service.as_deref()),
        };
        if let Some(token) = state.tokens.get(scope)
            && token.good_until > (transport.pace().now)()
        {
            let (value, generation) = (token.value.clone(), token.generation);
            return Ok(Authorization { value, generation });
        }
        let begun = (transport.pace().now)();
        let issued = transport
            .pace()
            .persist(async || self.fetch(transport, realm, service, scope).await)
            .await?;
        state.generation += 1;
        let generation = state.generation;
        let value = issued.value.clone();
        let good_until = begun + issued.lifetime - MARGIN.min(issued.lifetime / 4);
        state.tokens.insert(scope.to_owned(), Token { value, generation, good_until });
        Ok(Authorization { value: issued.value, generation })
    }

    async fn fetch(
        &self,
        transport: &Transport,
        realm: &Url,
        service: Option<&str>,
        scope: &str,
    ) -> Result<Issued, Failure> {
        let answer = transport.exchange(self.token_request(realm, service, scope)).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(self.denied(answer.complaint().await).into());
            }
            _ => return Err(answer.refusal().await.into()),
        }
        let no_sense = answer.no_sense("it holds no token");
        let body = Zeroizing::new(answer.body(MAX_TOKEN_ANSWER).await?);
        Ok(Issued::parse(&body).ok_or(no_sense)?)
    }

    fn token_request<'a>(&self, realm: &'a Url, service: Option<&str>, scope: &str) -> Request<'a> {
        let mut url = realm.clone();
        let mut headers = HeaderMap::new();
        let mut authorization = None;
        let (method, body) = match &self.credential {
            Credential::IdentityToken(token) => {
                let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                headers.insert(CONTENT_TYPE, form);
                let body = form_urlencoded::Serializer::new(String::new())
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("service", service.unwrap_or(&self.host))
                    .append_pair("client_id", "sealcrate")
                    .append_pair("scope", scope)
                    .append_pair("refresh_token", token)
                    .finish();
                (Method::POST, Bytes::from_owner(Zeroizing::new(body.into_bytes())))
            }
            other => {
                let mut query = url.query_pairs_mut();
                if let Some(service) = service {
                    query.append_pair("service", service);
                }
                for scope in scope.split(' ') {
                    query.append_pair("scope", scope);
                }
                if let Credential::Basic { username, .. } = other {
                    query.append_pair("account", username);
                    authorization = self.basic();
                }
                drop(query);
                (Method::GET, Bytes::new())
            }
        };
        let payload = Payload::Bytes(body);
        Request { method, url, headers, authorization, home: realm, payload }
    }

    fn basic(&self) -> Option<HeaderValue> {
        let Credential::Basic { username, password } = &self.credential else { return None };
        let pair = Zeroizing::new(format!("{username}:{}", password.as_str()));
        let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        Some(secret_header("Basic", &encoded).expect("base64 is plain text"))
    }

    fn denied(&self, said: Complaint) -> RegistryError {
        let host = self.host.clone();
        if self.withholds {
            RegistryError::InsecureLogin { host, said }
        } else {
            RegistryError::Denied { host, said }
        }
    }
}

/// A token as it comes.
struct Issued {
    value: HeaderValue,
    lifetime: Duration,
}

impl Issued {
    fn parse(body: &[u8]) -> Option<Self> {
        let body: TokenBody = serde_json::from_slice(body).ok()?;
        let filled = |token: &Zeroizing<String>| !token.is_empty() && token.len() <= MAX_TOKEN;
        let token = [body.token, body.access_token]
            .into_iter()
            .flatten()
            .map(Zeroizing::new)
            .find(filled)?;
        let lifetime = match body.expires_in {
            None | Some(0) => DEFAULT_LIFETIME,
            // No token is kept for longer than a day.
            Some(seconds) => Duration::from_secs(seconds.min(86_400)),
        };
        Some(Self { value: secret_header("Bearer", &token)?, lifetime })
    }
}

#[derive(Deserialize)]
struct TokenBody {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Makes a header's value that `Debug` does not show.
fn secret_header(scheme: &str, secret: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("{scheme} {secret}"));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(home: &str, headers: &[&str]) -> Result<Asked, RegistryError> {
        let headers = headers.iter().map(|header| header.as_bytes());
        Asked::parse("r.io", &home.parse().unwrap(), headers)
    }

    #[test]
    fn bearer_is_chosen_before_basic_whatever_the_order() {
        let headers = ["Negotiate", "Basic realm=x, Bearer realm=\"https://a.io/t\",service=s"];
        let Ok(Asked::Bearer { realm, service }) = asked("https://r.io/v2/", &headers) else {
            panic!("no bearer")
        };
        assert_eq!((realm.as_str(), service.as_deref()), ("https://a.io/t", Some("s")));
        assert!(matches!(asked("https://r.io/", &["Basic realm=x"]), Ok(Asked::Basic)));
    }

    #[test]
    fn unencrypted_realm_is_for_unencrypted_registries_only() {
        let header = ["Bearer realm=\"http://a.io/t?x=secret\""];
        assert!(asked("http://localhost/v2/", &header).is_ok());
        let error = asked("https://r.io/v2/", &header).map(|_| ()).unwrap_err();
        assert!(matches!(error, RegistryError::InsecureRealm { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(asked("http://localhost/v2/", &["Bearer realm=\"file:///t\""]).is_err());
    }

    #[test]
    fn challenge_of_no_known_kind_is_an_error() {
        for headers in [&[][..], &["Negotiate"], &["Bearer service=s"], &["Bearer realm=\"::\""]] {
            let error = asked("https://r.io/", headers).map(|_| ()).unwrap_err();
            assert!(matches!(error, RegistryError::Challenge { .. }), "{headers:?}: {error}");
        }
    }

    #[test]
    fn token_answers_are_read_in_both_forms() {
        for (body, value, seconds) in [
            (r#"{"token":"t","expires_in":300}"#, "Bearer t", 300),
            (r#"{"access_token":"a"}"#, "Bearer a", 60),
            (r#"{"token":"","access_token":"a","expires_in":0}"#, "Bearer a", 60),
            (r#"{"token":"t","expires_in":18446744073709551615}"#, "Bearer t", 86_400),
        ] {
            let issued = Issued::parse(body.as_bytes()).unwrap();
            assert_eq!(issued.value.to_str().unwrap(), value);
            assert_eq!(issued.lifetime.as_secs(), seconds, "{body}");
            assert!(!format!("{:?}", issued.value).contains(value));
        }
        for body in ["", "{}", r#"{"token":""}"#, r#"{"token":"a\nb"}"#, r#"{"token":1}"#] {
            assert!(Issued::parse(body.as_bytes()).is_none(), "{body}");
        }
    }
}
