//! Bearer tokens: how they look, and what is stored of them.

use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// What every token begins with, so that scanners for leaked secrets know it.
pub const PREFIX: &str = "rcxscim_";

/// A new token and the hash that is stored of it: 256 random bits and a checksum, in hex after the prefix.
///
/// # Errors
/// When the system gives no randomness.
pub fn mint() -> Result<(SecretString, String), getrandom::Error> {
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random)?;
    let body = hex(&random);
    let token = format!("{PREFIX}{body}{}", checksum(&body));
    let hash = hash(&token);
    Ok((SecretString::from(token), hash))
}

/// SHA-256 of a token, in hex. Tokens are random, so nothing slower is needed.
pub fn hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// Whether a text can be a token at all: spares the store a look for every scanner that comes by.
pub(super) fn is_well_formed(token: &str) -> bool {
    let Some(rest) = token.strip_prefix(PREFIX) else { return false };
    match rest.split_at_checked(64) {
        Some((body, sum)) => body.bytes().all(|b| b.is_ascii_hexdigit()) && sum == checksum(body),
        None => false,
    }
}

fn checksum(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes())).chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn tokens_are_recognised_by_prefix_and_checksum() {
        let (token, stored) = mint().unwrap();
        let token = token.expose_secret();
        assert!(is_well_formed(token));
        assert_eq!(hash(token), stored);
        assert_ne!(mint().unwrap().1, stored);
        let (head, last) = token.split_at(token.len() - 1);
        let typo = format!("{head}{}", if last == "0" { '1' } else { '0' });
        for wrong in ["", "rcxscim_", "rcxscim_abc", head, &typo, &token.replace("rcxscim", "other")] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
    }
}
