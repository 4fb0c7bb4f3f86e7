//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 §2.3): ChaCha20-Poly1305 with nonces that are long enough
//! to be drawn at random, since each message has a key of its own.

use chacha20::{R20, hchacha};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::error::Unspecified;

/// How many bytes longer than the text it is what is encrypted.
pub(super) const TAG: usize = 16;

/// Encrypts a text in its place, and puts the tag behind it.
///
/// # Errors
/// When the text has 256 GiB; it is as it was then.
pub(super) fn seal(
    key: &[u8; 32],
    nonce: &[u8; 24],
    bound_to: &[u8],
    text: &mut Vec<u8>,
) -> Result<(), Unspecified> {
    let (key, nonce) = key_of_message(key, nonce)?;
    key.seal_in_place_append_tag(nonce, Aad::from(bound_to), text)
}

/// Decrypts what [`seal`] has made, in its place; the text is its beginning.
///
/// # Errors
/// When it is damaged, or was sealed with another key, with another nonce, or bound to something else.
pub(super) fn open<'a>(
    key: &[u8; 32],
    nonce: &[u8; 24],
    bound_to: &[u8],
    sealed: &'a mut [u8],
) -> Result<&'a [u8], Unspecified> {
    let (key, nonce) = key_of_message(key, nonce)?;
    Ok(key.open_in_place(nonce, Aad::from(bound_to), sealed)?)
}

/// The key and the nonce for one message: the key out of the first 16 bytes of the long nonce, and the
/// nonce out of the rest.
fn key_of_message(key: &[u8; 32], nonce: &[u8; 24]) -> Result<(LessSafeKey, Nonce), Unspecified> {
    let (mut first, mut rest) = ([0; 16], [0; 12]);
    first.copy_from_slice(&nonce[..16]);
    rest[4..].copy_from_slice(&nonce[16..]);
    let key = hchacha::<R20>(key.into(), &first.into());
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key)?);
    Ok((key, Nonce::assume_unique_for_key(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        let byte = |at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
        std::array::from_fn(byte)
    }

    /// The example of draft-irtf-cfrg-xchacha-03, A.3.1.
    #[test]
    fn it_is_the_cipher_of_the_draft() {
        let text =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
                     future, sunscreen would be it.";
        let key = bytes::<32>("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
        let nonce = bytes::<24>("404142434445464748494a4b4c4d4e4f5051525354555657");
        let bound_to = bytes::<12>("50515253c0c1c2c3c4c5c6c7");
        let mut sealed = text.to_vec();
        seal(&key, &nonce, &bound_to, &mut sealed).unwrap();
        let begins = bytes::<16>("bd6d179d3e83d43b9576579493c0e939");
        let tag = bytes::<TAG>("c0875924c1c7987947deafd8780acf49");
        assert_eq!((&sealed[..16], &sealed[text.len()..]), (&begins[..], &tag[..]));
        assert_eq!(open(&key, &nonce, &bound_to, &mut sealed.clone()), Ok(&text[..]));
        assert!(open(&key, &nonce, b"", &mut sealed.clone()).is_err());
        for at in 0..nonce.len() {
            let mut other = nonce;
            other[at] ^= 1;
            assert!(open(&key, &other, &bound_to, &mut sealed.clone()).is_err(), "byte {at}");
        }
    }
}
