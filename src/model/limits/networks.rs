//! The networks that a key may be used from.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::model::fields::as_text;
use crate::model::network::parse_exact_network;
use crate::model::schema::described;

/// The most networks that a key can be limited to.
const MOST_NETWORKS: usize = 32;

/// The networks a key may be used from; one at least, each once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether an address lies in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// What lies in both; no more than can be named. Nothing where no network does.
    pub(super) fn shared_with(&self, other: &Self) -> Option<Self> {
        let inside = |one: &IpNet| other.0.iter().any(|other| other.contains(one));
        if self.0.iter().all(inside) {
            return Some(self.clone());
        }
        let inner = |(one, other): (&IpNet, &IpNet)| match () {
            () if one.contains(other) => Some(*other),
            () if other.contains(one) => Some(*one),
            () => None,
        };
        let pairs = self.0.iter().flat_map(|one| other.0.iter().map(move |other| (one, other)));
        let shared: Vec<IpNet> = IpNet::aggregate(&pairs.filter_map(inner).collect());
        let shared: Vec<IpNet> = shared.into_iter().take(MOST_NETWORKS).collect();
        (!shared.is_empty()).then_some(Self(shared))
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
            0 => Err("must name at least one network".to_owned()),
            n if n > MOST_NETWORKS => Err(format!("must name at most {MOST_NETWORKS} networks")),
            _ => Ok(Self(networks)),
        }
    }

    /// Reads `["10.0.0.0/8", "2001:db8::/32"]`, or the same as one text.
    pub(in crate::model) fn read(value: &Value) -> Result<Self, String> {
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
    pub(super) fn input_schema() -> Value {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn networks() -> impl Strategy<Value = Networks> {
        let network = (any::<bool>(), 0..16u8, 0..=5u8).prop_map(|(long, end, wider)| {
            let address: IpAddr = match long {
                true => [0, 0, 0, 0, 0, 0, 0, u16::from(end)].into(),
                false => [10, 0, 0, end].into(),
            };
            let most = if long { 128 } else { 32 };
            IpNet::new(address, most - wider).unwrap().trunc()
        });
        prop::collection::vec(network, 1..5).prop_map(Networks)
    }

    proptest! {
        #[test]
        fn what_lies_in_both_is_left(one in networks(), other in networks(), end in 0..16u8) {
            let left = one.shared_with(&other);
            for address in [[10, 0, 0, end].into(), [0, 0, 0, 0, 0, 0, 0, u16::from(end)].into()] {
                let in_both = one.contain(address) && other.contain(address);
                prop_assert_eq!(left.as_ref().is_some_and(|left| left.contain(address)), in_both);
            }
            if let Some(left) = left {
                prop_assert_eq!(left.shared_with(&other), Some(left.clone()), "nothing is left to do");
                prop_assert_eq!(left.to_string().parse::<Networks>().is_ok(), true);
            }
        }
    }
}
