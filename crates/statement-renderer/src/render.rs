//! A statement as PDF/A-3a (tagged, PDF/UA-1) with its CSV attached. Pure: same statement and template, same bytes.

use crate::close::{Close, StatementError};
use crate::csv::statement_csv;
use crate::statement::{PeriodDates, Statement};
use crate::template::Template;
use crate::text::{Strictness, make_printable};
use crate::world::{Page, Prepared, explain};
use apportion_core::model::Unit;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use typst::diag::{SourceDiagnostic, Warned};
use typst::foundations::Smart;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

/// Why a page could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("the template cannot print {document}; nothing was published. Correct the template and run again:\n{diagnostics}")]
    Template { document: String, diagnostics: String },
    #[error("the data of {document} cannot be written as JSON: {reason}")]
    Data { document: String, reason: String },
    #[error("{0}")]
    Statement(#[from] StatementError),
    #[error("the PDF standards do not go together: {0}")]
    Standards(String),
}

/// What a unit gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub pdf: Vec<u8>,
    pub csv: Vec<u8>,
}

/// A template made ready once and used for every statement, from any number of threads.
#[derive(Clone)]
pub struct Renderer {
    prepared: Arc<Prepared>,
    standards: PdfStandards,
}

/// Prints one statement and attaches `csv` to it.
pub fn render_unit(renderer: &Renderer, statement: &Statement, csv: Vec<u8>) -> Result<Rendered, RenderError> {
    let document = format!("the statement of unit `{}`", statement.unit.id);
    let ident = format!("apportion/{}/{}/{}", statement.period.id, statement.close, statement.unit.id);
    let pdf = renderer.print("statement.typ", &document, ident, statement, csv.clone(), &statement.period)?;
    Ok(Rendered { pdf, csv })
}

/// Prints units on every core, in the order given. What a page says does not depend on the thread that printed it.
pub fn render_units(close: &Close<'_>, renderer: &Renderer, units: &[&Unit]) -> Result<Vec<Rendered>, RenderError> {
    let one = |unit: &Unit| -> Result<Rendered, RenderError> {
        let csv = statement_csv(close, unit)?;
        render_unit(renderer, &close.statement_of(unit)?, csv)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(units.len()).max(1);
    let next = AtomicUsize::new(0);
    let results: Mutex<BTreeMap<usize, Result<Rendered, RenderError>>> = Mutex::default();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(unit) = units.get(index) else { break };
            let result = one(unit);
            results.lock().unwrap_or_else(PoisonError::into_inner).insert(index, result);
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

impl Renderer {
    /// Parses the template and reads the fonts. Errors in the template's code appear when something is printed.
    pub fn new(template: &Template) -> Result<Renderer, RenderError> {
        let standards = PdfStandards::new(&[PdfStandard::A_3a, PdfStandard::Ua_1])
            .map_err(|error| RenderError::Standards(error.message().to_string()))?;
        Ok(Renderer { prepared: Arc::new(Prepared::new(template)), standards })
    }

    /// Prints `data` with the template's file `main`. Should a font fail on a character that it claims to cover, the page is
    /// printed again with every character beyond ASCII as its code point: a name never stops a close.
    pub(crate) fn print(
        &self,
        main: &'static str,
        document: &str,
        ident: String,
        data: &impl Serialize,
        csv: Vec<u8>,
        period: &PeriodDates,
    ) -> Result<Vec<u8>, RenderError> {
        let plain = serde_json::to_value(data)
            .map_err(|error| RenderError::Data { document: document.to_owned(), reason: error.to_string() })?;
        let mut first_error = None;
        for strictness in [Strictness::Covered, Strictness::Ascii] {
            let mut value = plain.clone();
            make_printable(&mut value, &self.prepared.fonts, strictness);
            let page = Page::new(&self.prepared, main, value.to_string().into_bytes(), csv.clone(), period);
            match self.compile(&page, ident.clone()) {
                Ok(pdf) => return Ok(pdf),
                Err(diagnostics) => {
                    let diagnostics = explain(&page, &diagnostics);
                    first_error.get_or_insert(RenderError::Template { document: document.to_owned(), diagnostics });
                }
            }
        }
        Err(first_error.unwrap_or_else(|| RenderError::Standards("nothing was tried".to_owned())))
    }

    fn compile(&self, page: &Page, ident: String) -> Result<Vec<u8>, Vec<SourceDiagnostic>> {
        let Warned { output, .. } = typst::compile(page);
        let document = output.map_err(|errors| errors.to_vec())?;
        let options = PdfOptions {
            ident: Smart::Custom(ident),
            creator: Smart::Custom(Some(format!("Apportion {}", env!("CARGO_PKG_VERSION")))),
            timestamp: page.date().map(Timestamp::new_utc),
            page_ranges: None,
            standards: self.standards.clone(),
            tagged: true,
            pretty: false,
        };
        let pdf = typst_pdf::pdf(&document, &options).map_err(|errors| errors.to_vec());
        // What was laid out for one statement is of no use to the next but for a few shared pieces: keep memory flat.
        typst::comemo::evict(1);
        pdf
    }
}
