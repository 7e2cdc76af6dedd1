//! `apportion render` and `apportion template`: a page of a published close printed again, and the template to begin from.

use crate::failure::Failure;
use crate::rederive::template as frozen_template;
use crate::verify::{Place, place_of};
use apportion_store::Store;
use statement_renderer::{Error, Page, Renderer, StatementError, Template, preview};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What to print, with which template, to which file.
#[derive(Debug, Clone)]
pub struct Options {
    pub close: PathBuf,
    pub page: Page,
    /// The template of the close if absent.
    pub template: Option<PathBuf>,
    pub out: PathBuf,
}

/// Prints one page of a close and says what was written. A template that fails writes nothing.
pub async fn render(options: &Options) -> Result<String, Failure> {
    let started = Instant::now();
    let (place, manifest) = place_of(&options.close).await?;
    outside(&place, &options.out)?;
    let out = Store::directory(&place.out);
    let mut notes = String::new();
    let template = match &options.template {
        Some(folder) => Template::from_folder(folder).map_err(Failure::bad_input)?,
        None => {
            let template = frozen_template(&out, &manifest.facts).await?;
            if template.digest() != manifest.facts.template_digest {
                notes.push_str("note: the close was printed by another version of this program's own template\n");
            }
            template
        }
    };
    let renderer = Renderer::new(&template).map_err(Failure::bad_input)?;
    let below = place.close.strip_prefix(&place.out).map_err(Failure::other)?;
    let prefix = format!("{}/", below.to_string_lossy());
    let rendered = preview(&out, &prefix, &options.page, &renderer).await.map_err(failure)?;
    let unwritable = |error: std::io::Error| Failure::bad_input(format!("--out {}: {error}", options.out.display()));
    std::fs::write(&options.out, &rendered.pdf).map_err(unwritable)?;
    let what = match &options.page {
        Page::Unit(id) => format!("unit {}", crate::report::printable(id)),
        Page::Summary => "the summary".to_owned(),
    };
    let (path, size, seconds) = (options.out.display(), rendered.pdf.len() / 1024, started.elapsed().as_secs_f32());
    Ok(format!("{notes}wrote {path}: {what}, {size} KiB, {seconds:.2} s\n"))
}

/// A preview may be written over the last one, but never over anything of the closes and their inputs.
fn outside(place: &Place, path: &Path) -> Result<(), Failure> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent.canonicalize().map_err(|error| Failure::bad_input(format!("--out {}: {error}", path.display())))?;
    if parent.starts_with(&place.out) && parent != place.out {
        return Err(Failure::bad_input(format!("--out {}: name a place outside {}", path.display(), place.out.display())));
    }
    Ok(())
}

fn failure(error: Error) -> Failure {
    match error {
        Error::BadTemplate(_) | Error::BadRendering(_) | Error::Statement(StatementError::NoUnit { .. }) => {
            Failure::bad_input(error)
        }
        Error::Store(_) | Error::Staging(_) => Failure::bad_input(format!("the close cannot be read: {error}")),
        other => Failure::other(other),
    }
}

/// Writes the package's own template into a folder that does not exist yet, or is empty.
pub fn write_template(folder: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::bad_input(format!("--out {}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    if std::fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(Failure::bad_input(format!(
            "--out {}: it is not empty, and a template is never overwritten",
            folder.display()
        )));
    }
    let mut text = String::new();
    for (name, bytes) in Template::builtin().files() {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(failed)?;
        text.push_str(&format!("wrote {}\n", path.display()));
    }
    Ok(format!(
        "{text}next: change settings.typ, then apportion render --close CLOSE_DIR --unit ID --template {}\n",
        folder.display()
    ))
}
