//! The limits of a key: how fast, how much and from where it may be used.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::fields::{FieldReader, as_text};
use super::network::parse_exact_network;
use super::schema::described;
use super::words::{Word, choice, words};

/// The most requests that a limit can name.
pub const MOST_REQUESTS: u32 = 1_000_000_000;
/// The most networks that a key can be limited to.
const MOST_NETWORKS: usize = 32;

words! {
    /// The time that a rate limit is over.
    RatePeriod {
        /// A second.
        Second = "second",
        /// 60 seconds.
        Minute = "minute",
        /// 3600 seconds.
        Hour = "hour",
    }
}

impl RatePeriod {
    /// Its length.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }
}

words! {
    /// The time that a quota is for.
    QuotaPeriod {
        /// A day of the calendar, in UTC.
        Day = "day",
        /// A month of the calendar, in UTC.
        Month = "month",
    }
}

/// So many requests in such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Allowance<P> {
    /// How many, from 1 to [`MOST_REQUESTS`].
    pub requests: u32,
    /// In which time.
    pub per: P,
}

/// How fast a key may be used: so many requests at once, and as many again in each period.
pub type RateLimit = Allowance<RatePeriod>;
/// How many requests of a key are accepted in a period of the calendar.
pub type Quota = Allowance<QuotaPeriod>;

impl<P: Word> Allowance<P> {
    fn new(requests: Option<u32>, per: &str) -> Result<Self, String> {
        let requests = requests.filter(|n| (1..=MOST_REQUESTS).contains(n));
        let requests = requests.ok_or_else(|| format!("must be 1 to {MOST_REQUESTS} requests"))?;
        let per = P::parse(per).ok_or_else(|| format!("must be per {}", P::choices()))?;
        Ok(Self { requests, per })
    }

    /// Reads `{"requests": 600, "per": "minute"}`, or `"600/minute"`.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        if let Some(text) = value.as_str() {
            return text.parse();
        }
        let expected = || {
            let per = first_word::<P>();
            format!(r#"must be an object such as {{"requests": 600, "per": "{per}"}}"#)
        };
        let object = value.as_object().ok_or_else(expected)?;
        if let Some(other) = object.keys().find(|name| !["requests", "per"].contains(&&***name)) {
            return Err(format!("has a member {other:?}; its members are requests and per"));
        }
        let requests = object.get("requests").and_then(Value::as_f64);
        let whole =
            requests.filter(|n| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n));
        let per = object.get("per").and_then(Value::as_str).unwrap_or_default();
        Self::new(whole.map(|n| n as u32), per)
    }

    /// The schema of what is answered.
    fn schema() -> Value {
        json!({
            "type": "object", "required": ["requests", "per"], "additionalProperties": false,
            "properties": {
                "requests": {
                    "type": "integer", "minimum": 1, "maximum": MOST_REQUESTS,
                    "description": "How many requests.",
                },
                "per": choice::<P>(),
            },
        })
    }
}

fn first_word<P: Word>() -> &'static str {
    P::ALL.first().map_or("", |word| word.as_str())
}

impl<P: Word> Allowance<P> {
    /// The schema of what is read.
    fn input_schema() -> Value {
        let periods: Vec<&str> = P::ALL.iter().map(|per| per.as_str()).collect();
        let mut schema = Self::schema();
        schema["type"] = json!(["object", "string"]);
        schema["pattern"] =
            format!("^(1000000000|[1-9][0-9]{{0,8}})/({})$", periods.join("|")).into();
        schema["description"] = format!("As text: `600/{}`.", first_word::<P>()).into();
        schema
    }
}

impl<P: Word> Display for Allowance<P> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests, self.per.as_str())
    }
}

/// Reads `600/minute`.
impl<P: Word> FromStr for Allowance<P> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("must be requests and a time, such as 600/{}", first_word::<P>());
        let (requests, per) = text.split_once('/').ok_or_else(expected)?;
        let read = Self::new(requests.parse().ok(), per)?;
        // One spelling: no sign, and no zeros in front.
        if read.to_string() == text { Ok(read) } else { Err(expected()) }
    }
}

