//! Closed sets of words: an enum, its text and back, stated once.

use serde_json::{Map, Value, json};

/// A value that is written as one word out of a fixed set.
pub trait Word: Sized + Copy + 'static {
    /// Every value, in the order in which they are listed.
    const ALL: &'static [Self];

    /// The word that is stored, shown and filtered by.
    fn as_str(self) -> &'static str;

    /// What the word means: its documentation here.
    fn about(self) -> &'static str;

    /// Reads what [`Word::as_str`] writes.
    fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|word| word.as_str() == text)
    }

    /// The words as a sentence part: `a, b or c`.
    fn choices() -> String {
        let words: Vec<&str> = Self::ALL.iter().map(|word| word.as_str()).collect();
        match words.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => words.concat(),
        }
    }
}

/// Declares an enum together with its words and what they mean.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $about:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[doc = $about])+ $variant,)+
        }

        impl $crate::model::words::Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];
            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
            fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($about),+).trim_ascii(),)+
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($crate::model::words::Word::as_str(*self))
            }
        }

        $crate::model::schema::described!(
            $name,
            stringify!($name),
            $crate::model::words::choice::<$name>()
        );
    };
}
pub(crate) use words;

/// The JSON Schema of one word of a closed set.
pub fn choice<W: Word>() -> Value {
    let words: Vec<&str> = W::ALL.iter().map(|word| word.as_str()).collect();
    let meanings = W::ALL.iter().map(|word| (word.as_str().to_owned(), json!(word.about())));
    let meanings: Map<String, Value> = meanings.collect();
    json!({"type": "string", "enum": words, "x-enumDescriptions": meanings})
}
