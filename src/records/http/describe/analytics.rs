//! What happened, in numbers.

use chrono::Duration;

use crate::http::api::describe::keys::example_windows;
use crate::http::api::describe::{example_time, json_of};
use crate::http::openapi::operation::Operation;
use crate::model::breakdown::Breakdown;
use crate::model::usage::PerWindow;
use crate::records::http::analytics::read_period;
use crate::records::model::analytics::{CallFigures, LeadFigures, Overview, Period};

const TAG: &str = "analytics";

/// `GET /v1/analytics/overview`
pub fn overview(operation: &mut Operation<'_>) {
    let to = example_time();
    let example = Overview {
        period: Period { from: to - Duration::days(30), to },
        calls: CallFigures {
            total: 5,
            completed: 3,
            missed: 1,
            average_duration_seconds: Some(90.5),
        },
        leads: LeadFigures { captured: 4, qualified: 2, converted: 1 },
    };
    operation
        .id(TAG, "overview", "Count the calls and leads of a period")
        .description("The period is at most 366 days long.")
        .query(read_period)
        .response::<Overview>(200, "The figures.", json_of(example));
}

/// `GET /v1/analytics/usage`
pub fn usage(operation: &mut Operation<'_>) {
    operation
        .id(TAG, "usage", "Show the requests of all keys by outcome, resource, access and time")
        .description("This request itself is not counted yet.")
        .response::<PerWindow<Breakdown>>(200, "The figures.", json_of(example_windows()));
}
