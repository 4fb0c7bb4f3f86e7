//! The limits of a key: how fast, how much and from where it may be used.

mod allowance;
mod networks;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::Serialize;

use super::fields::FieldReader;
pub use allowance::{Allowance, MOST_REQUESTS, Quota, QuotaPeriod, RateLimit, RatePeriod, lower};
pub use networks::Networks;

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

    /// What both allow: the lower limits, and the networks that lie in both. Nothing where no network
    /// does.
    pub fn stricter(&self, other: &Self) -> Option<Self> {
        let networks = match (&self.allowed_networks, &other.allowed_networks) {
            (Some(these), Some(those)) => Some(these.shared_with(those)?),
            (these, those) => these.as_ref().or(those.as_ref()).cloned(),
        };
        Some(Self {
            rate_limit: lower(self.rate_limit, other.rate_limit, RatePeriod::seconds),
            quota: lower(self.quota, other.quota, QuotaPeriod::seconds),
            allowed_networks: networks,
        })
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
    use serde_json::{Value, json};

    use super::*;
    use crate::model::fields::describe;
    use crate::model::words::Word;

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

    #[test]
    fn of_two_limits_the_lower_one_is_left() {
        let limits = |rate: &str, quota: &str| KeyLimits {
            rate_limit: rate.parse().ok(),
            quota: quota.parse().ok(),
            allowed_networks: None,
        };
        for (one, other, left) in [
            (("", ""), ("", ""), ("", "")),
            (("1/hour", "5/day"), ("", ""), ("1/hour", "5/day")),
            (("600/minute", "31/month"), ("9/second", "2/day"), ("9/second", "31/month")),
            (("600/minute", "31/month"), ("10/second", "1/day"), ("10/second", "1/day")),
        ] {
            let [one, other, left] = [one, other, left].map(|(rate, quota)| limits(rate, quota));
            assert_eq!(one.stricter(&other), Some(left.clone()));
            assert_eq!(other.stricter(&one), Some(left));
        }
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
