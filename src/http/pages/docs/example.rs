//! An example request, in the languages that readers of the API document write.

use serde_json::Value;

use super::prose::{Listing, pretty};

/// A request that can be sent as it is, once its credential is in the environment.
pub struct ExampleRequest<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The complete URL.
    pub url: String,
    /// The environment variable that holds the credential; none where none is asked for.
    pub credential: Option<&'static str>,
    /// The body, and its media type.
    pub body: Option<(&'a str, &'a Value)>,
    /// Whether the answer has a body to print.
    pub answered: bool,
}

/// The request in one language.
pub struct Example {
    /// What the language is called in ids and values.
    pub language: &'static str,
    /// The language's name for people.
    pub name: &'static str,
    /// The request as code in this language.
    pub code: Listing,
}

impl ExampleRequest<'_> {
    /// The request in every language, the default one first.
    pub fn examples(&self) -> [Example; 3] {
        [
            Example { language: "request", name: "curl", code: Listing(self.curl()) },
            Example { language: "python", name: "Python", code: Listing(self.python()) },
            Example {
                language: "javascript",
                name: "JavaScript",
                code: Listing(self.javascript()),
            },
        ]
    }

    fn curl(&self) -> String {
        let mut parts = Vec::new();
        // curl sends POST by itself where there is a body.
        if self.method != "GET" && !(self.method == "POST" && self.body.is_some()) {
            parts.push(format!("-X {}", self.method));
        }
        if let Some(variable) = self.credential {
            parts.push(format!("-H \"Authorization: Bearer ${variable}\""));
        }
        if let Some((media_type, body)) = self.body {
            parts.push(format!("-H 'Content-Type: {media_type}'"));
            parts.push(format!("-d {}", quoted(&pretty(body))));
        }
        parts.push(quoted(&self.url));
        format!("curl {}", parts.join(" \\\n  "))
    }

    /// With `requests`, which most people have or know.
    fn python(&self) -> String {
        let mut headers = Vec::new();
        if let Some(variable) = self.credential {
            headers.push(format!("\"Authorization\": f\"Bearer {{os.environ['{variable}']}}\""));
        }
        let mut arguments = vec![literal(&self.url)];
        if let Some((media_type, body)) = self.body {
            // `json=` says `application/json` unless a header says something else.
            if media_type != "application/json" {
                headers.push(format!("\"Content-Type\": {}", literal(media_type)));
            }
            arguments.push(format!("json={}", python_value(body, 1)));
        }
        if !headers.is_empty() {
            let headers = format!("headers={}", wrapped(&headers, "    "));
            arguments.insert(1, headers);
        }
        arguments.push("timeout=10".to_owned());
        let arguments: String =
            arguments.iter().map(|argument| format!("    {argument},\n")).collect();
        let printed = if self.answered { ", response.json()" } else { "" };
        let imports = if self.credential.is_some() { "import os\n\nimport" } else { "import" };
        let method = self.method.to_ascii_lowercase();
        format!(
            "{imports} requests\n\nresponse = requests.{method}(\n{arguments})\n\
             print(response.status_code{printed})"
        )
    }

    /// With `fetch`, which Node.js has too.
    fn javascript(&self) -> String {
        let mut headers = Vec::new();
        if let Some(variable) = self.credential {
            headers.push(format!("\"Authorization\": `Bearer ${{process.env.{variable}}}`"));
        }
        let mut options = Vec::new();
        if self.method != "GET" {
            options.push(format!("method: {}", literal(self.method)));
        }
        if let Some((media_type, _)) = self.body {
            headers.push(format!("\"Content-Type\": {}", literal(media_type)));
        }
        if !headers.is_empty() {
            options.push(format!("headers: {}", wrapped(&headers, "  ")));
        }
        if let Some((_, body)) = self.body {
            let body = pretty(body).replace('\n', "\n  ");
            options.push(format!("body: JSON.stringify({body})"));
        }
        let options: String = options.iter().map(|option| format!("  {option},\n")).collect();
        let options = if options.is_empty() { options } else { format!(", {{\n{options}}}") };
        let printed = if self.answered { ", await response.json()" } else { "" };
        let url = literal(&self.url);
        format!(
            "const response = await fetch({url}{options});\nconsole.log(response.status{printed});"
        )
    }
}

/// Entries between braces: on one line where there is one, else on a line each.
fn wrapped(entries: &[String], indent: &str) -> String {
    match entries {
        [one] => format!("{{{one}}}"),
        more => {
            let lines: String =
                more.iter().map(|entry| format!("{indent}{indent}{entry},\n")).collect();
            format!("{{\n{lines}{indent}}}")
        }
    }
}

/// A text as a literal, which is written alike in JSON, Python and JavaScript.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// A JSON value as Python writes it, at a depth of indentation.
fn python_value(value: &Value, depth: usize) -> String {
    let block = |open: char, entries: Vec<String>, close: char| {
        let (outer, inner) = ("    ".repeat(depth), "    ".repeat(depth + 1));
        let lines: String = entries.iter().map(|entry| format!("{inner}{entry},\n")).collect();
        if lines.is_empty() {
            format!("{open}{close}")
        } else {
            format!("{open}\n{lines}{outer}{close}")
        }
    };
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(items) => {
            block('[', items.iter().map(|item| python_value(item, depth + 1)).collect(), ']')
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                format!("{}: {}", literal(name), python_value(value, depth + 1))
            };
            block('{', members.iter().map(member).collect(), '}')
        }
    }
}

/// A word for the shell; as it is, where nothing in it means anything to one.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/:.-_%".contains(&byte);
    if word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::http::pages::docs::example::*;

    #[test]
    fn what_means_something_to_a_shell_is_quoted() {
        assert_eq!(quoted("http://127.0.0.1:8080/v1/calls"), "http://127.0.0.1:8080/v1/calls");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("http://[::1]/{id}"), "'http://[::1]/{id}'");
    }

    #[test]
    fn json_is_written_as_python_writes_it() {
        let value = json!({"a": [true, null], "b": {}, "c": "it's \"so\"", "d": 1.5});
        let written = "{\n    \"a\": [\n        True,\n        None,\n    ],\n    \"b\": {},\n    \
                       \"c\": \"it's \\\"so\\\"\",\n    \"d\": 1.5,\n}";
        assert_eq!(python_value(&value, 0), written);
    }
}
