//! The head of a request before actix has read it, if it is one of the plain kind: HTTP/1.1, without a
//! body, and with nothing to say about the connection. All others are actix's alone to read.

use std::mem::MaybeUninit;

use actix_web::http::header::HeaderName;
use httparse::{Header, Status};

use super::fields::RequestFields;

/// With more header fields than this, a head is not plain.
const MOST_FIELDS: usize = 64;

/// Room for the fields of a head.
pub(super) type Room<'a> = [MaybeUninit<Header<'a>>; MOST_FIELDS];

/// Room for the fields of a head, of which there are none yet.
pub(super) const fn room<'a>() -> Room<'a> {
    [const { MaybeUninit::uninit() }; MOST_FIELDS]
}

/// A plain head.
pub(super) struct RawHead<'a> {
    pub(super) method: &'a str,
    /// The target as it was sent.
    pub(super) target: &'a str,
    fields: &'a [Header<'a>],
}

impl<'a> RawHead<'a> {
    /// Reads a head from the beginning of these bytes, if all of it is there and it is plain; says how
    /// long it is.
    pub(super) fn read(bytes: &'a [u8], room: &'a mut Room<'a>) -> Option<(Self, usize)> {
        let mut request = httparse::Request::new(&mut []);
        let Status::Complete(length) = request.parse_with_uninit_headers(bytes, room).ok()? else {
            return None;
        };
        let (method, target, fields) = (request.method?, request.path?, &*request.headers);
        let is_plain = request.version == Some(1) && method != "CONNECT" && are_plain(fields);
        is_plain.then_some((Self { method, target, fields }, length))
    }

    /// The fields by name and value.
    pub(super) fn by_name(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.fields.iter().map(|field| (field.name, field.value))
    }
}

impl RequestFields for RawHead<'_> {
    fn all(&self, name: HeaderName) -> impl DoubleEndedIterator<Item = &[u8]> {
        let is_named = move |field: &&Header<'_>| field.name.eq_ignore_ascii_case(name.as_str());
        let named = self.fields.iter().filter(is_named);
        named.map(|field| field.value)
    }
}

/// Whether the fields name one host, announce no body, and leave the connection as it is. A length of
/// nothing is what some proxies say of a request whose body they keep.
fn are_plain(fields: &[Header<'_>]) -> bool {
    let (mut hosts, mut lengths) = (0, 0);
    let plain = fields.iter().all(|Header { name, value }| {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match name.len() {
            4 => {
                hosts += usize::from(is("host"));
                true
            }
            6 => !is("expect"),
            7 => !is("upgrade"),
            10 => !is("connection") || value.eq_ignore_ascii_case(b"keep-alive"),
            14 if is("content-length") => {
                lengths += 1;
                lengths == 1 && *value == b"0"
            }
            17 => !is("transfer-encoding"),
            _ => true,
        }
    });
    plain && hosts == 1
}

#[cfg(test)]
mod tests {
    use actix_codec::Decoder;
    use actix_http::h1::{Codec, Message, MessageType};
    use actix_web::http::{ConnectionType, Version};
    use actix_web::rt::System;
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::http::extract::caller::by_name;

    /// What actix makes of a head, if that is a request without a body on a connection that stays.
    async fn as_actix_reads(bytes: &[u8]) -> Option<(String, String, Vec<(String, Vec<u8>)>)> {
        let (mut codec, mut rest) = (Codec::default(), BytesMut::from(bytes));
        let Ok(Some(Message::Item(request))) = codec.decode(&mut rest) else { return None };
        let head = request.head();
        let is_plain = rest.is_empty()
            && codec.message_type() == MessageType::None
            && head.version == Version::HTTP_11
            && head.connection_type() == ConnectionType::KeepAlive
            && !head.expect();
        let fields = by_name(head.headers());
        let mut fields: Vec<_> =
            fields.map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
        fields.sort();
        is_plain.then(|| (head.method.to_string(), head.uri.to_string(), fields))
    }

    proptest! {
        #[test]
        fn what_is_plain_is_the_same_to_actix(
            before in "(\r\n|\n)?",
            method in "(GET|HEAD|POST|get|PURGE|CONNECT)",
            target in "(/v1/ping|/authz/envoy/[a-z%/.?=#]{0,6}|\\*|http://a/b)",
            version in "(HTTP/1\\.1|HTTP/1\\.1|HTTP/1\\.0|HTTP/2)",
            fields in prop::collection::vec(
                "((Host|host|x-a|X-A): [ -~\u{e4}]{0,6}|Content-Length: ?(0|1|00|\\+0|0,0)|Transfer-Encoding: chunked\
                 |[Cc]onnection: (close|keep-alive|Keep-Alive|Upgrade|x)|Upgrade: (h2c|websocket)\
                 |Expect: 100-continue|x-b : c| folded|Content-Length|: d)(\r\n|\n)",
                0..5,
            ),
            end in "(\r\n|\n|)",
        ) {
            let fields = fields.concat();
            let head = format!("{before}{method} {target} {version}\r\nHost: a\r\n{fields}{end}");
            let mut room = room();
            let Some((read, length)) = RawHead::read(head.as_bytes(), &mut room) else { return Ok(()) };
            prop_assert_eq!(length, head.len());
            let mut fields: Vec<_> = read
                .by_name()
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
                .collect();
            fields.sort();
            let theirs = System::new().block_on(as_actix_reads(head.as_bytes()));
            // A target that actix refuses or reads otherwise is none that the fast path answers.
            let Some((method, target, theirs)) = theirs else {
                prop_assert!(read.target.parse::<actix_web::http::Uri>().is_err(), "{head}");
                return Ok(());
            };
            prop_assert_eq!(read.method, method);
            prop_assert!(read.target == target || read.target.contains('#'), "{head}");
            prop_assert_eq!(fields, theirs);
        }
    }

    #[test]
    fn a_head_is_plain_or_left_to_actix() {
        let is_plain = |more: &str| {
            let head = format!("GET /v1/ping HTTP/1.1\r\nHost: a\r\n{more}\r\n");
            RawHead::read(head.as_bytes(), &mut room()).is_some()
        };
        for plain in ["", "Connection: Keep-Alive\r\n", "content-length: 0\r\n"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in [
            "Connection: close\r\n",
            "Content-Length: 1\r\n",
            "Content-Length: 0\r\nContent-Length: 0\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Upgrade: websocket\r\n",
            "Expect: 100-continue\r\n",
            "Host: b\r\n",
            "A : b\r\n",
            &"A: b\r\n".repeat(MOST_FIELDS),
        ] {
            assert!(!is_plain(other), "{other}");
        }
    }
}
