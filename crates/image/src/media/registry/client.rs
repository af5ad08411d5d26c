//! The client of one registry: its address, and requests to it with their authentication.

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use tokio::sync::OnceCell;

use super::{Access, Credential, RegistryError, SchemePolicy};
use crate::Repository;
use crate::registry::auth::token::{Authorization, Keyring};
use crate::registry::http::answer::Answer;
use crate::registry::http::network::Network;
use crate::registry::http::redirect::is_loopback;
use crate::registry::http::retry::{Failure, Pace};
use crate::registry::http::transport::{Payload, Request, Transport};

/// Docker's registry, and the host where it is reached, which differs from its name.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// The client of one registry.
pub(super) struct Client {
    /// Its name.
    host: String,
    /// Its address.
    address: String,
    scheme: SchemePolicy,
    transport: Transport,
    credential: Credential,
    home: OnceCell<Home>,
    network: Network,
}

/// The registry, once its URL is known.
struct Home {
    /// Its root.
    url: Url,
    keyring: Keyring,
}

/// A request to the registry.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) scope: String,
    pub(super) body: Bytes,
    /// How it goes, with the time limit of a document.
    pub(super) transport: Transport,
}

/// A right on a repository.
#[derive(Clone, Copy)]
pub(super) enum Right {
    Pull,
    Push,
}

impl Client {
    pub(super) fn new(
        network: &Network,
        host: &str,
        access: Access,
        pace: Pace,
    ) -> Result<Self, RegistryError> {
        let address = if host == DOCKER_HUB.0 { DOCKER_HUB.1 } else { host };
        let plain = access.scheme == SchemePolicy::PlainHttp || is_loopback(host);
        let connections = network.connections(host, &access, plain, pace.connect)?;
        Ok(Self {
            host: host.to_owned(),
            address: address.to_owned(),
            scheme: access.scheme,
            transport: Transport::new(host, connections, pace),
            credential: access.credential,
            home: OnceCell::new(),
            network: network.clone(),
        })
    }

    /// Waits until `doing` is done.
    pub(super) fn wait<T>(&self, doing: impl Future<Output = T>) -> T {
        self.network.wait(doing)
    }

    pub(super) fn pace(&self) -> &Pace {
        self.transport.pace()
    }

    /// Prepares a request about `repository`, to `place` below it.
    pub(super) async fn call(
        &self,
        method: Method,
        repository: &Repository,
        place: &str,
        right: Right,
    ) -> Result<Call, RegistryError> {
        let path = repository.path();
        let mut url = self.home().await?.url.clone();
        url.set_path(&format!("/v2/{path}/{place}"));
        let scope = match right {
            Right::Pull => format!("repository:{path}:pull"),
            Right::Push => format!("repository:{path}:pull,push"),
        };
        let (headers, body, transport) =
            (HeaderMap::new(), Bytes::new(), self.transport.for_document());
        Ok(Call { method, url, headers, scope, body, transport })
    }

    /// Makes a request, with new credentials where the registry asks for some.
    ///
    /// # Errors
    /// Errors of the exchange, and refused credentials. Any other status is left to the caller.
    pub(super) async fn attempt(&self, call: &Call) -> Result<Answer, Failure> {
        let keyring = &self.home().await?.keyring;
        let mut used = keyring.ready(&call.transport, &call.scope).await?;
        for last in [false, true] {
            let payload = Payload::Bytes(call.body.clone());
            let value = used.as_ref().map(|used| used.value.clone());
            let mut answer = self.exchange(&call.transport, call, value, payload).await?;
            if last || !asks(&answer) {
                return self.unless_withheld(answer).await;
            }
            used = Some(self.renew(&call.transport, call, &answer, used.as_ref()).await?);
            answer.drain().await;
        }
        unreachable!("the last attempt returns")
    }

