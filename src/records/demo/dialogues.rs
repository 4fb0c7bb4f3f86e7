//! The written dialogues that the demo's calls are made of, and the leads that come of them.

use crate::records::model::RecordId;
use crate::records::model::lead::Lead;

/// The written calls. Each begins with its tags, the caller's sentiment and a summary; then who
/// says what.
const DIALOGUES: &str = include_str!("transcripts.txt");

/// One written call, which many recorded calls are made from.
pub(super) struct Dialogue {
    pub(super) tags: Vec<&'static str>,
    pub(super) sentiment: &'static str,
    pub(super) summary: &'static str,
    pub(super) turns: Vec<(&'static str, &'static str)>,
}

/// Parses [`DIALOGUES`].
pub(super) fn dialogues() -> Vec<Dialogue> {
    DIALOGUES.split("== ").filter_map(read_dialogue).collect()
}

fn read_dialogue(text: &'static str) -> Option<Dialogue> {
    let mut lines = text.lines();
    let mut head = lines.next()?.splitn(3, " | ");
    let tags = head.next()?.split(", ").collect();
    let (sentiment, summary) = (head.next()?, head.next()?);
    let turn = |line: &'static str| match line.split_once(": ")? {
        ("A", text) => Some(("agent", text)),
        ("C", text) => Some(("caller", text)),
        _ => None,
    };
    Some(Dialogue { tags, sentiment, summary, turns: lines.filter_map(turn).collect() })
}

/// A lead on its way, by how many steps it has taken.
pub(super) struct LeadOnItsWay {
    pub(super) id: RecordId<Lead>,
    pub(super) state: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialogue_is_read_whole() {
        let dialogues = dialogues();
        assert_eq!(dialogues.len(), DIALOGUES.matches("== ").count());
        for dialogue in &dialogues {
            assert!(["positive", "neutral", "negative"].contains(&dialogue.sentiment));
            assert!(dialogue.turns.len() >= 4, "{}", dialogue.summary);
            assert_eq!(dialogue.turns[0].0, "agent", "{}", dialogue.summary);
        }
        let turns: usize = dialogues.iter().map(|dialogue| dialogue.turns.len()).sum();
        assert_eq!(turns + dialogues.len(), DIALOGUES.lines().count());
    }
}
