//! The rules that fields follow: values that are just inside, and values that are outside.

use serde_json::{Value, json};

/// What a field takes.
pub enum Rule {
    /// One line of at most so many characters.
    Line(usize),
    /// Several lines of at most so many characters.
    Text(usize),
    /// Several lines, not blank, of at most 200 KiB.
    Content,
    Phone,
    Email,
    Url,
    Time,
    Choice(&'static [&'static str]),
    Integer(i64, i64),
    Boolean,
    Tags,
    /// An object of at most so many bytes.
    Object(usize),
    Transcript,
    /// The id of an existing record of another resource.
    Reference(&'static str),
}

impl Rule {
    /// Values that are kept as they are, the plainest first. None of a reference: it depends.
    pub fn good(&self) -> Vec<Value> {
        let tags: Vec<String> = (0..50).map(|n| format!("tag {n}")).collect();
        let turns = vec![json!({"role": "caller", "text": "a"}); 2000];
        match self {
            Self::Line(longest) => vec![json!("Ada"), json!("ü".repeat(*longest))],
            Self::Text(longest) => {
                vec![json!("two\nlines, tabs\t and 👩‍👩‍👧‍👦"), json!("ü".repeat(*longest)), json!("")]
            }
            Self::Content => vec![json!("Open\nfrom 9"), json!("ü".repeat(102_400))],
            Self::Phone => vec![json!("+14155550100"), json!("+12"), json!("+123456789012345")],
            Self::Email => vec![
                json!("ada@example.com"),
                json!("Ada.L+x@sub.example-1.com"),
                json!("jörg@münchen.de"),
                json!(format!("{}@{}.com", "a".repeat(64), "b".repeat(185))),
            ],
            Self::Url => vec![
                json!("https://example.com/a?b=c#d"),
                json!(format!("http://a/{}", "b".repeat(2039))),
            ],
            Self::Time => vec![
                json!("2026-11-21T11:59:59.123Z"),
                json!("0001-01-01T00:00:00.000Z"),
                json!("9999-12-31T23:59:59.999Z"),
            ],
            Self::Choice(words) => words.iter().map(|word| json!(word)).collect(),
            Self::Integer(least, greatest) => vec![json!(least), json!(greatest)],
            Self::Boolean => vec![json!(false), json!(true)],
            Self::Tags => vec![json!(["vip"]), json!(tags), json!(["ü".repeat(50)])],
            Self::Object(largest) => vec![
                json!({"url": "https://example.com", "retries": 3, "nested": {"a": [1, {"b": 2.5}]}}),
                json!({"a": "a".repeat(largest - 8)}),
                json!({"\u{0}": "\u{0}", "": [false, "ü"]}),
            ],
            Self::Transcript => vec![
                json!([{"role": "agent", "text": "Hello?"}, {"role": "caller", "text": ""}]),
                json!(turns),
                json!([{"role": "agent", "text": "ü".repeat(10_000)}]),
            ],
            Self::Reference(_) => vec![],
        }
    }

    /// Values that are just, or far, outside.
    pub fn bad(&self) -> Vec<Value> {
        let tags: Vec<String> = (0..51).map(|n| format!("tag {n}")).collect();
        let turns = vec![json!({"role": "caller", "text": "a"}); 2001];
        let texts = |texts: &[&str]| texts.iter().map(|text| json!(text)).collect::<Vec<_>>();
        let mut bad = match self {
            Self::Line(longest) => vec![json!("a".repeat(longest + 1)), json!("a\nb"), json!([])],
            Self::Text(longest) => {
                vec![json!("a".repeat(longest + 1)), json!("a\u{0}b"), json!(["a"])]
            }
            Self::Content => {
                vec![json!("ü".repeat(102_400) + "a"), json!("a\u{0}b"), json!(""), json!(" \n")]
            }
            Self::Phone => texts(&[
                "14155550100",
                "+04155550100",
                "+1",
                "+",
                "",
                "+1234567890123456",
                "+1415 5550100",
                "+1415555010a",
                " +14155550100",
                "+14155550100\n",
                "+１４１５５５５０１００",
                "tel:+14155550100",
            ]),
            Self::Email => {
                let mut bad = texts(&[
                    "",
                    "ada",
                    "ada@",
                    "@example.com",
                    "ada@example",
                    "ada@@example.com",
                    "ada@example..com",
                    "a da@example.com",
                    " ada@example.com",
                    "ada@example.com\n",
                    "<ada@example.com>",
                    "mailto:ada@example.com",
                    "ada@exam_ple.com",
                ]);
                bad.push(json!(format!("{}@{}.com", "a".repeat(64), "b".repeat(186))));
                bad
            }
            Self::Url => {
                let mut bad = texts(&[
                    "javascript:alert(1)",
                    "ftp://a/b",
                    "//a/b",
                    "https://",
                    "https:///a",
                    "https://a b",
                    "https://a/\n",
                    "",
                    "HTTPS",
                ]);
                bad.push(json!(format!("http://a/{}", "b".repeat(2040))));
                bad
            }
            Self::Time => texts(&[
                "yesterday",
                "2026-11-21",
                "2026-11-21T12:00:00",
                "",
                "24:00",
                "2026-02-29T12:00:00Z",
                "2026-12-31T23:59:60Z",
                "10000-01-01T00:00:00Z",
                "9999-12-31T23:59:59-01:00",
                "0000-01-01T00:00:00+01:00",
            ]),
            Self::Choice(words) => {
                let first = words[0];
                vec![
                    json!(first.to_uppercase()),
                    json!(format!("{first} ")),
                    json!(""),
                    json!([first]),
                ]
            }
            Self::Integer(least, greatest) => {
                vec![json!(least - 1), json!(greatest + 1), json!(1.5), json!("1"), json!(u64::MAX)]
            }
            Self::Boolean => vec![json!("true"), json!(0), json!([])],
            Self::Tags => vec![
                json!("vip"),
                json!([1]),
                json!([""]),
                json!([" "]),
                json!(["a", "a"]),
                json!(["a", " a "]),
                json!([null]),
                json!({"a": 1}),
                json!(["a\nb"]),
                json!(tags),
                json!(["a".repeat(51)]),
            ],
            Self::Object(largest) => {
                vec![json!({"a": "a".repeat(largest - 7)}), json!([]), json!("{}"), json!([{}])]
            }
            Self::Transcript => vec![
                json!("Hello"),
                json!({}),
                json!([1]),
                json!([{"role": "agent"}]),
                json!([{"text": "a"}]),
                json!([{"role": "dog", "text": "a"}]),
                json!([{"role": "agent", "text": 1}]),
                json!([{"role": "agent", "text": null}]),
                json!([{"role": "agent", "text": "a", "at": 1}]),
                json!([[]]),
                json!([null]),
                json!(turns),
                json!([{"role": "agent", "text": "a".repeat(10_001)}]),
            ],
            Self::Reference(_) => vec![
                json!("agent_01000000000000000000000000"),
                json!("kb_01000000000000000000000000"),
                json!("x"),
                json!(["x"]),
                json!("a".repeat(101)),
            ],
        };
        if !matches!(self, Self::Boolean) {
            bad.push(json!(true));
        }
        if !matches!(self, Self::Integer(..)) {
            bad.push(json!(7));
        }
        bad
    }
}
