//! FIPS mode. A build with the feature `fips` computes in the module of AWS-LC that is validated by FIPS 140-3, and nowhere else.

/// Whether this build is one.
pub const BUILT: bool = cfg!(feature = "fips");

/// AWS-LC is not in FIPS mode: the linked module is another one, or its self-tests failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is a build for FIPS mode, and AWS-LC is not in it: {0}")]
pub struct NotFips(&'static str);

/// In a build for it, that AWS-LC is in FIPS mode; in others nothing.
///
/// # Errors
///
/// [`NotFips`].
pub fn check() -> Result<(), NotFips> {
    match BUILT {
        true => aws_lc_rs::try_fips_mode().map_err(NotFips),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_the_one_that_was_built_for() {
        assert_eq!(aws_lc_rs::try_fips_mode().is_ok(), BUILT);
        assert_eq!(check(), Ok(()));
    }
}
