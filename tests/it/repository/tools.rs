//! Tests that need a program which is missing: announced, or failed where every test must run.

use std::process::Command;

use crate::support::tool;

const MISSING: &str = "a-program-that-nobody-has";

#[test]
#[ignore = "run by the test below, in a process with the variable set"]
fn a_test_that_needs_a_missing_program() {
    let Some(_) = tool(MISSING) else { return };
}

#[test]
fn a_missing_program_is_announced_or_fails_the_test() {
    for (required, passes) in [(None, true), (Some("0"), true), (Some("1"), false)] {
        let mut tests = Command::new(std::env::current_exe().unwrap());
        tests.args(["--ignored", "a_test_that_needs_a_missing_program"]);
        tests.env_remove("BITTING_REQUIRE_TOOLS");
        if let Some(value) = required {
            tests.env("BITTING_REQUIRE_TOOLS", value);
        }
        let output = tests.output().unwrap();
        let (out, errors) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(out.contains("running 1 test\n"), "{out}");
        assert_eq!(output.status.success(), passes, "{required:?}: {out}{errors}");
        let said = format!("{MISSING} is not installed");
        if passes {
            assert!(errors.contains(&format!("skipped: {said}\n")), "{errors}");
        } else {
            assert!(out.contains(&format!("{said}, and BITTING_REQUIRE_TOOLS=1")), "{out}");
        }
    }
}