described!(RateLimit, "RateLimit", RateLimit::schema());
described!(Quota, "Quota", Quota::schema());

/// The networks a key may be used from; one at least, each once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether an address lies in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    fn of<'a>(items: impl Iterator<Item = Result<&'a str, String>>) -> Result<Self, String> {
        let mut networks = Vec::new();
        for item in items {
            let network = parse_exact_network(item?)?;
            if !networks.contains(&network) {
                networks.push(network);
            }
        }
        match networks.len() {
            0 => Err("must name at least one network; null is no limit".to_owned()),
            n if n > MOST_NETWORKS => Err(format!("must name at most {MOST_NETWORKS} networks")),
            _ => Ok(Self(networks)),
        }
    }

    /// Reads `["10.0.0.0/8", "2001:db8::/32"]`, or the same as one text.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        if let Some(text) = value.as_str() {
            return text.parse();
        }
        let items = value.as_array();
        let items = items.ok_or("must be a list of networks, such as [\"10.0.0.0/8\"]")?;
        Self::of(items.iter().map(as_text))
    }

    fn schema() -> Value {
        json!({
            "type": "array", "minItems": 1, "maxItems": MOST_NETWORKS,
            "items": {"type": "string", "description": "A network, or a single address."},
        })
    }
}

impl Networks {
    fn input_schema() -> Value {
        let mut schema = Self::schema();
        schema["type"] = json!(["array", "string"]);
        schema["description"] = "As text: networks with a space between.".into();
        schema
    }
}

impl Display for Networks {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (place, network) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { " " };
            write!(f, "{separator}{network}")?;
        }
        Ok(())
    }
}

/// Reads networks with spaces, commas or semicolons between.
impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let between = |c: char| c.is_whitespace() || c == ',' || c == ';';
        Self::of(text.split(between).filter(|network| !network.is_empty()).map(Ok))
    }
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

described!(Networks, "Networks", Networks::schema());

/// The limits of a key; without any, it is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct KeyLimits {
    /// How fast it may be used: so many requests at once, and as many again in each period. As fast
    /// as you like if null.
    pub rate_limit: Option<RateLimit>,
    /// How many of its requests are accepted in a day or month of the calendar (UTC). Any number if
    /// null.
    pub quota: Option<Quota>,
    /// From where it may be used: networks and single addresses. From anywhere if null.
    pub allowed_networks: Option<Networks>,
}

impl KeyLimits {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Reads every field.
    pub fn read(reader: &mut FieldReader<'_>) -> Self {
        Self {
            rate_limit: reader.parsed("rate_limit", RateLimit::input_schema, RateLimit::read),
            quota: reader.parsed("quota", Quota::input_schema, Quota::read),
            allowed_networks: reader.parsed(
                "allowed_networks",
                Networks::input_schema,
                Networks::read,
            ),
        }
    }

