//! A key is narrowed and rotated, with and without scripts, and by keyboard.

use std::collections::BTreeSet;

use crate::story::{Stage, tab_to};
use crate::webdriver::{ENTER, SPACE};

/// The right arrow key.
const RIGHT: &str = "\u{e014}";

/// What the page says will happen, of all that might.
fn plan(stage: &Stage) -> Vec<String> {
    let steps = stage.window.find_all(".timeline li");
    steps.iter().map(|step| step.text()).collect()
}

fn a_key_is_narrowed_and_rotated(scripts: bool) {
    let stage = Stage::set_up(scripts);
    let (window, client) = (&stage.window, &stage.server.client);
    let old = stage.make_key("n8n", &["calls:read", "leads:read"]);
    client.with_key(&old, "GET", "/v1/leads", None).ok();
    window.find("a.button[href^='/keys/key_']").click();
    window.find("#history");
    let page = window.url();

    window.find(".actions a[href$='/narrow']").click();
    window.find("input[value='leads:read']").click();
    window.find("input[name=expires][value='30d']").click();
    window.find("main form button.primary").click();
    window.find("#history");
    assert_eq!(window.url(), page);
    client.with_key(&old, "GET", "/v1/leads", None).expect(403, "insufficient_scope");
    assert!(window.text().contains("scopes from calls:read, leads:read to calls:read"));

    window.find(".actions a[href$='/rotate']").click();
    window.find("#plan");
    let (mut seen, usual) = (BTreeSet::new(), plan(&stage));
    assert_eq!(usual.len(), 3, "{usual:?}");
    assert!(usual[1].contains("The old key stops working."), "{usual:?}");
    for overlap in ["0", "1h", "90d", "1d"] {
        window.find(&format!("input[name=overlap][value='{overlap}']")).click();
        let plan = plan(&stage);
        assert_eq!((&plan[0], &plan[2]), (&usual[0], &usual[2]));
        assert!(plan[1].matches("old key").count() == 1, "one of them is shown: {plan:?}");
        seen.insert(plan[1].clone());
    }
    assert_eq!(seen.len(), 4, "each overlap has another end: {seen:?}");
    window.find("input[name=expires][value='7d']").click();
    assert_ne!(plan(&stage)[2], usual[2]);
    window.find("main form button.primary").click();
    let new = window.find("#new-key").text();
    assert!(window.find("#replaced").text().contains("works until"));
    for key in [&old, &new] {
        client.with_key(key, "GET", "/v1/calls", None).ok();
        client.with_key(key, "GET", "/v1/leads", None).expect(403, "insufficient_scope");
    }
    window.go(&page);
    assert!(window.find("#replaced-by").text().contains("It was used in the last 24 hours"));
    window.find("#replaced-by a").click();
    assert!(window.find("#replaces").text().contains("works until"));
    assert!(!window.source().contains(&new));
    assert_eq!(window.find_all(".timeline li").len(), 2);
}

#[test]
fn a_key_is_narrowed_and_rotated_with_scripts() {
    a_key_is_narrowed_and_rotated(true);
}

#[test]
fn a_key_is_narrowed_and_rotated_without_scripts() {
    a_key_is_narrowed_and_rotated(false);
}

#[test]
fn a_key_is_narrowed_and_rotated_with_the_keyboard_alone() {
    let stage = Stage::set_up(true);
    let (window, client) = (&stage.window, &stage.server.client);
    let old = stage.make_key("typed", &["calls:read", "leads:read"]);
    window.find("a.button[href^='/keys/key_']").click();
    window.find("#history");
    tab_to(window, ".actions a[href$='/narrow']");
    window.press(ENTER);
    window.find("#scope");
    tab_to(window, "input[value='leads:read']");
    window.press(SPACE);
    tab_to(window, "main form button.primary");
    window.press(ENTER);
    window.find("#history");
    client.with_key(&old, "GET", "/v1/leads", None).expect(403, "insufficient_scope");
    tab_to(window, ".actions a[href$='/rotate']");
    window.press(ENTER);
    window.find("#plan");
    tab_to(window, "input[name=overlap][value='7d']");
    let before = plan(&stage);
    window.press(RIGHT);
    assert_ne!(plan(&stage)[1], before[1], "the arrow chooses the next one");
    tab_to(window, "main form button.primary");
    window.press(ENTER);
    let new = window.find("#new-key").text();
    client.with_key(&new, "GET", "/v1/calls", None).ok();
}

#[test]
fn a_second_click_does_not_take_the_first_answer_away() {
    let stage = Stage::set_up(true);
    stage.go("/keys/new");
    let window = &stage.window;
    window.find("#name").enter("clicked twice");
    window.find("input[value='calls:read']").click();
    let prevented = window.run(
        "const prevented = [], button = document.querySelector('#new-key-form button.primary');
         const note = (event) => { prevented.push(event.defaultPrevented); event.preventDefault(); };
         window.addEventListener('submit', note);
         button.click(); button.click();
         window.dispatchEvent(new Event('pageshow'));
         button.click();
         window.removeEventListener('submit', note);
         window.dispatchEvent(new Event('pageshow'));
         return prevented",
    );
    assert_eq!(prevented, serde_json::json!([false, true, false]));
    window.find("#new-key-form button.primary").click();
    window.find("#new-key");
}

#[test]
fn the_header_and_the_list_fit_every_width() {
    let stage = Stage::set_up(true);
    stage.make_key("Front-desk dashboard", &["calls:read", "leads:read", "knowledge_base:read"]);
    stage.go("/keys");
    for width in (320..=1280).step_by(24) {
        stage.window.look(width, false);
        let wide = stage.window.run("return document.documentElement.scrollWidth");
        assert!(wide.as_u64() <= Some(width.into()), "{wide} in {width}");
        let hidden = "const table = document.querySelector('.table');
                      return table.scrollWidth - table.clientWidth";
        assert_eq!(stage.window.run(hidden), 0, "of the list in {width}");
    }
}
