//! What fuzz targets reach of what becomes of vendors' answers.

use zeroize::Zeroizing;

use super::links::Links;
use super::mask::masked;
use super::rewriting::Rewriting;

/// What is taken out of an answer.
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    /// The vendor's credential.
    pub secret: &'a str,
    /// The vendor's origin, and where it is here.
    pub origins: (&'a str, &'a str),
    /// Fields whose values are hidden.
    pub hidden: &'a [&'static str],
}

impl Kept<'_> {
    fn secrets(&self) -> Vec<Zeroizing<String>> {
        vec![Zeroizing::new(self.secret.to_owned())]
    }

    fn links(&self) -> Links {
        Links::new(self.origins.0, self.origins.1)
    }

    /// What becomes of a body of JSON that arrives in these pieces.
    pub fn json<'a>(&self, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        let rewriting = Rewriting::of_json(self.secrets(), self.links(), self.hidden.to_vec());
        through(rewriting, pieces)
    }

    /// What becomes of any other body.
    pub fn bytes<'a>(&self, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
        through(Rewriting::of_bytes(self.secrets()), pieces)
    }

    /// What becomes of a header's value.
    pub fn header(&self, value: &[u8]) -> Vec<u8> {
        let masked = masked(value, &self.secrets()).unwrap_or_else(|| value.to_vec());
        self.links().replaced(&masked).unwrap_or(masked)
    }
}

fn through<'a>(mut rewriting: Rewriting, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out: Vec<u8> = pieces.flat_map(|piece| rewriting.push(piece)).collect();
    out.extend_from_slice(&rewriting.finish());
    out
}
