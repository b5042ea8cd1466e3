//! The two streams and their colours.

use std::io::Write;

/// Prints a line to stdout.
#[macro_export]
macro_rules! out {
    ($($arg:tt)*) => { $crate::ui::print::write_out(format_args!($($arg)*)) };
}

/// Prints a line to stderr.
#[macro_export]
macro_rules! err {
    ($($arg:tt)*) => { $crate::ui::print::write_err(format_args!($($arg)*)) };
}

/// SGR parameters.
pub(crate) const RED: &str = "1;31";
pub(crate) const GREEN: &str = "1;32";
pub(crate) const YELLOW: &str = "33";
pub(crate) const DIM: &str = "2";

/// Talk that can no longer be read is no reason to end what is measured.
pub(crate) fn write_err(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A reader that has gone (`| head`) is not an error and does not end a campaign; a full disk does.
pub(crate) fn write_out(text: std::fmt::Arguments<'_>) {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            crate::err!("error: cannot write to stdout: {error}");
            std::process::exit(i32::from(crate::exit::ENVIRONMENT));
        }
        _ => {}
    }
}

/// Paints a text if colours are wanted.
pub(crate) fn paint(color: bool, style: &str, text: &str) -> String {
    if color {
        format!("\x1b[{style}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