    /// Sends a stream, which cannot be sent twice. If the registry asks for other credentials, the
    /// client gets them, and the failure says that another attempt may be made at once.
    pub(super) async fn attempt_stream(
        &self,
        call: &Call,
        payload: Payload,
    ) -> Result<Answer, Failure> {
        let keyring = &self.home().await?.keyring;
        let used = keyring.ready(&call.transport, &call.scope).await?;
        let value = used.as_ref().map(|used| used.value.clone());
        // A stream may take longer than a document.
        let answer = self.exchange(&self.transport, call, value, payload).await?;
        if asks(&answer) {
            let transport = self.transport.for_document();
            self.renew(&transport, call, &answer, used.as_ref()).await?;
            return Err(Failure::at_once(answer.refusal().await));
        }
        self.unless_withheld(answer).await
    }

    /// Distinguishes a user without rights from one whose login was withheld.
    async fn unless_withheld(&self, answer: Answer) -> Result<Answer, Failure> {
        let refuses = matches!(answer.status.as_u16(), 401 | 403) && answer.at_home;
        if refuses && self.home().await?.keyring.withholds() {
            let host = self.host.clone();
            return Err(
                RegistryError::InsecureLogin { host, said: answer.complaint().await }.into()
            );
        }
        Ok(answer)
    }

    async fn exchange(
        &self,
        transport: &Transport,
        call: &Call,
        authorization: Option<HeaderValue>,
        payload: Payload,
    ) -> Result<Answer, Failure> {
        let request = Request {
            method: call.method.clone(),
            url: call.url.clone(),
            headers: call.headers.clone(),
            authorization,
            home: &self.home().await?.url,
            payload,
        };
        transport.exchange(request).await
    }

    async fn renew(
        &self,
        transport: &Transport,
        call: &Call,
        refused: &Answer,
        used: Option<&Authorization>,
    ) -> Result<Authorization, RegistryError> {
        let Home { url, keyring } = self.home().await?;
        keyring.renew(transport, &call.scope, url, refused, used).await
    }

    /// Returns the registry's URL and its keyring. On loopback both depend on whether it speaks HTTPS
    /// or plain HTTP.
    async fn home(&self) -> Result<&Home, RegistryError> {
        self.home
            .get_or_try_init(async || {
                let url = self.find().await?;
                let is_clear = url.scheme() == "http";
                let keyring = match self.scheme {
                    SchemePolicy::HttpsExceptLoopback if is_clear => {
                        Keyring::withholding(self.host.clone(), &self.credential)
                    }
                    _ => Keyring::new(self.host.clone(), self.credential.clone()),
                };
                Ok(Home { url, keyring })
            })
            .await
    }

    /// Finds the registry's root.
    async fn find(&self) -> Result<Url, RegistryError> {
        let at = |scheme: &str| {
            format!("{scheme}://{}/v2/", self.address)
                .parse::<Url>()
                .map_err(|_| RegistryError::Host(self.address.clone()))
        };
        match self.scheme {
            SchemePolicy::PlainHttp => at("http"),
            _ if !is_loopback(&self.address) => at("https"),
            SchemePolicy::HttpsExceptLoopback | SchemePolicy::InsecureLoopback => {
                let (https, http) = (at("https")?, at("http")?);
                let transport = self.transport.for_document();
                transport.pace().persist(async || choose(&transport, &https, &http).await).await
            }
        }
    }
}

/// Chooses HTTPS where the server speaks it, and else plain HTTP.
async fn choose(transport: &Transport, https: &Url, http: &Url) -> Result<Url, Failure> {
    let Err(failure) = ping(transport, https).await else { return Ok(https.clone()) };
    match ping(transport, http).await {
        // A server of HTTPS answers plain HTTP with 400; then the first failure tells more.
        Ok(status) if status != 400 => Ok(http.clone()),
        _ => Err(failure),
    }
}

/// Returns the status with which the root answers.
async fn ping(transport: &Transport, url: &Url) -> Result<u16, Failure> {
    let request = Request {
        method: Method::GET,
        url: url.clone(),
        headers: HeaderMap::new(),
        authorization: None,
        home: url,
        payload: Payload::Bytes(Bytes::new()),
    };
    match transport.exchange(request).await {
        Ok(answer) => Ok(answer.status.as_u16()),
        Err(failure) => failure.status().ok_or(failure),
    }
}

/// Tells whether the registry itself asks for credentials, and not a host that it redirected to.
fn asks(answer: &Answer) -> bool {
    answer.status == StatusCode::UNAUTHORIZED && answer.at_home
}
