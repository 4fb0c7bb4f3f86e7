//! The tables of the records, as both databases have them.

diesel::table! {
    agents (id) {
        id -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        name -> Text,
        voice_id -> Text,
        greeting -> Nullable<Text>,
        prompt -> Nullable<Text>,
        phone_number -> Nullable<Text>,
        knowledge_base_id -> Nullable<Text>,
        status -> Text,
        created_by -> Nullable<Text>,
        updated_by -> Nullable<Text>,
    }
}

diesel::table! {
    calls (id) {
        id -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        direction -> Text,
        caller -> Text,
        called -> Nullable<Text>,
        agent_id -> Nullable<Text>,
        status -> Nullable<Text>,
        duration_seconds -> Nullable<BigInt>,
        sentiment -> Nullable<Text>,
        summary -> Nullable<Text>,
        recording_url -> Nullable<Text>,
        transcript -> Text,
        tags -> Text,
        started_at -> Nullable<Timestamp>,
        occurred_at -> Timestamp,
        created_by -> Nullable<Text>,
        updated_by -> Nullable<Text>,
    }
}

diesel::table! {
    knowledge_base (id) {
        id -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        title -> Text,
        content -> Text,
        source_url -> Nullable<Text>,
        tags -> Text,
        created_by -> Nullable<Text>,
        updated_by -> Nullable<Text>,
    }
}

diesel::table! {
    leads (id) {
        id -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        name -> Text,
        phone -> Nullable<Text>,
        email -> Nullable<Text>,
        status -> Text,
        source -> Nullable<Text>,
        score -> Nullable<BigInt>,
        tags -> Text,
        created_by -> Nullable<Text>,
        updated_by -> Nullable<Text>,
    }
}

diesel::table! {
    contacts (id) {
        id -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        name -> Text,
        phone -> Nullable<Text>,
        email -> Nullable<Text>,
        company -> Nullable<Text>,
        notes -> Nullable<Text>,
        tags -> Text,
        created_by -> Nullable<Text>,
        updated_by -> Nullable<Text>,
    }
}

diesel::table! {
    integrations (id) {
        id -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        name -> Text,
        kind -> Text,
        description -> Nullable<Text>,
        enabled -> Bool,
        settings -> Text,
        created_by -> Nullable<Text>,
        updated_by -> Nullable<Text>,
    }
}
