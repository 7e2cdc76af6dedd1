//! A template: a folder of Typst files, read whole into memory before anything is printed.

use apportion_output::template_digest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Largest template, in bytes: fonts and logos included.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The files that a template must have.
const REQUIRED: [&str; 2] = ["statement.typ", "summary.typ"];

/// Why a folder is no template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("{path}: {source}: the template folder must be readable")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{0}: a file name in a template must be UTF-8 without `\\`: rename it")]
    BadName(PathBuf),
    #[error("the template lacks `{0}`: copy it from the package's own template, which `apportion template --out DIR` writes")]
    Missing(&'static str),
    #[error("{0}: the template is larger than 64 MiB: make its fonts and pictures smaller")]
    TooLarge(PathBuf),
    #[error("the template of the release changed during the run: start it again")]
    Changed,
    #[error("{0}: a template holds plain files and folders only, no links: copy what it points to")]
    Link(PathBuf),
}

/// Template files by path relative to the folder, `/`-separated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

macro_rules! builtin {
    ($($file:literal),* $(,)?) => {
        /// The package's own template.
        pub fn builtin() -> Template {
            let files: [(&str, &[u8]); _] = [$(($file, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/template/", $file)))),*];
            Template { files: files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect() }
        }
    };
}

impl Template {
    builtin!["statement.typ", "summary.typ", "executive.typ", "lib.typ", "settings.typ", "README.md"];

    /// From files in memory, for example those frozen with a close.
    pub fn from_files(files: BTreeMap<String, Vec<u8>>) -> Result<Template, TemplateError> {
        match REQUIRED.into_iter().find(|name| !files.contains_key(*name)) {
            Some(missing) => Err(TemplateError::Missing(missing)),
            None => Ok(Template { files }),
        }
    }

    /// From a folder and everything below it. Names that begin with a `.` are left out.
    pub fn from_folder(folder: &Path) -> Result<Template, TemplateError> {
        let mut files = BTreeMap::new();
        let mut size = 0;
        let mut waiting = vec![(folder.to_path_buf(), String::new())];
        while let Some((path, prefix)) = waiting.pop() {
            let unreadable = |source| TemplateError::Unreadable { path: path.clone(), source };
            for entry in std::fs::read_dir(&path).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
                let name = entry.file_name().into_string().map_err(|_| TemplateError::BadName(path.clone()))?;
                if name.starts_with('.') {
                    continue;
                }
                if name.contains('\\') {
                    return Err(TemplateError::BadName(path));
                }
                let relative = format!("{prefix}{name}");
                if kind.is_symlink() {
                    return Err(TemplateError::Link(path));
                } else if kind.is_dir() {
                    waiting.push((path, format!("{relative}/")));
                } else {
                    size += entry.metadata().map_err(unreadable)?.len();
                    if size > MAX_BYTES {
                        return Err(TemplateError::TooLarge(folder.to_path_buf()));
                    }
                    let bytes =
                        std::fs::read(&path).map_err(|source| TemplateError::Unreadable { path: path.clone(), source })?;
                    files.insert(relative, bytes);
                }
            }
        }
        Template::from_files(files)
    }

    /// The files, to be frozen with a close.
    pub fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    /// SHA-256 over the template's files and the package's fonts: part of the id of a close.
    pub fn digest(&self) -> String {
        template_digest(&self.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use apportion_output::{PACKAGE_FONTS, named_digest};

    #[test]
    fn the_digest_of_the_fonts_is_that_of_the_fonts() {
        let fonts = crate::fonts::PACKAGE.iter().map(|(name, bytes)| (format!("fonts/{name}"), *bytes));
        assert_eq!(named_digest(fonts), PACKAGE_FONTS, "write the new digest into crates/output/src/digest.rs");
    }

    #[test]
    fn every_file_of_a_template_counts() {
        let template = Template::builtin();
        let mut other = template.clone();
        other.files.insert("logo.svg".to_owned(), Vec::new());
        assert_ne!(template.digest(), other.digest());
    }
}
