//! A credential of which the vendor itself gave a part anew, such as a refresh token with each use.

use super::{Vault, WrappedKek};
use crate::error::VaultError;
use crate::format::SealContext;
use crate::intake;

impl Vault {
    /// Seals what `sealed` holds for the same place, with `value` in the place of the field `field`, under another KEK perhaps. The
    /// plaintext does not leave this function.
    ///
    /// # Errors
    ///
    /// `Sealed`, `NoRandomness`; `BadFormat` when there is no such field or the value cannot be one; `Corrupt` when `sealed` is not of its
    /// context.
    pub async fn replace_field(
        &self,
        (from_kek, kek): (&WrappedKek, &WrappedKek),
        context: &SealContext,
        sealed: &[u8],
        (field, value): (&str, &str),
    ) -> Result<Vec<u8>, VaultError> {
        let plaintext = self.plaintext(from_kek, context, sealed).await?;
        let fields = intake::replace(&plaintext, field, value).map_err(|_| VaultError::BadFormat)?;
        self.seal(kek, context, &fields).await
    }
}
