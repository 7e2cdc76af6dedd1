//! The page as HTML that mail clients render: tables and inline styles, legible without pictures, in the dark, and on a telephone.
//!
//! Colours stand inline for clients that drop `<style>`, and once more in it for those that know dark mode. Every text is escaped here,
//! in one place.

use crate::page::{Cell, Figure, Notice, Page, Section, Table, Tone};
use std::fmt::Write as _;

const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";

/// Light and dark colour of a tone's text: at least 4.5:1 on white and on #151a21.
fn colour(tone: Tone) -> (&'static str, &'static str) {
    match tone {
        Tone::Plain => ("plain", "#16202e"),
        Tone::Good => ("good", "#1e6b45"),
        Tone::Warn => ("warn", "#8a5300"),
        Tone::Bad => ("bad", "#a3341f"),
    }
}

/// What no client may take for markup.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The page; `chart` is where the picture of the trend comes from, if there is one.
pub fn render(page: &Page, chart: Option<&str>) -> String {
    let mut body = String::new();
    heading(&mut body, page);
    page.notices.iter().for_each(|one| notice(&mut body, one));
    figures(&mut body, &page.figures);
    page.sections.iter().for_each(|one| section(&mut body, one, chart));
    body.push_str("<div style=\"height:18px;line-height:18px;font-size:0\"></div>\n");
    for file in &page.files {
        let text = escape(&file.text);
        let shown = match &file.url {
            Some(url) => format!("{text}: <a class=\"head\" href=\"{0}\" style=\"color:#0b5c73\">{0}</a>", escape(url)),
            None => text,
        };
        let _ = writeln!(
            body,
            "<p class=\"plain\" style=\"{FONT};margin:0 0 6px;font-size:13px;line-height:19px;color:#16202e;overflow-wrap:anywhere\">{shown}</p>"
        );
    }
    for line in &page.footer {
        let _ = writeln!(
            body,
            "<p class=\"quiet\" style=\"{FONT};margin:0 0 6px;font-size:12px;line-height:17px;color:#566273\">{}</p>",
            escape(line)
        );
    }
    HEAD.replace("{title}", &escape(&page.title)) + &body + TAIL
}

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>
:root{color-scheme:light dark;supported-color-schemes:light dark}
@media (prefers-color-scheme:dark){
.page{background:#0d1117!important}.card{background:#151a21!important}
.plain{color:#e6e9ee!important}.quiet{color:#a5b0be!important}.head{color:#8ccbe0!important}
.good{color:#6fcf97!important}.warn{color:#f0b35a!important}.bad{color:#ff8f7a!important}
.rule{border-color:#2c343f!important}.tile{background:#1c232c!important}
.note-warn{background:#33260e!important}.note-bad{background:#3a1a15!important}.note-plain{background:#1c232c!important}
.track{background:#2c343f!important}
}
@media (max-width:480px){
.card{padding:16px 12px!important}.cell{padding:7px 5px 7px 0!important;font-size:13px!important}.value{font-size:21px!important}
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background:#eef1f5">
<table role="presentation" class="page" width="100%" cellpadding="0" cellspacing="0" style="background:#eef1f5"><tr><td align="center" style="padding:12px 6px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:700px"><tr><td class="card" style="background:#ffffff;padding:24px 24px 18px;border-radius:6px;text-align:left">
"#;

const TAIL: &str = "</td></tr></table>\n</td></tr></table>\n</body>\n</html>\n";

fn heading(out: &mut String, page: &Page) {
    let _ = writeln!(
        out,
        "<h1 class=\"plain\" style=\"{FONT};margin:0;font-size:22px;line-height:28px;color:#16202e\">{}</h1>\n\
         <p class=\"quiet\" style=\"{FONT};margin:2px 0 16px;font-size:14px;line-height:20px;color:#566273\">{}</p>",
        escape(&page.title),
        escape(&page.subtitle)
    );
}

fn notice(out: &mut String, notice: &Notice) {
    let (class, back, edge) = match notice.tone {
        Tone::Bad => ("note-bad", "#fdeeea", "#a3341f"),
        Tone::Warn => ("note-warn", "#fdf3e2", "#b87503"),
        Tone::Good | Tone::Plain => ("note-plain", "#f1f4f8", "#8a94a3"),
    };
    let _ = writeln!(
        out,
        "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:0 0 8px\"><tr>\
         <td class=\"{class} plain\" style=\"{FONT};background:{back};border-left:4px solid {edge};padding:9px 12px;font-size:14px;line-height:20px;\
         color:#16202e;overflow-wrap:anywhere\">{}</td></tr></table>",
        escape(&notice.text)
    );
}

/// Two figures in a row, as high as the higher one.
fn figures(out: &mut String, figures: &[Figure]) {
    if figures.is_empty() {
        return;
    }
    out.push_str("<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:10px 0 4px;table-layout:fixed\">\n");
    for pair in figures.chunks(2) {
        out.push_str("<tr>");
        for (at, figure) in pair.iter().enumerate() {
            let (class, ink) = colour(figure.tone);
            if at > 0 {
                out.push_str("<td width=\"8\" style=\"width:8px;font-size:0\"></td>");
            }
            let _ = write!(
                out,
                "<td class=\"tile\" valign=\"top\" style=\"{FONT};background:#f4f6f9;border-radius:5px;padding:11px 13px;overflow-wrap:anywhere\">\
                 <div class=\"quiet\" style=\"font-size:12px;line-height:17px;color:#566273\">{}</div>\n\
                 <div class=\"{class} value\" style=\"font-size:25px;line-height:32px;font-weight:600;color:{ink}\">{}</div>\n\
                 <div class=\"quiet\" style=\"font-size:12px;line-height:17px;color:#566273\">{}</div>\n</td>",
                escape(&figure.label),
                escape(&figure.value),
                escape(&figure.note)
            );
        }
        out.push_str("</tr>\n<tr><td style=\"height:8px;font-size:0;line-height:8px\"></td></tr>\n");
    }
    out.push_str("</table>\n");
}

fn section(out: &mut String, section: &Section, chart: Option<&str>) {
    let _ = writeln!(
        out,
        "<h2 class=\"head\" style=\"{FONT};margin:20px 0 4px;font-size:16px;line-height:22px;color:#0b5c73\">{}</h2>",
        escape(&section.title)
    );
    if let (true, Some(source)) = (section.has_chart, chart) {
        let _ = writeln!(
            out,
            "<img src=\"{}\" width=\"652\" alt=\"{}\" style=\"display:block;width:100%;max-width:652px;height:auto;border:0;margin:0 0 4px\">",
            escape(source),
            escape(&section.lead)
        );
    }
    if !section.lead.is_empty() {
        let _ = writeln!(
            out,
            "<p class=\"quiet\" style=\"{FONT};margin:0 0 6px;font-size:13px;line-height:19px;color:#566273;overflow-wrap:anywhere\">{}</p>",
            escape(&section.lead)
        );
    }
    if let Some(found) = &section.table {
        table(out, found);
    }
}

fn table(out: &mut String, table: &Table) {
    out.push_str("<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"border-collapse:collapse\">\n<tr>");
    for (at, column) in table.columns.iter().enumerate() {
        let side = if at == 0 { "left" } else { "right" };
        // The name has what the figures leave; figures of all tables stand under each other.
        let width = if at == 0 { "" } else { " width=\"17%\"" };
        let _ = write!(
            out,
            "<th class=\"cell quiet rule\" scope=\"col\"{width} align=\"{side}\" style=\"{FONT};padding:6px 8px 6px 0;border-bottom:1px solid #b6c0cb;\
             font-size:12px;line-height:16px;font-weight:600;text-align:{side};color:#566273\">{}</th>",
            escape(column)
        );
    }
    out.push_str("</tr>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        row.iter().enumerate().for_each(|(at, one)| cell(out, one, at == 0));
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
}

fn cell(out: &mut String, cell: &Cell, is_first: bool) {
    let (class, ink) = colour(cell.tone);
    let (side, wrap) = if is_first { ("left", "overflow-wrap:anywhere") } else { ("right", "white-space:nowrap") };
    let _ = write!(
        out,
        "<td class=\"cell rule {class}\" align=\"{side}\" valign=\"top\" style=\"{FONT};padding:7px 8px 7px 0;border-bottom:1px solid #dde3ea;\
         font-size:14px;line-height:19px;text-align:{side};color:{ink};{wrap};font-variant-numeric:tabular-nums\">{}",
        escape(&cell.text)
    );
    if !cell.note.is_empty() {
        let _ = write!(
            out,
            "\n<div class=\"quiet\" style=\"font-size:12px;line-height:16px;color:#566273;white-space:normal\">{}</div>",
            escape(&cell.note)
        );
    }
    if let Some(percent) = cell.bar {
        let ink = match cell.tone {
            Tone::Bad => "#c8472f",
            Tone::Warn => "#d18a1a",
            Tone::Good => "#2f8f5f",
            Tone::Plain => "#3a8fa8",
        };
        let _ = write!(
            out,
            "<div class=\"track\" aria-hidden=\"true\" style=\"margin-top:4px;height:5px;background:#e3e8ee;border-radius:2px;line-height:5px;font-size:0\">\
             <div style=\"width:{percent}%;height:5px;background:{ink};border-radius:2px\"></div></div>"
        );
    }
    out.push_str("</td>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_be_markup_is_left() {
        assert_eq!(escape("<b a=\"1\" c='2'>&amp;"), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;");
    }

    proptest::proptest! {
        #[test]
        fn no_text_adds_an_element_or_an_attribute(text in "[<>&\"'a-z/= {}\u{202e}\0\r\n-]{0,30}") {
            let cell = || Cell::new(text.clone()).note(text.clone());
            let table = Table { columns: vec![text.clone()], rows: vec![vec![cell(), cell()]] };
            let page = |text: &str, table: Table| Page {
                title: text.to_owned(),
                subtitle: text.to_owned(),
                notices: vec![Notice { tone: Tone::Bad, text: text.to_owned() }],
                figures: vec![Figure { label: text.to_owned(), value: text.to_owned(), note: text.to_owned(), tone: Tone::Plain }],
                sections: vec![Section { title: text.to_owned(), lead: text.to_owned(), has_chart: true, table: Some(table) }],
                files: vec![crate::page::File { text: text.to_owned(), url: Some(text.to_owned()) }],
                footer: vec![text.to_owned()],
            };
            let calm = Table { columns: vec!["x".to_owned()], rows: vec![vec![Cell::new("x").note("x"), Cell::new("x").note("x")]] };
            let count = |html: &str, what: char| html.matches(what).count();
            let (with, without) = (render(&page(&text, table), Some("cid:x")), render(&page("x", calm), Some("cid:x")));
            // An empty note or lead leaves its element out.
            if !text.is_empty() {
                for mark in ['<', '>', '"'] {
                    proptest::prop_assert_eq!(count(&with, mark), count(&without, mark));
                }
            }
        }
    }
}
