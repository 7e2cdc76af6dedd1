//! Where the cluster is and as whom to ask it.

use apportion_engine::binding::Binding;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use trino_rust_client::auth::Auth;
use trino_rust_client::ssl::Ssl;
use trino_rust_client::{Client, ClientBuilder};

/// Longest statement in bytes: Trino's own default (`query.max-length`).
const MOST_BYTES: usize = 1_000_000;
/// A page of a result, or a second of waiting for one: anything longer is a connection that died.
const REQUEST: Duration = Duration::from_secs(60);

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user name alone: what a cluster without authentication takes.
    None,
    Password(String),
    /// A JSON web token.
    Token(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Credentials::None => "None",
            Credentials::Password(_) => "Password(…)",
            Credentials::Token(_) => "Token(…)",
        })
    }
}

/// A cluster and its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `https://host:port` or `http://host:port`.
    pub url: String,
    pub catalog: String,
    pub schema: String,
    pub user: String,
    pub credentials: Credentials,
    /// PEM of an authority to trust beside the system's.
    pub authority: Option<PathBuf>,
    /// What stands before the key of a delivered file in Trino's `$path`; `None` where only frozen bills are read.
    pub delivered_root: Option<String>,
}

/// Settings that do not make a client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("`{0}` is not the address of a Trino: write http://host:port or https://host:port")]
    Address(String),
    #[error("{0} is set, and {1} too: set one of them")]
    Both(&'static str, &'static str),
    #[error("{variable} names {file}: {what}")]
    File { variable: &'static str, file: String, what: String },
    #[error("a password or token over http would be there for all to read: name the Trino with https://")]
    Insecure,
    #[error("the client of Trino cannot be made: {0}")]
    Client(String),
}

/// The variable's value, or the first line of the file that the other variable names.
fn secret(
    variable: &'static str,
    file: &'static str,
    get: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>, SettingsError> {
    match (get(variable), get(file)) {
        (Some(_), Some(_)) => Err(SettingsError::Both(variable, file)),
        (Some(value), None) => Ok(Some(value)),
        (None, Some(path)) => match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.lines().next().unwrap_or_default().trim().to_owned())),
            Err(error) => Err(SettingsError::File { variable: file, file: path, what: error.to_string() }),
        },
        (None, None) => Ok(None),
    }
}

impl Settings {
    /// With user, password or token from variables: `APPORTION_TRINO_USER`, `APPORTION_TRINO_PASSWORD`, `APPORTION_TRINO_TOKEN`, the
    /// latter two also as `…_FILE`, and `APPORTION_TRINO_CA`, a PEM file. `get` reads a variable; an empty one is as good as none.
    pub fn from_variables(
        url: &str,
        catalog: &str,
        schema: &str,
        get: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Settings, SettingsError> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let password = secret("APPORTION_TRINO_PASSWORD", "APPORTION_TRINO_PASSWORD_FILE", &get)?;
        let token = secret("APPORTION_TRINO_TOKEN", "APPORTION_TRINO_TOKEN_FILE", &get)?;
        let credentials = match (password, token) {
            (Some(_), Some(_)) => return Err(SettingsError::Both("a password", "a token")),
            (Some(password), None) => Credentials::Password(password),
            (None, Some(token)) => Credentials::Token(token),
            (None, None) => Credentials::None,
        };
        let settings = Settings {
            url: url.to_owned(),
            catalog: catalog.to_owned(),
            schema: schema.to_owned(),
            user: get("APPORTION_TRINO_USER").unwrap_or_else(|| "apportion".to_owned()),
            credentials,
            authority: get("APPORTION_TRINO_CA").map(PathBuf::from),
            delivered_root: None,
        };
        settings.address().map(|_| settings)
    }

