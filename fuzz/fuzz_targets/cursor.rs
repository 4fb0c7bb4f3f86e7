//! Cursors of lists: each position has one text, and nothing else is one.
#![no_main]

use bitting::model::page::{Cursor, Limit, PageRequest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(cursor) = Cursor::decode(text) {
        assert_eq!(cursor.encode(), text);
    }
    if !text.is_empty() {
        let cursor = Cursor(text.to_owned());
        assert_eq!(Cursor::decode(&cursor.encode()).as_ref(), Ok(&cursor));
        let request = PageRequest { limit: Limit::PAGE, cursor: Some(cursor) };
        assert_eq!(request.after::<i64>().ok().flatten(), text.parse().ok());
    }
    let number = text.parse::<usize>().ok().filter(|number| (1..=100).contains(number));
    let number = number.filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    assert_eq!(Limit::parse(text).ok().map(Limit::get), number);
});
