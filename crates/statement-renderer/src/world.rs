//! Typst's view of the world: the template, the fonts, one statement. No file system, no network, no clock, no packages.

use crate::fonts::FontSet;
use crate::statement::PeriodDates;
use crate::template::Template;
use std::collections::HashMap;
use std::sync::Arc;
use typst::diag::{FileError, FileResult, PackageError, Severity, SourceDiagnostic};
use typst::foundations::{Array, Bytes, Datetime, Dict, Duration, IntoValue, Str};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World, WorldExt};

/// Where a template finds its data. A template's own file of that name is never seen.
pub(crate) const DATA: &str = "data.json";
/// Where a template finds the CSV to attach.
pub(crate) const ATTACHMENT: &str = "data.csv";

/// A template with its sources parsed and its fonts read, shared by every statement of a close.
pub(crate) struct Prepared {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    pub fonts: FontSet,
    sources: HashMap<FileId, Source>,
    files: HashMap<FileId, Bytes>,
    data: FileId,
    attachment: FileId,
}

impl Prepared {
    pub fn new(template: &Template) -> Prepared {
        let mut sources = HashMap::new();
        let mut files = HashMap::new();
        let mut own_fonts = Vec::new();
        for (path, bytes) in &template.files {
            let Some(id) = file_id(path) else { continue };
            let content = Bytes::new(bytes.clone());
            if let (true, Ok(text)) = (path.ends_with(".typ"), std::str::from_utf8(bytes)) {
                sources.insert(id, Source::new(id, text.to_owned()));
            }
            if [".ttf", ".otf", ".ttc", ".otc"].iter().any(|end| path.ends_with(end)) {
                own_fonts.push(content.clone());
            }
            files.insert(id, content);
        }
        let fonts = FontSet::new(own_fonts);
        let families: Array = fonts.families().into_iter().map(|family| Str::from(family).into_value()).collect();
        let mut inputs = Dict::new();
        inputs.insert("fonts".into(), families.into_value());
        Prepared {
            library: LazyHash::new(Library::builder().with_inputs(inputs).build()),
            book: LazyHash::new(FontBook::from_fonts(&fonts.fonts)),
            fonts,
            sources,
            files,
            data: well_known(DATA),
            attachment: well_known(ATTACHMENT),
        }
    }
}

fn file_id(path: &str) -> Option<FileId> {
    let path = VirtualPath::new(path).ok()?;
    Some(RootedPath::new(VirtualRoot::Project, path).intern())
}

/// Ids are interned for the life of the process, so only fixed names and template files may get one.
fn well_known(name: &'static str) -> FileId {
    let path = VirtualPath::new(name).or_else(|_| VirtualPath::new("x"));
    match path {
        Ok(path) => RootedPath::new(VirtualRoot::Project, path).intern(),
        Err(_) => unreachable!("a plain name is a path"),
    }
}

/// One statement's world.
pub(crate) struct Page {
    pub prepared: Arc<Prepared>,
    main: FileId,
    data: Bytes,
    attachment: Bytes,
    date: Option<Datetime>,
}

impl Page {
    /// `main` is a file of the template; dates are the period's end.
    pub fn new(prepared: &Arc<Prepared>, main: &'static str, data: Vec<u8>, attachment: Vec<u8>, period: &PeriodDates) -> Page {
        Page {
            prepared: Arc::clone(prepared),
            main: well_known(main),
            data: Bytes::new(data),
            attachment: Bytes::new(attachment),
            date: Datetime::from_ymd(period.last.year.into(), period.last.month, period.last.day),
        }
    }

    pub fn date(&self) -> Option<Datetime> {
        self.date
    }
}

impl World for Page {
    fn library(&self) -> &LazyHash<Library> {
        &self.prepared.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.prepared.book
    }

    fn main(&self) -> FileId {
        self.main
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        self.prepared.sources.get(&id).cloned().ok_or_else(|| absent(id))
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == self.prepared.data {
            Ok(self.data.clone())
        } else if id == self.prepared.attachment {
            Ok(self.attachment.clone())
        } else {
            self.prepared.files.get(&id).cloned().ok_or_else(|| absent(id))
        }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.prepared.fonts.fonts.get(index).cloned()
    }

    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        self.date
    }
}

fn absent(id: FileId) -> FileError {
    match id.root() {
        VirtualRoot::Package(_) => FileError::Package(PackageError::Other(Some(
            "a statement's template cannot load packages: copy the file into the template".into(),
        ))),
        VirtualRoot::Project => FileError::NotFound(id.vpath().get_without_slash().into()),
    }
}

/// Typst's errors as `file:line:column: what is wrong`, with its hints, one a line.
pub(crate) fn explain(page: &Page, diagnostics: &[SourceDiagnostic]) -> String {
    let mut lines = Vec::new();
    for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error) {
        // An error inside `lib.typ` also names the line of the page that called it.
        let place = place_of(page, diagnostic.span).unwrap_or_else(|| "template".to_owned());
        lines.push(format!("{place}: {}", diagnostic.message));
        for hint in &diagnostic.hints {
            lines.push(format!("  hint: {}", hint.v));
        }
        for point in diagnostic.trace.iter().take(3) {
            if let Some(place) = place_of(page, point.span.into()) {
                lines.push(format!("  called from {place}"));
            }
        }
    }
    lines.join("\n")
}

fn place_of(page: &Page, span: typst::syntax::DiagSpan) -> Option<String> {
    let id = span.id()?;
    let name = id.vpath().get_without_slash().to_owned();
    let range = page.range(span)?;
    let lines = match page.source(id) {
        Ok(source) => source.lines().clone(),
        Err(_) => page.file(id).ok()?.lines().ok()?,
    };
    let (line, column) = lines.byte_to_line_column(range.start)?;
    Some(format!("{name}:{}:{}", line + 1, column + 1))
}
