//! A token issuer as registries name it in a Bearer challenge, after Docker's token and OAuth2
//! specifications: `GET` with Basic credentials or none, `POST` with a password or refresh token.
//!
//! It decides which caller gets which rights, and remembers the requests. The tokens are real ones:
//! JWTs signed with ES256 that the CNCF registry verifies.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sealcrate_test_kit::{Reply, Request, Server};
use serde_json::{Value, json};

use super::registry::{PASSWORD, USERNAME};
use crate::{Authority, note_secret};

pub(crate) const ISSUER: &str = "sealcrate test issuer";
pub(crate) const SERVICE: &str = "registry.test";
/// How long after its end the CNCF registry still accepts a token.
const LEEWAY: u64 = 60;

/// The rights of a caller without credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Gets no token at all.
    Refused,
    /// Gets tokens for pulling.
    MayPull,
}

/// How long tokens are good.
#[derive(Clone, Copy, Debug)]
pub struct TokenLife {
    /// After this time the registry refuses the token.
    pub real: Duration,
    /// The lifetime that the answer states in `expires_in`; `None` leaves it out.
    pub told: Option<Duration>,
}

impl TokenLife {
    /// Ends when the answer says.
    pub fn honest(life: Duration) -> Self {
        Self { real: life, told: Some(life) }
    }
}

/// The caller, by its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Without credentials.
    Anonymous,
    /// With the right user name and password.
    Password,
    /// With the identity token.
    IdentityToken,
    /// With wrong credentials of any kind.
    Stranger,
}

/// A request that the issuer got.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// The caller.
    pub caller: Caller,
    /// The requested scopes, one by one.
    pub scopes: Vec<String>,
}

/// A token issuer on 127.0.0.1, stopped on drop.
#[derive(Debug)]
pub struct TokenIssuer {
    server: Server,
    authority: Authority,
    desk: Arc<Desk>,
}

impl TokenIssuer {
    /// Starts an issuer for [`USERNAME`] with [`PASSWORD`] or [`Self::identity_token`].
    pub fn start(anonymous: Anonymous, life: TokenLife) -> Self {
        note_secret("identity token", IDENTITY_TOKEN);
        let authority = Authority::new();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, authority.server_key())
                .expect("the authority makes P-256 keys");
        let desk = Arc::new(Desk {
            anonymous,
            life: Mutex::new(life),
            requests: Mutex::new(Vec::new()),
            signer: Signer { key, certificate: STANDARD.encode(authority.server_certificate()) },
        });
        let server = Server::start({
            let desk = Arc::clone(&desk);
            move |_, _| {
                let desk = Arc::clone(&desk);
                Reply::once_read(move |request| desk.reply(request))
            }
        });
        Self { server, authority, desk }
    }

    /// The address that registries name as their realm.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.server.host())
    }

    /// The refresh token that is as good as the password.
    pub fn identity_token(&self) -> &'static str {
        IDENTITY_TOKEN
    }

    /// The requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<TokenRequest> {
        lock(&self.desk.requests).clone()
    }

    /// Changes how long the tokens from now on are good.
    pub fn set_life(&self, life: TokenLife) {
        *lock(&self.desk.life) = life;
    }

    /// A token for a scope such as `repository:team/app:pull,push`, as the issuer would give it
    /// out.
    pub fn token(&self, scope: &str) -> String {
        let life = lock(&self.desk.life).real;
        self.desk.signer.sign(&access(scope), life)
    }

    /// A token that was good, and is no longer.
    pub fn ended_token(&self, scope: &str) -> String {
        self.desk.signer.sign(&access(scope), Duration::ZERO)
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }
}

const IDENTITY_TOKEN: &str = "identity-token-of-the-test-issuer";

/// The state that the connections' threads share.
#[derive(Debug)]
struct Desk {
    anonymous: Anonymous,
    life: Mutex<TokenLife>,
    requests: Mutex<Vec<TokenRequest>>,
    signer: Signer,
}

impl Desk {
    fn reply(&self, request: &Request) -> Reply {
        let (status, answer) = self.answer(request);
        Reply::new(status).header("Content-Type", "application/json").body(answer.to_string())
    }

