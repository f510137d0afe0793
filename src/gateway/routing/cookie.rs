//! The sticky cookie: read from a client's request, hidden from the task ("insert indirect").

use http::HeaderValue;
use http::header::COOKIE;
use pingora::http::RequestHeader;

/// The cookie's name, as the clusters that this continues had it.
pub(crate) const NAME: &str = "CONTAINERID";

/// The containers that a request's cookies name, in the order of the header: the most specific path comes first.
pub(crate) fn containers(request: &RequestHeader) -> impl Iterator<Item = &str> {
    let headers = any(request).then(|| request.headers.get_all(COOKIE));
    let headers = headers.into_iter().flatten();
    let values = headers.flat_map(|header| pairs(header).filter_map(value));
    values.filter_map(|value| std::str::from_utf8(value).ok())
}

/// The value of the first cookie of this name.
pub(crate) fn named<'a>(request: &'a RequestHeader, name: &[u8]) -> Option<&'a [u8]> {
    let headers = request.headers.get_all(COOKIE).iter();
    headers
        .flat_map(pairs)
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="))
}

/// Takes the sticky cookie out of a request and leaves the others as they are.
pub(crate) fn strip(request: &mut RequestHeader) {
    let sticky = |header: &HeaderValue| pairs(header).any(|pair| value(pair).is_some());
    if !any(request) || !request.headers.get_all(COOKIE).iter().any(sticky) {
        return;
    }
    let kept: Vec<Vec<u8>> = request
        .headers
        .get_all(COOKIE)
        .iter()
        .map(|header| {
            pairs(header)
                .filter(|pair| value(pair).is_none())
                .collect::<Vec<_>>()
                .join(&b"; "[..])
        })
        .filter(|cookies| !cookies.is_empty())
        .collect();
    request.remove_header(&COOKIE);
    for cookies in kept {
        let cookies = HeaderValue::try_from(cookies)
            .expect("parts of a header's value make a header's value");
        request
            .append_header("Cookie", cookies)
            .expect("a request that held this header has room for it");
    }
}

/// Makes one header of the several in which HTTP/2 may bring cookies (RFC 9113, section 8.2.3).
pub(crate) fn join(request: &mut RequestHeader) {
    let crumbs: Vec<_> = request.headers.get_all(COOKIE).iter().collect();
    if crumbs.len() < 2 {
        return;
    }
    let crumbs: Vec<_> = crumbs.into_iter().map(HeaderValue::as_bytes).collect();
    let cookies = HeaderValue::try_from(crumbs.join(&b"; "[..]))
        .expect("parts of a header's value make a header's value");
    request
        .insert_header("Cookie", cookies)
        .expect("a request that held this header has room for it");
}

/// Whether a request has cookies. A look at its few headers costs less than a look-up.
fn any(request: &RequestHeader) -> bool {
    request.headers.keys().any(|name| *name == COOKIE)
}

fn pairs(header: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    header
        .as_bytes()
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty())
}

fn value(pair: &[u8]) -> Option<&[u8]> {
    pair.strip_prefix(NAME.as_bytes())?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(cookies: &[&'static str]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        for cookie in cookies {
            request.append_header("Cookie", *cookie).expect("a header");
        }
        request
    }

    #[test]
    fn the_sticky_cookie_is_found_and_hidden_among_others() {
        for (cookies, found, left) in [
            (vec![], vec![], vec![]),
            (vec!["a=1"], vec![], vec!["a=1"]),
            (vec!["CONTAINERID=abc"], vec!["abc"], vec![]),
            (
                vec!["a=1; CONTAINERID=abc; b=2"],
                vec!["abc"],
                vec!["a=1; b=2"],
            ),
            (
                vec!["a=1;CONTAINERID=abc", "CONTAINERID=def; c=\"x\""],
                vec!["abc", "def"],
                vec!["a=1", "c=\"x\""],
            ),
            (
                vec!["XCONTAINERID=abc; CONTAINERIDX=abc"],
                vec![],
                vec!["XCONTAINERID=abc; CONTAINERIDX=abc"],
            ),
        ] {
            let mut request = request(&cookies);
            assert_eq!(
                containers(&request).collect::<Vec<_>>(),
                found,
                "{cookies:?}"
            );
            strip(&mut request);
            let rest: Vec<_> = request
                .headers
                .get_all(COOKIE)
                .iter()
                .map(|it| it.to_str().expect("text"))
                .collect();
            assert_eq!(rest, left, "{cookies:?}");
        }
    }

    proptest! {
        #[test]
        fn a_task_never_sees_the_sticky_cookie_and_always_the_others(
            lines in prop::collection::vec(
                "((CONTAINERID|containerid|a|\u{e9}|)=?[ -:<-~\u{e9}]{0,6}|CONTAINERID=[a-f0-9]{3})?(;[ ;]{0,2}(CONTAINERID=x|b=\"[0-9]\"|=)){0,3}",
                0..4,
            ),
        ) {
            let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
            for line in &lines {
                request.append_header("Cookie", line.as_bytes()).expect("a header");
            }
            let others = |request: &RequestHeader| -> Vec<Vec<u8>> {
                let headers = request.headers.get_all(COOKIE).iter();
                let all = headers.flat_map(pairs).filter(|pair| value(pair).is_none());
                all.map(<[u8]>::to_vec).collect()
            };
            let before = others(&request);
            strip(&mut request);
            prop_assert_eq!(containers(&request).count(), 0);
            prop_assert_eq!(&others(&request), &before);
            join(&mut request);
            prop_assert_eq!(others(&request), before);
            prop_assert!(request.headers.get_all(COOKIE).iter().count() < 2);
        }
    }
}
