//! Counting requests, and every place that shows the figures.

mod analytics;
mod counting;
mod counting_faults;
mod counting_load;
mod counting_model;
mod counting_rollup;
mod figure_plans;
mod figures_agree;
mod usage_page;
