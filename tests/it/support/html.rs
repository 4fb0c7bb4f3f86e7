//! What is read of a page.

use std::cell::RefCell;

use scraper::{ElementRef, Html, Selector};

use super::Answer;

thread_local! {
    /// The page that was read last: most are asked for several things.
    static LAST: RefCell<(String, Html)> = RefCell::new((String::new(), Html::parse_document("")));
}

fn each<T>(answer: &Answer, selector: &str, read: impl Fn(ElementRef<'_>) -> Option<T>) -> Vec<T> {
    let selector = Selector::parse(selector).unwrap();
    LAST.with_borrow_mut(|(body, page)| {
        if *body != answer.body {
            (*body, *page) = (answer.body.clone(), Html::parse_document(&answer.body));
        }
        page.select(&selector).filter_map(read).collect()
    })
}

/// The texts of all elements that match, each in one line: a space stands between their parts.
pub fn texts(answer: &Answer, selector: &str) -> Vec<String> {
    each(answer, selector, |element| {
        let text = element.text().collect::<Vec<_>>();
        Some(text.join(" ").split_whitespace().collect::<Vec<_>>().join(" "))
    })
}

/// The text of the first element that matches; empty where there is none.
pub fn text(answer: &Answer, selector: &str) -> String {
    texts(answer, selector).into_iter().next().unwrap_or_default()
}

/// An attribute of all elements that match and have it.
pub fn attributes(answer: &Answer, selector: &str, name: &str) -> Vec<String> {
    each(answer, selector, |element| element.attr(name).map(str::to_owned))
}
