//! The password of a new agent: sent once, then forgotten.

use secrecy::SecretString;

/// The classes of characters; no look-alikes, no character that needs escaping anywhere.
const CLASSES: [&[u8]; 4] = [b"abcdefghjkmnpqrstuvwxyz", b"ABCDEFGHJKMNPQRSTUVWXYZ", b"23456789", b"-_.!"];

/// Characters of a password; RingCX publishes no rule, so it is long and has every class.
const LENGTH: usize = 24;

/// A new password from the system's source of randomness.
///
/// # Errors
/// When that source fails.
pub(super) fn generate() -> Result<SecretString, getrandom::Error> {
    loop {
        let mut random = [0_u8; 256];
        getrandom::fill(&mut random)?;
        if let Some(password) = compose(&random) {
            return Ok(SecretString::from(password));
        }
    }
}

/// A password of the random bytes; nothing when they happen to miss a class.
fn compose(random: &[u8]) -> Option<String> {
    let alphabet: Vec<u8> = CLASSES.concat();
    // Bytes beyond the last whole multiple of the alphabet are skipped: every character is as likely as any other.
    let usable = 256 - 256 % alphabet.len();
    let letters = random.iter().filter(|byte| usize::from(**byte) < usable);
    let password: Vec<u8> = letters
        .filter_map(|byte| alphabet.get(usize::from(*byte) % alphabet.len()).copied())
        .take(LENGTH)
        .collect();
    let complete = CLASSES.iter().all(|class| password.iter().any(|letter| class.contains(letter)));
    (complete && password.len() == LENGTH).then(|| password.into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn passwords_are_long_and_have_every_class() {
        let first = generate().unwrap();
        assert_eq!(first.expose_secret().len(), LENGTH);
        for class in CLASSES {
            assert!(first.expose_secret().bytes().any(|letter| class.contains(&letter)));
        }
        assert_ne!(first.expose_secret(), generate().unwrap().expose_secret());
        assert_eq!(format!("{first:?}").find(first.expose_secret()), None);
    }

    #[test]
    fn too_little_randomness_gives_no_password() {
        assert_eq!(compose(&[0; 256]), None);
        assert_eq!(compose(&[1, 2, 3]), None);
    }
}
