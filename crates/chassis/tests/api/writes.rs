//! What is decided about a write before its body is read.

use axum::body::Body;

use crate::fixture::{Api, Response, TOKEN, Writes, all_in};

/// The routes that write, with a media type that each reads.
fn writes(api: &Api) -> [(&'static str, String, &'static str); 4] {
    let (collection, json) = (api.collection(), "application/json");
    let record = format!("{collection}/1");
    [
        ("POST", collection, json),
        ("PUT", record.clone(), json),
        ("PATCH", record.clone(), "application/merge-patch+json"),
        ("DELETE", record, json),
    ]
}

fn authorized() -> String {
    format!("Bearer {TOKEN}")
}

#[test]
fn a_wrong_token_is_told_from_none() {
    let valid = authorized();
    let (short, long) = (&valid[..valid.len() - 1], format!("{valid}x"));
    let none = "Bearer realm=\"forum\"";
    let wrong = "Bearer realm=\"forum\", error=\"invalid_token\"";
    let cases: [(&[&str], &str); 10] = [
        (&[], none),
        (&["Basic YTpi"], none),
        (&["Bearerx"], none),
        (&[""], none),
        (&["Bearer"], wrong),
        (&["Bearer x"], wrong),
        (&["bearer x"], wrong),
        (&[short], wrong),
        (&[&long], wrong),
        (&[&valid, &valid], wrong),
    ];
    for api in all_in(Writes::Taken) {
        for (method, path, media_type) in writes(&api) {
            for (shown, challenge) in &cases {
                let mut headers = vec![("content-type", media_type)];
                headers.extend(shown.iter().map(|shown| ("authorization", *shown)));
                let response = api.ask(method, &path, &headers);
                assert_eq!(response.status, 401, "{method} {shown:?}");
                assert_eq!(response.problem(), "unauthorized");
                let sent = response.header("www-authenticate");
                assert_eq!(sent, *challenge, "{method} {shown:?}");
            }
        }
        // Reads ignore the header.
        let read = api.ask("GET", &api.collection(), &[("authorization", "Bearer x")]);
        assert_eq!(read.status, 200);
    }
}

#[test]
fn a_body_in_a_content_coding_is_not_read() {
    for api in all_in(Writes::Taken) {
        for (method, path, media_type) in writes(&api) {
            if method == "DELETE" {
                continue;
            }
            let sent = |codings: &[&str]| -> Response {
                let token = authorized();
                let mut headers = vec![("content-type", media_type), ("authorization", &token)];
                headers.extend(codings.iter().map(|coding| ("content-encoding", *coding)));
                api.send(method, &path, &headers, Body::from("not JSON"))
            };
            for codings in [
                &["gzip"][..],
                &["br"],
                &["identity, gzip"],
                &["identity", "deflate"],
                &["x"],
            ] {
                let refused = sent(codings);
                assert_eq!(refused.status, 415, "{method} {codings:?}");
                assert_eq!(refused.problem(), "unsupported-media-type");
                assert_eq!(refused.header("accept-encoding"), "identity");
            }
            for codings in [&[][..], &["identity"], &["IDENTITY"], &[""]] {
                assert_eq!(sent(codings).status, 400, "{method} {codings:?}");
            }
        }
    }
}
