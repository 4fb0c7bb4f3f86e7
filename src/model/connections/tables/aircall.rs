//! Aircall's public API. A contact is updated with POST, and analytics are read by it.

use std::sync::LazyLock;

use super::super::table::Table;
use super::offered::{Offered, read};

static TABLE: LazyLock<Table> = LazyLock::new(|| read(TEXT));

pub(super) fn offered() -> Offered {
    Offered {
        table: &TABLE,
        text: TEXT,
        test: "GET /v1/ping",
        secrets: &["token"],
        links: &[
            "recording",
            "voicemail",
            "asset",
            "recording_short_url",
            "voicemail_short_url",
            "asset_short_url",
        ],
    }
}

const TEXT: &str = "\
GET    /v1/ping                                                     any
GET    /v1/calls                                                    calls:read          C
GET    /v1/calls/search                                             calls:read          C
GET    /v1/calls/{id}                                               calls:read          C
GET    /v1/calls/{id}/transcription                                 calls:read
GET    /v1/calls/{id}/realtime_transcription                        calls:read
GET    /v1/calls/{id}/summary                                       calls:read
GET    /v1/calls/{id}/custom_summary_result                         calls:read
GET    /v1/calls/{id}/topics                                        calls:read
GET    /v1/calls/{id}/sentiments                                    calls:read
GET    /v1/calls/{id}/action_items                                  calls:read
GET    /v1/calls/{id}/playbook_result                               calls:read
GET    /v1/calls/{id}/evaluations                                   calls:read
GET    /v1/calls/{id}/predicted_csat                                calls:read
GET    /v1/tags                                                     calls:read
GET    /v1/tags/{id}                                                calls:read
GET    /v1/sms/templates                                            calls:read
POST   /v1/calls/{id}/comments                                      calls:write         C
POST   /v1/calls/{id}/tags                                          calls:write         C
POST   /v1/calls/{id}/transfers                                     calls:write         C
POST   /v1/calls/{id}/insight_cards                                 calls:write         C
POST   /v1/calls/{id}/pause_recording                               calls:write         C
POST   /v1/calls/{id}/resume_recording                              calls:write         C
PUT    /v1/calls/{id}/archive                                       calls:write         C
PUT    /v1/calls/{id}/unarchive                                     calls:write         C
DELETE /v1/calls/{id}/recording                                     calls:write         C
DELETE /v1/calls/{id}/voicemail                                     calls:write         C
POST   /v1/users/{user}/calls                                       calls:write         $
POST   /v1/users/{user}/dial                                        calls:write
POST   /v1/numbers/{number}/messages/send                           calls:write         $
POST   /v1/numbers/{number}/messages/native/send                    calls:write         $
POST   /v1/numbers/{number}/messages/group/send                     calls:write         $
POST   /v1/numbers/{number}/messages/group/native/send              calls:write         $
POST   /v1/messages/send/whatsapp/native                            calls:write         $
POST   /v1/messages/whatsapp/send                                   calls:write         $
POST   /v1/outbound-calls/agents/{agent}                            calls:write         $
POST   /v1/tags                                                     calls:write
PUT    /v1/tags/{id}                                                calls:write
DELETE /v1/tags/{id}                                                calls:write
GET    /v1/contacts                                                 contacts:read
GET    /v1/contacts/search                                          contacts:read
GET    /v1/contacts/{id}                                            contacts:read
POST   /v1/contacts                                                 contacts:write
POST   /v1/contacts/{id}                                            contacts:write
DELETE /v1/contacts/{id}                                            contacts:write
POST   /v1/contacts/{id}/phone_details                              contacts:write
PUT    /v1/contacts/{id}/phone_details/{detail}                     contacts:write
DELETE /v1/contacts/{id}/phone_details/{detail}                     contacts:write
POST   /v1/contacts/{id}/email_details                              contacts:write
PUT    /v1/contacts/{id}/email_details/{detail}                     contacts:write
DELETE /v1/contacts/{id}/email_details/{detail}                     contacts:write
GET    /v1/users                                                    agents:read
GET    /v1/users/availabilities                                     agents:read
GET    /v1/users/{user}                                             agents:read
GET    /v1/users/{user}/availability                                agents:read
GET    /v1/users/{user}/numbers                                     agents:read
GET    /v1/users/{user}/dialer_campaign                             agents:read
GET    /v1/users/{user}/dialer_campaign/phone_numbers               agents:read
GET    /v2/users                                                    agents:read
GET    /v2/users/{user}                                             agents:read
GET    /v1/teams                                                    agents:read
GET    /v1/teams/{team}                                             agents:read
GET    /v1/company                                                  agents:read
POST   /v1/teams                                                    agents:write
DELETE /v1/teams/{team}                                             agents:write
POST   /v1/teams/{team}/users/{user}                                agents:write
DELETE /v1/teams/{team}/users/{user}                                agents:write
POST   /v1/users/{user}/dialer_campaign                             agents:write
DELETE /v1/users/{user}/dialer_campaign                             agents:write
POST   /v1/users/{user}/dialer_campaign/phone_numbers               agents:write
DELETE /v1/users/{user}/dialer_campaign/phone_numbers/{number}      agents:write
POST   /v1/users                                                    agents:write        S
PUT    /v1/users/{user}                                             agents:write        S
DELETE /v1/users/{user}                                             agents:write        S
POST   /v2/users                                                    agents:write        S
PUT    /v2/users/{user}                                             agents:write        S
DELETE /v2/users/{user}                                             agents:write        S
POST   /v1/analytics/report/export                                  analytics:read
GET    /v1/analytics/report/export/{id}                             analytics:read
GET    /v1/numbers                                                  integrations:read
GET    /v1/numbers/{number}                                         integrations:read
GET    /v1/numbers/{number}/registration_status                     integrations:read
GET    /v1/numbers/{number}/templates                               integrations:read
GET    /v1/numbers/{number}/whatsapp_status                         integrations:read
GET    /v1/integrations/me                                          integrations:read
GET    /v1/webhooks                                                 integrations:read   H
GET    /v1/webhooks/{id}                                            integrations:read   H
PUT    /v1/numbers/{number}                                         integrations:write
POST   /v1/integrations/enable                                      integrations:write
POST   /v1/integrations/disable                                     integrations:write
POST   /v1/webhooks                                                 integrations:write  S H
PUT    /v1/webhooks/{id}                                            integrations:write  S H
DELETE /v1/webhooks/{id}                                            integrations:write  S H
GET    /v1/numbers/{number}/messages/configuration                  integrations:write  S H
POST   /v1/numbers/{number}/messages/configuration                  integrations:write  S H
DELETE /v1/numbers/{number}/messages/configuration                  integrations:write  S H
";
