//! All commits of a series as a table for other programs: RFC 4180, oldest commit first.

use std::borrow::Cow;
use std::fmt::Write as _;

use outpace_text::plain;

use super::Shown;

const HEAD: &str = "commit,committed,measured,gain,at_least,at_most,sd,tokens_per_s,step_time_s,\
                    anchor,same_as,environment,subject\r\n";

/// Longest text of a cell.
const MOST: usize = 200;

pub(super) fn table(shown: &Shown<'_>) -> String {
    let mut out = String::from(HEAD);
    for i in 0..shown.len() {
        row(&mut out, shown, i);
    }
    out
}

fn row(out: &mut String, shown: &Shown<'_>, i: usize) {
    let point = shown.point(i);
    let [low, high] = shown.bounds(i);
    csv_cell(out, &point.commit);
    // Writing to a String does not fail.
    let _ = match point.committed {
        Some(at) => write!(out, ",{at}"),
        None => write!(out, ","),
    };
    let _ = write!(out, ",{}", point.measured);
    for figure in [shown.gain(i), low, high, Some(point.sd)] {
        number(out, figure, 6);
    }
    number(out, point.tokens_per_s, 2);
    number(out, Some(point.step_time_s), 9);
    for cell in [
        &point.anchor,
        point.same_as.as_ref().unwrap_or(&String::new()),
        &point.environment,
        &point.summary,
    ] {
        out.push(',');
        csv_cell(out, cell);
    }
    out.push_str("\r\n");
}

/// A figure with so many decimals; one that is not finite is left out.
fn number(out: &mut String, figure: Option<f64>, decimals: usize) {
    out.push(',');
    if let Some(figure) = figure.filter(|f| f.is_finite()) {
        let _ = write!(out, "{figure:.decimals$}");
    }
}

/// Appends untrusted text as one quoted cell. Spreadsheets take a cell that begins with one of
/// these signs for a formula, quoted or not; an apostrophe before it makes it text.
pub fn csv_cell(out: &mut String, cell: &str) {
    let cell = clean(cell);
    out.push('"');
    if cell.starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠']) {
        out.push('\'');
    }
    for (i, part) in cell.split('"').enumerate() {
        if i > 0 {
            out.push_str("\"\"");
        }
        out.push_str(part);
    }
    out.push('"');
}

/// As [`plain`], which looks each character up; ids and most subjects need none of that.
fn clean(cell: &str) -> Cow<'_, str> {
    let is_plain = |b: u8| (b' '..=b'~').contains(&b);
    let is_one_line = cell.len() <= MOST && cell.bytes().all(is_plain);
    let has_gaps = cell.starts_with(' ') || cell.ends_with(' ') || cell.contains("  ");
    if is_one_line && !has_gaps {
        Cow::Borrowed(cell)
    } else {
        Cow::Owned(plain(cell, MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_ends_early() {
        for (cell, expect) in [
            ("plain, with a comma", "\"plain, with a comma\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("  @SUM(A1)", "\"'@SUM(A1)\""),
            ("\t+1\r\n-2", "\"'+1 -2\""),
            ("-1", "\"'-1\""),
        ] {
            let mut out = String::new();
            csv_cell(&mut out, cell);
            assert_eq!(out, expect, "{cell:?}");
        }
    }
}
