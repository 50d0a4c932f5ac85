//! Where the server is and who we are to it. The only module of the client that reads the environment.
//!
//! Each later place is asked only when the one before says nothing: the option, `KS_API_URL`/`KS_API_KEY`, the profile that
//! `ks login` wrote, and, for the commands to just work beside `ks dev`, the `dev.json` of its default data folder. A
//! remembered key is sent only to the server that it was remembered for.

mod dev_file;
mod profile;

use std::ffi::OsString;
use std::path::PathBuf;

use zeroize::Zeroizing;

pub(crate) use dev_file::DevFile;
pub(crate) use profile::Profile;

use crate::cli::Global;

const DEFAULT_API_URL: &str = "http://127.0.0.1:8401";
const DEFAULT_PROXY_URL: &str = "http://127.0.0.1:8400";

/// Where a setting came from, in words.
pub(crate) type Origin = &'static str;

/// What the client needs to know.
pub(crate) struct Settings {
    /// The control plane, without a trailing slash.
    pub(crate) api_url: String,
    /// Who said so.
    pub(crate) api_url_from: Origin,
    /// A management key or a session.
    pub(crate) api_key: Option<Zeroizing<String>>,
    /// Who said so.
    pub(crate) api_key_from: Origin,
    /// The project to work in.
    pub(crate) project: Option<String>,
    /// The data plane, as far as it is known without asking.
    pub(crate) proxy_url: Option<String>,
    /// An agent's token, from `KS_TOKEN`.
    pub(crate) token: Option<Zeroizing<String>>,
}

/// What the environment and the files say.
#[derive(Default)]
struct Found {
    api_url: Option<String>,
    api_key: Option<String>,
    proxy_url: Option<String>,
    token: Option<String>,
    profile: Option<Profile>,
    dev: Option<DevFile>,
}

impl Settings {
    /// The settings for these options.
    ///
    /// # Errors
    /// The profile or `dev.json` exists and cannot be read.
    pub(crate) fn load(global: &Global) -> anyhow::Result<Self> {
        let found = Found {
            api_url: variable("KS_API_URL"),
            api_key: variable("KS_API_KEY"),
            proxy_url: variable("KS_PROXY_URL"),
            token: variable("KS_TOKEN"),
            profile: Profile::read()?,
            dev: DevFile::read()?,
        };
        Ok(Self::decide(global, found))
    }

    fn decide(global: &Global, found: Found) -> Self {
        let profile_url = found
            .profile
            .as_ref()
            .map(|profile| without_slash(&profile.api_url));
        let dev_url = found.dev.as_ref().map(|dev| without_slash(&dev.api_url));
        let (api_url, api_url_from) = first([
            (global.api_url.as_deref().map(without_slash), "--api-url"),
            (found.api_url.as_deref().map(without_slash), "KS_API_URL"),
            (profile_url.clone(), "the profile"),
            (dev_url.clone(), "dev.json"),
        ])
        .unwrap_or((DEFAULT_API_URL.to_owned(), "the default"));
        let profile_key = found
            .profile
            .map(|profile| profile.token)
            .filter(|_| profile_url.as_ref() == Some(&api_url));
        let here = dev_url.as_ref() == Some(&api_url);
        let (dev_key, dev_proxy) = match found.dev.filter(|_| here) {
            Some(dev) => (Some(dev.api_key), Some(without_slash(&dev.proxy_url))),
            None => (None, None),
        };
        let key = first([
            (global.api_key.clone(), "--api-key"),
            (found.api_key, "KS_API_KEY"),
            (profile_key, "the profile"),
            (dev_key, "dev.json"),
        ]);
        let (api_key, api_key_from) = match key {
            Some((key, from)) => (Some(Zeroizing::new(key)), from),
            None => (None, "nowhere"),
        };
        Self {
            api_url,
            api_url_from,
            api_key,
            api_key_from,
            project: global.project.clone(),
            proxy_url: found.proxy_url.as_deref().map(without_slash).or(dev_proxy),
            token: found.token.map(Zeroizing::new),
        }
    }

    /// The data plane, where nobody can be asked.
    pub(crate) fn proxy_url_or_default(&self) -> String {
        self.proxy_url
            .clone()
            .unwrap_or_else(|| DEFAULT_PROXY_URL.to_owned())
    }
}

fn first<const N: usize>(places: [(Option<String>, Origin); N]) -> Option<(String, Origin)> {
    places
        .into_iter()
        .find_map(|(value, origin)| value.map(|value| (value, origin)))
}

fn without_slash(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place of the client that reads the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether colour is unwanted (<https://no-color.org>).
pub(crate) fn no_colour() -> bool {
    variable("NO_COLOR").is_some() || variable("TERM").as_deref() == Some("dumb")
}

/// The whole environment, for a program that is to be run with a changed one.
pub(crate) fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Where the profile is: `$XDG_CONFIG_HOME/keystore`, else `~/.config/keystore` (XDG Base Directory Specification).
fn config_dir() -> Option<PathBuf> {
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .map(|config| config.join("keystore"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    fn global(api_url: Option<&str>, api_key: Option<&str>) -> Global {
        Global {
            api_url: api_url.map(str::to_owned),
            api_key: api_key.map(str::to_owned),
            project: None,
            output: Format::Table,
        }
    }

    fn found() -> Found {
        Found {
            profile: Some(Profile::new(
                "https://ks.example/".into(),
                "kss_profile".into(),
                None,
            )),
            dev: Some(DevFile {
                proxy_url: "http://127.0.0.1:8400".into(),
                api_url: "http://127.0.0.1:8401".into(),
                api_key: "ksm_dev".into(),
            }),
            ..Found::default()
        }
    }

    fn key(settings: &Settings) -> Option<&str> {
        settings.api_key.as_ref().map(|key| key.as_str())
    }

    #[test]
    fn the_nearer_place_wins() {
        let settings = Settings::decide(&global(None, None), found());
        assert_eq!(settings.api_url, "https://ks.example");
        assert_eq!(key(&settings), Some("kss_profile"));
        let mut with_env = found();
        with_env.api_key = Some("ksm_env".into());
        assert_eq!(
            key(&Settings::decide(&global(None, None), with_env)),
            Some("ksm_env")
        );
        let mut with_env = found();
        with_env.api_key = Some("ksm_env".into());
        assert_eq!(
            key(&Settings::decide(&global(None, Some("ksm_option")), with_env)),
            Some("ksm_option")
        );
    }

    #[test]
    fn a_remembered_key_goes_to_its_own_server_only() {
        let elsewhere = Settings::decide(&global(Some("https://other.example"), None), found());
        assert_eq!(key(&elsewhere), None);
        assert_eq!(elsewhere.proxy_url, None);
        let dev = Settings::decide(&global(Some("http://127.0.0.1:8401/"), None), found());
        assert_eq!((key(&dev), dev.api_key_from), (Some("ksm_dev"), "dev.json"));
        assert_eq!(dev.proxy_url.as_deref(), Some("http://127.0.0.1:8400"));
    }

    #[test]
    fn without_anything_the_default_address_is_tried() {
        let settings = Settings::decide(&global(None, None), Found::default());
        assert_eq!(
            (settings.api_url.as_str(), key(&settings)),
            (DEFAULT_API_URL, None)
        );
        assert_eq!(settings.proxy_url_or_default(), DEFAULT_PROXY_URL);
    }
}
