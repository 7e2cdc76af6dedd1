//! The page as plain text: every word and figure that the HTML shows, in the same order.

use crate::page::{Page, Section, Table, Tone};

/// Columns of a line.
const WIDTH: usize = 78;

pub fn render(page: &Page) -> String {
    let mut lines = vec![page.title.clone(), page.subtitle.clone(), String::new()];
    for notice in &page.notices {
        let mark = if notice.tone == Tone::Bad { "!! " } else { "*  " };
        wrap(&mut lines, mark, "   ", &notice.text);
    }
    if !page.notices.is_empty() {
        lines.push(String::new());
    }
    for figure in &page.figures {
        lines.push(format!("{:<36}  {}", figure.label, figure.value));
        wrap(&mut lines, "  ", "  ", &figure.note);
    }
    page.sections.iter().for_each(|one| section(&mut lines, one));
    lines.push(String::new());
    for file in &page.files {
        let url = file.url.as_ref().map(|url| format!(": {url}")).unwrap_or_default();
        wrap(&mut lines, "", "", &format!("{}{url}", file.text));
    }
    page.footer.iter().for_each(|line| wrap(&mut lines, "", "", line));
    let mut text = lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

fn section(lines: &mut Vec<String>, section: &Section) {
    lines.extend([String::new(), section.title.clone(), "-".repeat(section.title.chars().count())]);
    wrap(lines, "", "", &section.lead);
    if let Some(found) = &section.table {
        table(lines, found);
    }
}

/// Figures in columns, names before them; a name too long for its column has a line of its own.
fn table(lines: &mut Vec<String>, table: &Table) {
    let count = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = table.columns.iter().map(|column| count(column)).collect();
    for row in &table.rows {
        for (width, cell) in widths.iter_mut().zip(row).skip(1) {
            *width = (*width).max(count(&cell.text)).max(count(&cell.note));
        }
    }
    let figures: usize = widths.iter().skip(1).map(|width| width + 2).sum();
    let first = WIDTH.saturating_sub(figures).max(12);
    let line = |texts: Vec<&str>| -> Vec<String> {
        let (Some(name), rest) = (texts.first(), texts.get(1..).unwrap_or_default()) else { return Vec::new() };
        let rest: String = rest.iter().zip(widths.iter().skip(1)).map(|(text, width)| format!("  {text:>width$}")).collect();
        if count(name) > first {
            let alone = (*name).to_owned();
            return if rest.trim().is_empty() { vec![alone] } else { vec![alone, format!("{:first$}{rest}", "")] };
        }
        vec![format!("{name:<first$}{rest}")]
    };
    lines.extend(line(table.columns.iter().map(String::as_str).collect()));
    for row in &table.rows {
        lines.extend(line(row.iter().map(|cell| cell.text.as_str()).collect()));
        if row.iter().any(|cell| !cell.note.is_empty()) {
            let notes: Vec<String> = row
                .iter()
                .enumerate()
                .map(|(at, cell)| if at == 0 && !cell.note.is_empty() { format!("  {}", cell.note) } else { cell.note.clone() })
                .collect();
            lines.extend(line(notes.iter().map(String::as_str).collect()));
        }
    }
}

fn wrap(lines: &mut Vec<String>, first: &str, next: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let mut line = first.to_owned();
    let mut is_start = true;
    for word in text.split(' ') {
        if !is_start && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, next.to_owned()));
            is_start = true;
        }
        if !is_start {
            line.push(' ');
        }
        line.push_str(word);
        is_start = false;
    }
    lines.push(line);
}
