//! The `bitting` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    bitting::cli::main()
}
