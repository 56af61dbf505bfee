//! A word that must not be shown.

/// What PASS says, or has to say: not shown by `Debug`, and compared in a time that tells nothing
/// but lengths.
#[derive(Clone, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The word.
    pub fn new(word: impl Into<Vec<u8>>) -> Self {
        Self(word.into())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        let differing = pairs.fold(0, |bits, (one, other)| bits | (one ^ other));
        self.0.len() == other.0.len() && differing == 0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_compared_and_never_shown() {
        let word = Secret::new("s3cret");
        assert_eq!(format!("{:?}", (&word, Some(word.clone()))), "(***, Some(***))");
        assert!(word == Secret::new("s3cret"));
        for other in ["", "s3cre", "s3cret2", "S3cret"] {
            assert!(word != Secret::new(other), "{other}");
        }
    }
}