    fn answer(&self, request: &Request) -> (u16, Value) {
        let (target, body) = (request.head.target(), String::from_utf8_lossy(&request.body));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let is_post = match (request.head.method(), path) {
            ("GET", "/token") => false,
            ("POST", "/token") => true,
            _ => return (404, json!({})),
        };
        let form = parse_form(if is_post { &body } else { query });
        let caller = if is_post { caller_of_form(&form) } else { caller_of_head(request) };
        let scopes: Vec<String> = all(&form, "scope")
            .flat_map(|scopes| scopes.split(' '))
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect();
        lock(&self.requests).push(TokenRequest {
            method: request.head.method().to_owned(),
            caller,
            scopes: scopes.clone(),
        });

        if all(&form, "service").next() != Some(SERVICE) {
            return (400, json!({ "error": "invalid_request" }));
        }
        let allowed: &[&str] = match (caller, self.anonymous) {
            (Caller::Password | Caller::IdentityToken, _) => &["pull", "push", "delete"],
            (Caller::Anonymous, Anonymous::MayPull) => &["pull"],
            _ => return (401, json!({ "error": "invalid_grant" })),
        };
        let access: Vec<_> = scopes.iter().filter_map(|scope| grant(scope, allowed)).collect();
        let life = *lock(&self.life);
        let token = self.signer.sign(&access, life.real);
        let mut answer = if is_post {
            json!({ "access_token": token, "scope": scopes.join(" ") })
        } else {
            json!({ "token": token })
        };
        if let Some(told) = life.told {
            answer["expires_in"] = told.as_secs().into();
        }
        if is_post || all(&form, "offline_token").next() == Some("true") {
            answer["refresh_token"] = IDENTITY_TOKEN.into();
        }
        (200, answer)
    }
}

#[derive(Debug)]
struct Signer {
    key: EcdsaKeyPair,
    /// The certificate of the key, which the registry finds in `x5c` and checks against its roots.
    certificate: String,
}

impl Signer {
    /// Signs a JWT (RFC 7519) that the registry accepts for `life` from now on.
    fn sign(&self, access: &[Value], life: Duration) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("1970 is over").as_secs();
        let end = now + life.as_secs() - LEEWAY;
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [self.certificate] });
        let claims = json!({
            "iss": ISSUER,
            "sub": USERNAME,
            "aud": SERVICE,
            "exp": end,
            "nbf": now - LEEWAY,
            "iat": now,
            "jti": now.to_string(),
            "access": access,
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), message.as_bytes())
            .expect("the system has random bytes");
        let signature = URL_SAFE_NO_PAD.encode(signature);
        let token = format!("{message}.{signature}");
        note_secret("token", &token);
        // The signature alone would do as much harm.
        note_secret("signature of a token", signature);
        token
    }
}

/// All that a scope asks for.
fn access(scope: &str) -> Vec<Value> {
    grant(scope, &["pull", "push", "delete"]).into_iter().collect()
}

/// The `access` entry for a scope such as `repository:team/app:pull,push`.
fn grant(scope: &str, allowed: &[&str]) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<_> = actions.split(',').filter(|action| allowed.contains(action)).collect();
    Some(json!({ "type": kind, "name": name, "actions": actions }))
}

fn caller_of_head(request: &Request) -> Caller {
    let Some(value) = request.header("Authorization") else {
        return Caller::Anonymous;
    };
    let right = format!("Basic {}", STANDARD.encode(format!("{USERNAME}:{PASSWORD}")));
    if value == right { Caller::Password } else { Caller::Stranger }
}

fn caller_of_form(form: &[(String, String)]) -> Caller {
    let is = |name, value| all(form, name).next() == Some(value);
    if is("grant_type", "refresh_token") && is("refresh_token", IDENTITY_TOKEN) {
        Caller::IdentityToken
    } else if is("grant_type", "password") && is("username", USERNAME) && is("password", PASSWORD) {
        Caller::Password
    } else {
        Caller::Stranger
    }
}

fn all<'f>(form: &'f [(String, String)], name: &str) -> impl Iterator<Item = &'f str> {
    form.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn parse_form(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (percent_decode(name), percent_decode(value)))
        .collect()
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8_lossy(&digits);
                bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_that_are_not_allowed_are_not_granted() {
        let access = grant("repository:team/app:pull,push", &["pull"]).unwrap();
        assert_eq!(
            access,
            json!({ "type": "repository", "name": "team/app", "actions": ["pull"] })
        );
    }

    #[test]
    fn forms_are_decoded() {
        let form = parse_form("scope=repository%3Aa%2Fb%3Apull+x&scope=2&service=s");
        assert_eq!(all(&form, "scope").collect::<Vec<_>>(), ["repository:a/b:pull x", "2"]);
    }
}
