//! Where a registry may lead a request: the URLs in `Location` headers, and which of them get
//! credentials.

use reqwest::Url;

use crate::registry::RegistryError;

/// How many redirects of one request are followed.
pub(crate) const MAX_REDIRECTS: usize = 10;

/// Resolves the `Location` in an answer to a request to `from`.
///
/// It refuses a way from HTTPS to anything else. It drops credentials within the URL, since only
/// the user gives credentials.
pub(crate) fn resolve(from: &Url, location: &str) -> Result<Url, RegistryError> {
    let no_sense = || RegistryError::Protocol {
        request: shown(from),
        reason: "its Location header is no URL",
    };
    let mut to = from.join(location).map_err(|_| no_sense())?;
    let encrypted = |url: &Url| url.scheme() == "https";
    if !encrypted(&to) {
        if encrypted(from) {
            return Err(RegistryError::InsecureRedirect { from: shown(from), to: shown(&to) });
        }
        if to.scheme() != "http" {
            return Err(no_sense());
        }
    }
    to.set_username("").and_then(|()| to.set_password(None)).map_err(|()| no_sense())?;
    Ok(to)
}

/// Tells whether two URLs have the same scheme, host and port.
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// Returns a URL to show to people: without query and fragment, which may bear signatures, and
/// without user name and password.
pub(crate) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        None => format!("{}://{host}{}", url.scheme(), url.path()),
        Some(port) => format!("{}://{host}:{port}{}", url.scheme(), url.path()),
    }
}

/// Tells whether `host`, which may have a port, is this machine by its name.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn locations_are_relative_or_absolute_and_never_less_safe() {
        let from = url("https://r.io/v2/a/blobs/uploads/");
        for (location, to) in [
            ("/v2/x?a=b", "https://r.io/v2/x?a=b"),
            ("x", "https://r.io/v2/a/blobs/uploads/x"),
            ("//cdn.io/x", "https://cdn.io/x"),
            ("https://me:pw@cdn.io/x", "https://cdn.io/x"),
        ] {
            assert_eq!(resolve(&from, location).unwrap().as_str(), to, "{location}");
        }
        for location in ["http://r.io/x", "HTTP://r.io/x", "file:///etc/passwd", "data:,x"] {
            let error = resolve(&from, location).unwrap_err();
            assert!(matches!(error, RegistryError::InsecureRedirect { .. }), "{location}");
        }
        let plain = url("http://localhost/");
        assert!(resolve(&plain, "http://localhost:1/").is_ok());
        assert!(resolve(&plain, "file:///etc/passwd").is_err());
        assert!(resolve(&plain, "http://[").is_err());
    }

    #[test]
    fn origins_differ_by_scheme_host_and_port() {
        let home = url("https://r.io/v2/");
        assert!(same_origin(&home, &url("https://r.io:443/other")));
        for other in ["http://r.io/", "https://r.io:444/", "https://x.r.io/"] {
            assert!(!same_origin(&home, &url(other)), "{other}");
        }
    }

    #[test]
    fn shown_urls_bear_no_secrets() {
        let signed = url("https://me:pw@cdn.io:8443/x?sig=secret#frag");
        assert_eq!(shown(&signed), "https://cdn.io:8443/x");
    }

    #[test]
    fn loopback_is_known_by_its_names() {
        for host in ["localhost", "LOCALHOST:5000", "127.0.0.1:1", "127.9.9.9", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["r.io", "localhost.r.io", "128.0.0.1", "[::2]", "127.0.0.1.r.io", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
