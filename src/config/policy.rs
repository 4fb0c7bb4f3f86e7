//! `[policy]` in `bitting.toml`: the rules for new keys, and for leaked ones.

use serde::Deserialize;
use toml::Spanned;

use super::setting::BadSetting;
use super::source::Source;
use crate::model::policy::{LeakPolicy, Policy};
use crate::model::span::Span;
use crate::model::words::Word;

/// The rules as the file has them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyTable {
    max_key_lifetime: Option<Spanned<String>>,
    #[serde(default)]
    require_expiry: bool,
    #[serde(default)]
    require_owner: bool,
    max_keys_per_member: Option<Spanned<i64>>,
    leak_policy: Option<Spanned<String>>,
}

/// The rules, all of them checked.
pub(super) fn read(table: &PolicyTable, source: &Source) -> Result<Policy, BadSetting> {
    let lifetime = |text: &Spanned<String>| {
        let bad = |why| source.refuse(text.span().start, format_args!("max_key_lifetime: {why}"));
        let given = source.value("max_key_lifetime", text)?;
        given.map(|given| given.parse::<Span>().map_err(bad)).transpose()
    };
    let count = |number: &Spanned<i64>| {
        let count = u32::try_from(*number.get_ref()).ok().filter(|count| *count > 0);
        let why = "max_keys_per_member: must be a number from 1; leave it out for no limit";
        count.ok_or_else(|| source.refuse(number.span().start, why))
    };
    let leaks = |text: &Spanned<String>| {
        let why = || format!("leak_policy: must be {}", LeakPolicy::choices());
        let parse = |given: String| {
            let policy = LeakPolicy::parse(&given);
            policy.ok_or_else(|| source.refuse(text.span().start, why()))
        };
        source.value("leak_policy", text)?.map(parse).transpose()
    };
    Ok(Policy {
        max_key_lifetime: table.max_key_lifetime.as_ref().map(lifetime).transpose()?.flatten(),
        require_expiry: table.require_expiry,
        require_owner: table.require_owner,
        leaks: table.leak_policy.as_ref().map(leaks).transpose()?.flatten().unwrap_or_default(),
        max_keys_per_member: table.max_keys_per_member.as_ref().map(count).transpose()?,
    })
}
