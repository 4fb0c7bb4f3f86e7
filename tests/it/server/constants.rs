//! What never changes while a program runs is sent compressed, and not again to who has it.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::support::{Answer, Backend, TestServer};

/// The headers of an answer, and its body as it came.
fn fetch(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> (Answer, Vec<u8>) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut request = agent.get(format!("{}{path}", server.client.base));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.call().unwrap();
    let body = response.body_mut().read_to_vec().unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (Answer { status, headers, body: String::new() }, body)
}

#[test]
fn the_document_and_the_files_of_the_pages_are_compressed_for_who_takes_it() {
    let server = TestServer::start(Backend::Sqlite);
    for (path, fraction) in
        [("/openapi.json", 10), ("/static/bitting.css", 2), ("/static/docs.js", 2)]
    {
        let (answer, plain) = fetch(&server, path, &[]);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, ""), "{path}");
        assert_eq!(answer.header("vary"), "accept-encoding");
        let etag = answer.header("etag").to_owned();
        for accepted in ["gzip", "br, gzip;q=0.5", "gzip, deflate, br, zstd"] {
            let (answer, body) = fetch(&server, path, &[("accept-encoding", accepted)]);
            assert_eq!(answer.header("content-encoding"), "gzip", "{path}: {accepted}");
            assert_eq!(answer.header("content-length"), body.len().to_string());
            assert_eq!(answer.header("vary"), "accept-encoding");
            assert!(body.len() < plain.len() / fraction, "{path}: {} bytes", body.len());
            let mut unpacked = Vec::new();
            GzDecoder::new(body.as_slice()).read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == plain, "{path}");
            // A strong tag stands for these very bytes.
            assert_ne!(answer.header("etag"), etag);
            let known = [("accept-encoding", accepted), ("if-none-match", answer.header("etag"))];
            let (again, body) = fetch(&server, path, &known);
            assert_eq!((again.status, body.len()), (304, 0), "{path}");
            assert_eq!(again.header("etag"), answer.header("etag"));
            assert_eq!(again.header("cache-control"), "no-cache");
        }
        for accepted in ["identity", "br", "gzip;q=0", "identity, gzip;q=0.1", ""] {
            let (answer, body) = fetch(&server, path, &[("accept-encoding", accepted)]);
            assert_eq!(answer.header("content-encoding"), "", "{path}: {accepted}");
            assert!(body == plain);
        }
        let weak = format!("\"other\", W/{etag}");
        let (known, _) = fetch(&server, path, &[("if-none-match", &weak)]);
        assert_eq!((known.status, known.header("etag")), (304, &*etag));
    }
}