    /// Whether it is https, the host, and the port.
    fn address(&self) -> Result<(bool, String, u16), SettingsError> {
        let wrong = || SettingsError::Address(self.url.clone());
        let (secure, rest) = match self.url.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, self.url.strip_prefix("http://").ok_or_else(wrong)?),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() || rest.contains(['/', '@', '?', '#']) {
            return Err(wrong());
        }
        // An IPv6 address has colons of its own, in brackets.
        match rest.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => Ok((secure, host.to_owned(), port.parse().map_err(|_| wrong())?)),
            None => Ok((secure, rest.to_owned(), if secure { 443 } else { 80 })),
        }
    }

    pub(crate) fn binding(&self) -> Binding {
        Binding::new(&[&self.catalog, &self.schema], self.delivered_root.clone(), MOST_BYTES)
    }

    pub(crate) fn client(&self) -> Result<Client, SettingsError> {
        let (secure, host, port) = self.address()?;
        let mut builder = ClientBuilder::new(&self.user, host)
            .port(port)
            .secure(secure)
            .catalog(&self.catalog)
            .schema(&self.schema)
            .source("apportion")
            .client_request_timeout(REQUEST);
        let auth = match &self.credentials {
            Credentials::None => None,
            Credentials::Password(password) => Some(Auth::new_basic(&self.user, Some(password))),
            Credentials::Token(token) => Some(Auth::new_jwt(token)),
        };
        if let Some(auth) = auth {
            if !secure {
                return Err(SettingsError::Insecure);
            }
            builder = builder.auth(auth);
        }
        if let Some(path) = &self.authority {
            builder = builder.ssl(Ssl { root_cert: Some(authority(path)?) });
        }
        builder.build().map_err(|error| SettingsError::Client(error.to_string()))
    }
}

fn authority(path: &Path) -> Result<trino_rust_client::ssl::Certificate, SettingsError> {
    Ssl::read_pem(&path).map_err(|error| SettingsError::File {
        variable: "APPORTION_TRINO_CA",
        file: path.display().to_string(),
        what: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn settings(url: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Settings::from_variables(url, "hive", "apportion", &get)
    }

    #[test]
    fn an_address_has_scheme_host_and_port() {
        let address = |url: &str| settings(url, &[]).and_then(|settings| settings.address());
        assert_eq!(address("http://127.0.0.1:8080"), Ok((false, "127.0.0.1".to_owned(), 8080)));
        assert_eq!(address("https://trino.example/"), Ok((true, "trino.example".to_owned(), 443)));
        assert_eq!(address("http://[::1]"), Ok((false, "[::1]".to_owned(), 80)));
        assert_eq!(address("http://[::1]:81"), Ok((false, "[::1]".to_owned(), 81)));
        for url in ["trino:8080", "ftp://x", "http://", "http://u:p@x:1", "http://x:port", "http://x/ui"] {
            assert_eq!(address(url), Err(SettingsError::Address(url.to_owned())), "{url}");
        }
    }

    #[test]
    fn secrets_come_from_variables_or_files_and_are_not_shown() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "from a file").unwrap();
        let path = file.path().to_str().unwrap();
        let of = |variables: &[(&str, &str)]| settings("https://x", variables).map(|settings| settings.credentials);
        assert_eq!(of(&[]), Ok(Credentials::None));
        assert_eq!(of(&[("APPORTION_TRINO_PASSWORD", "p")]), Ok(Credentials::Password("p".to_owned())));
        assert_eq!(of(&[("APPORTION_TRINO_TOKEN_FILE", path)]), Ok(Credentials::Token("from a file".to_owned())));
        assert_eq!(
            of(&[("APPORTION_TRINO_TOKEN", ""), ("APPORTION_TRINO_PASSWORD", "p")]),
            Ok(Credentials::Password("p".to_owned()))
        );
        assert!(of(&[("APPORTION_TRINO_TOKEN", "t"), ("APPORTION_TRINO_TOKEN_FILE", path)]).is_err());
        assert!(of(&[("APPORTION_TRINO_TOKEN", "t"), ("APPORTION_TRINO_PASSWORD", "p")]).is_err());
        assert!(of(&[("APPORTION_TRINO_PASSWORD_FILE", "/nowhere")]).unwrap_err().to_string().contains("/nowhere"));
        let shown = format!("{:?}", settings("https://x", &[("APPORTION_TRINO_PASSWORD", "hush")]).unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_secret_never_travels_over_http() {
        let settings = settings("http://x", &[("APPORTION_TRINO_PASSWORD", "p")]).unwrap();
        assert_eq!(settings.client().err(), Some(SettingsError::Insecure));
    }
}
