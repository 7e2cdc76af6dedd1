//! Statements for people and machines: one PDF and one CSV for each unit, and the controller's summary.
//!
//! `Close::new` proves the totals, `Close::statement` gives the data of a page, `render_unit` prints it. Publishing is
//! [`publish`]'s work.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "aws")]
pub mod both;
mod change;
mod close;
mod csv;
mod executive;
mod figures;
mod fonts;
mod preview;
pub mod publish;
mod render;
pub mod signer;
mod statement;
mod step;
mod summary;
mod template;
mod text;
mod world;

pub use close::{Close, StatementError};
pub use csv::{COLUMNS, statement_csv};
pub use executive::{ExecutiveData, executive_data, render_executive};
pub use figures::{Figures, Previous, Year};
pub use preview::{Page, preview};
pub use render::{RenderError, Rendered, Renderer, render_unit, render_units};
pub use statement::*;
pub use step::{Action, AnyRun, Context, Error, Event, Output, handle};
pub use summary::{
    SUMMARY_COLUMNS, Summary as RenderedSummary, SummaryData, data as summary_data, render as render_summary, summary_csv,
};
pub use template::{Template, TemplateError};

use sha2::{Digest, Sha256};

/// Folder of a unit's statement below the folder of a close.
pub fn statement_folder(unit_id: &str) -> String {
    let digest = |text: &str| Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("statements/{}", apportion_core::names::path_segment(unit_id, digest))
}
