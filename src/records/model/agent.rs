//! Voice agents.

use schemars::JsonSchema;
use serde::Serialize;

use super::Fields;
use super::resources;
use crate::model::catalog::ResourceNumber;
use crate::model::fields::FieldReader;
use crate::model::words::words;

words! {
    /// Whether an agent takes calls.
    AgentStatus {
        /// The agent takes calls.
        Active = "active",
        /// The agent takes no calls for now.
        Paused = "paused",
    }
}

/// The fields of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Agent {
    /// What people call it.
    pub name: String,
    /// The voice it speaks with, as the voice provider names it.
    pub voice_id: String,
    /// What it says first.
    pub greeting: Option<String>,
    /// The instructions it follows.
    pub prompt: Option<String>,
    /// The number it can be reached at, E.164.
    pub phone_number: Option<String>,
    /// The article it answers from.
    pub knowledge_base_id: Option<String>,
    /// Whether it takes calls; `active` by default.
    pub status: AgentStatus,
}

impl Fields for Agent {
    const RESOURCE: ResourceNumber = resources::AGENTS;
    const ID_PREFIX: &'static str = "agent";
    type Filter = AgentFilter;

    fn read(reader: &mut FieldReader<'_>) -> Option<Self> {
        let name = reader.line("name", 200);
        let name = reader.required("name", name);
        let voice_id = reader.line("voice_id", 200);
        let voice_id = reader.required("voice_id", voice_id);
        let greeting = reader.text("greeting", 10_000);
        let prompt = reader.text("prompt", 50_000);
        let phone_number = reader.phone_number("phone_number");
        let knowledge_base_id = reader.line("knowledge_base_id", 100);
        let status = reader.choice("status").unwrap_or(AgentStatus::Active);
        Some(Self {
            name: name?,
            voice_id: voice_id?,
            greeting,
            prompt,
            phone_number,
            knowledge_base_id,
            status,
        })
    }
}

/// Which agents to list.
#[derive(Debug, Clone, Default, JsonSchema)]
pub struct AgentFilter {
    /// Only agents in this state.
    pub status: Option<AgentStatus>,
}