    /// Whether a client at this address may use the key. Where nobody knows the address, only if it
    /// may be used from anywhere; then nobody asks for it.
    pub fn admit(&self, address: impl FnOnce() -> Option<IpAddr>) -> bool {
        let inside =
            |networks: &Networks| address().is_some_and(|address| networks.contain(address));
        self.allowed_networks.as_ref().is_none_or(inside)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::fields::describe;

    fn read(object: Value) -> Result<KeyLimits, String> {
        let mut reader = FieldReader::new(object.as_object().unwrap());
        let limits = KeyLimits::read(&mut reader);
        reader.finish(Some(limits)).map_err(|errors| errors.summary())
    }

    /// Whether the schema allows it.
    fn is_described(object: &Value) -> bool {
        let schema = describe(|reader| Some(KeyLimits::read(reader)));
        jsonschema::draft202012::is_valid(&schema, object)
    }

    #[test]
    fn limits_are_read_as_objects_and_as_text() {
        let objects = json!({
            "rate_limit": {"requests": 600, "per": "minute"}, "quota": {"requests": 1, "per": "month"},
            "allowed_networks": ["10.0.0.0/8", "::1", "10.0.0.0/8"],
        });
        let texts = json!({
            "rate_limit": "600/minute", "quota": "1/month", "allowed_networks": "10.0.0.0/8, ::1",
        });
        let limits = read(objects.clone()).unwrap();
        assert_eq!(read(texts.clone()), Ok(limits.clone()));
        assert!(is_described(&objects) && is_described(&texts));
        assert_eq!(json!(limits)["allowed_networks"], json!(["10.0.0.0/8", "::1/128"]));
        assert_eq!(json!(limits)["rate_limit"], objects["rate_limit"]);
        assert!(read(json!({"quota": null})).unwrap().is_empty());
        assert!(is_described(&json!({"quota": null, "rate_limit": null})));
    }

    #[test]
    fn what_is_no_limit_is_named_and_described_as_none() {
        for (field, value, remedy) in [
            ("rate_limit", json!({"requests": 0, "per": "minute"}), "1 to 1000000000 requests"),
            (
                "rate_limit",
                json!({"requests": 1_000_000_001, "per": "hour"}),
                "1 to 1000000000 requests",
            ),
            ("rate_limit", json!({"requests": 1.5, "per": "hour"}), "1 to 1000000000 requests"),
            ("rate_limit", json!({"requests": 1, "per": "day"}), "second, minute or hour"),
            ("rate_limit", json!({"requests": 1}), "second, minute or hour"),
            ("rate_limit", json!({"requests": 1, "per": "hour", "burst": 2}), "\"burst\""),
            ("rate_limit", json!(600), "an object such as"),
            ("rate_limit", json!("600"), "such as 600/second"),
            ("rate_limit", json!("+600/minute"), "such as 600/second"),
            ("rate_limit", json!("0600/minute"), "such as 600/second"),
            ("rate_limit", json!("600/day"), "second, minute or hour"),
            ("rate_limit", json!(""), "such as 600/second"),
            ("quota", json!("50000/hour"), "day or month"),
            ("quota", json!("0/day"), "1 to 1000000000 requests"),
            ("allowed_networks", json!([]), "at least one network"),
            ("allowed_networks", json!([7]), "must be a string"),
            ("allowed_networks", json!({}), "a list of networks"),
        ] {
            let object = json!({field: value});
            assert!(read(object.clone()).unwrap_err().contains(remedy), "{object}");
            assert!(!is_described(&object), "{object}");
        }
        let many: Vec<String> = (0..33).map(|n| format!("10.0.{n}.0/24")).collect();
        assert!(read(json!({"allowed_networks": many})).unwrap_err().contains("at most 32"));
        for bad in ["10.0.0.1/8", "nowhere"] {
            assert!(read(json!({"allowed_networks": bad})).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_inside_in_every_form() {
        let networks: Networks = "10.0.0.0/8 2001:db8::/32".parse().unwrap();
        for (address, inside) in [
            ("10.255.0.1", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("2001:db8::5", true),
            ("2001:db9::5", false),
        ] {
            assert_eq!(networks.contain(address.parse().unwrap()), inside, "{address}");
        }
        let limits = KeyLimits { allowed_networks: Some(networks), ..KeyLimits::default() };
        assert!(!limits.admit(|| None), "an unknown address is not allowed");
        assert!(KeyLimits::default().admit(|| None));
    }

    proptest! {
        #[test]
        fn a_limit_survives_its_text(requests in 1..=MOST_REQUESTS, per in 0usize..3) {
            let limit = RateLimit { requests, per: RatePeriod::ALL[per] };
            prop_assert_eq!(limit.to_string().parse(), Ok(limit));
            let quota = Quota { requests, per: QuotaPeriod::ALL[per % 2] };
            prop_assert_eq!(quota.to_string().parse(), Ok(quota));
        }
    }
}
