//! A key is pasted into the search, found, and handed to somebody, with and without scripts; and no
//! address in the browser's history holds it.

use crate::story::{Stage, add_user};
use crate::support::binary::run_ok;
use crate::webdriver::ENTER;

const BOB: &str = "bob@example.com";

fn a_key_is_found_and_handed_over(scripts: bool) {
    let stage = Stage::set_up(scripts);
    let (window, folder) = (&stage.window, stage.folder.path());
    add_user(folder, &["user", "add", BOB]);
    let key = run_ok(folder, &["key", "create", "--name", "lost", "--scope", "calls:read"]);
    let other = run_ok(folder, &["key", "create", "--name", "other", "--scope", "calls:read"]);
    window.look(360, false);

    stage.go("/keys");
    window.find("#q").enter(&format!("  {key} ")).enter(ENTER);
    window.find("#history");
    assert_eq!(window.find("h1").text(), "lost");
    let page = window.url();
    let (mistyped, _) = other.split_at(other.len() - 1);
    stage.go("/keys");
    window.find("#q").enter(mistyped).enter(ENTER);
    assert!(window.find("#not-found").text().contains("shorter than a key"), "{}", window.text());
    assert!(!window.source().contains(mistyped));
    // Other text is searched for as ever, at an address that can be passed on.
    stage.go("/keys");
    window.find("#q").enter("oth").enter(ENTER);
    window.find("a.button[href='/keys']");
    assert!(window.url().ends_with("/keys?q=oth&sort=newest"), "{}", window.url());
    for _ in 0..6 {
        for secret in [key.as_str(), mistyped] {
            assert!(!window.url().contains(&secret[4..20]), "{}", window.url());
            assert!(!window.source().contains(&secret[4..20]));
        }
        window.back();
    }

    window.go(&page);
    assert!(window.find("#holder").text().starts_with("nobody"));
    window.find("#holder a").click();
    window.find("#holder").enter("nobody@example.com");
    window.find("main button.primary").click();
    let said = window.find("#holder-error").text();
    assert!(said.contains("nobody@example.com is not one"), "{said}");
    window.go(&page);
    window.find("#holder a").click();
    window.find("#holder").enter(BOB).enter(ENTER);
    window.find("#history");
    assert!(window.find("#holder").text().starts_with(BOB));
    assert!(
        window.text().contains("holder from nothing to “bob@example.com”"),
        "{}",
        window.text()
    );
    if scripts {
        let wide = window.run("return document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= 360, "{wide}");
    }
}

#[test]
fn a_key_is_found_and_handed_over_with_scripts() {
    a_key_is_found_and_handed_over(true);
}

#[test]
fn a_key_is_found_and_handed_over_without_scripts() {
    a_key_is_found_and_handed_over(false);
}
