//! `dev.json`: what `ks dev` writes for the commands beside it. It is only read here.

use anyhow::Context;

/// What the client uses of it.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DevFile {
    /// The data plane.
    pub(crate) proxy_url: String,
    /// The control plane.
    pub(crate) api_url: String,
    /// A management key.
    pub(crate) api_key: String,
}

impl DevFile {
    /// The file in the default data folder, if there is one.
    ///
    /// # Errors
    /// It exists and cannot be read.
    pub(crate) fn read() -> anyhow::Result<Option<Self>> {
        let Some(path) = keystore_server::config::default_data_dir().map(|dir| dir.join("dev.json")) else {
            return Ok(None);
        };
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("{} is not what `ks dev` writes", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}
