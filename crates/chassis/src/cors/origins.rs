//! The origins that an operator lists.

use std::{net::Ipv6Addr, str::FromStr};

use axum::http::{HeaderValue, Uri};

/// The origins whose pages may use the service in a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// All, written `*`.
    All,
    /// These, each as browsers send it, in order.
    Listed(Vec<HeaderValue>),
}

impl FromStr for Origins {
    type Err = String;

    /// Reads `*`, or exact origins with commas between.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "*" => return Ok(Self::All),
            "" => return Err("it is empty: name an origin, or leave the setting out".to_owned()),
            _ => {}
        }
        let listed: Result<Vec<_>, _> = text.split(',').map(exact).collect();
        let mut listed = listed?;
        listed.sort();
        Ok(Self::Listed(listed))
    }
}

/// An origin that is spelt as browsers send it: the scheme, the host and any port but the scheme's
/// own one. Another spelling would match no request.
fn exact(given: &str) -> Result<HeaderValue, String> {
    let wrong = |what: &str| Err(format!("{given:?} {what}"));
    if given.is_empty() {
        return Err("nothing stands between two commas or at an end: take a comma out".to_owned());
    }
    if given.contains(char::is_whitespace) {
        return wrong("has a space: put only a comma between origins");
    }
    if given.contains('*') {
        return wrong("has a *: name every origin in full, or let * alone stand for all");
    }
    if given == "null" {
        return wrong(
            "is the origin of files and sandboxed pages of anyone: name another, or let * alone stand for all",
        );
    }
    if !given.is_ascii() {
        return wrong("is not ASCII: write the name as browsers send it, with xn--");
    }
    let Ok(uri) = given.parse::<Uri>() else {
        return wrong("is no origin: expected one such as https://forum.example");
    };
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host().filter(|host| is_host(host)))
    else {
        return wrong("is no origin: expected one such as https://forum.example");
    };
    let port = match (scheme, uri.port_u16()) {
        ("http", Some(80)) | ("https", Some(443)) | (_, None) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    let sent = format!("{scheme}://{host}{port}").to_ascii_lowercase();
    if sent != given {
        return wrong(&format!("is not as browsers send it: write {sent}"));
    }
    HeaderValue::try_from(sent).map_err(|error| error.to_string())
}

fn is_host(text: &str) -> bool {
    let address = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty()
        && match address {
            Some(address) => address
                .parse::<Ipv6Addr>()
                .is_ok_and(|read| read.to_string().eq_ignore_ascii_case(address)),
            None => text.bytes().all(in_name),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(origins: &[&'static str]) -> Origins {
        let origins = origins.iter().copied().map(HeaderValue::from_static);
        Origins::Listed(origins.collect())
    }

    #[test]
    fn origins_are_read_as_browsers_send_them() {
        assert_eq!("*".parse(), Ok(Origins::All));
        for origin in [
            "https://forum.example",
            "http://localhost:5173",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "https://xn--bcher-kva.example",
            "https://forum.example:80",
            "capacitor://localhost",
            "http://a_b.",
        ] {
            assert_eq!(origin.parse(), Ok(listed(&[origin])));
        }
        assert_eq!(
            "https://b.example,http://a.example".parse(),
            Ok(listed(&["http://a.example", "https://b.example"]))
        );
    }

    #[test]
    fn what_no_browser_sends_is_refused_with_what_it_sends() {
        for (given, sent) in [
            ("https://forum.example/", "https://forum.example"),
            ("https://forum.example/path", "https://forum.example"),
            ("https://forum.example?query", "https://forum.example"),
            ("https://forum.example#part", "https://forum.example"),
            ("https://ada@forum.example", "https://forum.example"),
            ("https://forum.example:443", "https://forum.example"),
            ("http://forum.example:80", "http://forum.example"),
            ("http://forum.example:08080", "http://forum.example:8080"),
            ("https://forum.example:", "https://forum.example"),
            ("HTTPS://forum.example", "https://forum.example"),
            ("https://Forum.Example", "https://forum.example"),
        ] {
            let error = format!("{given:?} is not as browsers send it: write {sent}");
            assert_eq!(given.parse::<Origins>(), Err(error));
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_a_fix() {
        for (given, fix) in [
            ("", "leave the setting out"),
            (",", "take a comma out"),
            ("https://a.example,", "take a comma out"),
            ("https://a.example, https://b.example", "only a comma"),
            (" https://a.example", "only a comma"),
            ("null", "name another"),
            ("https://*.example", "in full"),
            ("*,https://a.example", "in full"),
            ("https://bücher.example", "xn--"),
            ("forum.example", "such as https://forum.example"),
            ("//forum.example", "such as https://forum.example"),
            ("https:forum.example", "such as https://forum.example"),
            ("https://", "such as https://forum.example"),
            ("https://a;b", "such as https://forum.example"),
            ("https://a%20b", "such as https://forum.example"),
            ("https://a:b:c", "such as https://forum.example"),
            ("http://[0:0:0:0:0:0:0:1]", "such as https://forum.example"),
            ("http://[::::]", "such as https://forum.example"),
            ("/", "such as https://forum.example"),
        ] {
            let error = given.parse::<Origins>().unwrap_err();
            assert!(error.contains(fix), "{given}: {error}");
        }
    }
}
