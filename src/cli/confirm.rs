//! Asking whoever sits at a terminal before something that cannot be undone.

use std::fmt::Arguments;
use std::io;
use std::io::{BufRead, IsTerminal};

use super::failure::Failure;
use super::output::say;

/// Whether there is somebody to ask.
pub(super) fn somebody_is_there() -> bool {
    io::stdin().is_terminal()
}

/// Asks a question that ends with "Type yes to continue:".
///
/// # Errors
/// For any other answer.
pub(super) fn confirm(question: Arguments<'_>) -> Result<(), Failure> {
    say(question);
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.trim() == "yes" {
        Ok(())
    } else {
        Err(Failure::Failed("nothing was changed".to_owned()))
    }
}
