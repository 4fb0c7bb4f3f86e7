//! What is told of a vendor that did not answer, and of a connection that cannot be used.

use crate::http::error::{Code, Problem};
use crate::http::forwarding::fault::Fault;

/// As it is told to the client, while it has no answer yet.
pub(super) fn problem(fault: &Fault, connection: &str, writes: bool) -> Problem {
    let (code, detail) = match fault {
        Fault::Unreachable(_) => (
            Code::VendorUnreachable,
            format!(
                "The vendor behind the connection {connection} cannot be reached, and the request \
                 was not sent to it. Try again shortly."
            ),
        ),
        Fault::NoAnswer(_) | Fault::Invalid(_) | Fault::BrokeOff(_) => (
            Code::VendorAnswer,
            format!(
                "The vendor behind the connection {connection} did not give a valid answer.{}",
                done(writes)
            ),
        ),
        Fault::Silent | Fault::StoppedSending => (
            Code::VendorTimeout,
            format!(
                "The vendor behind the connection {connection} did not answer in time.{}",
                done(writes)
            ),
        ),
    };
    Problem::new(code, detail)
}

fn done(writes: bool) -> &'static str {
    if writes { " What the request asks for may have been done all the same." } else { "" }
}
