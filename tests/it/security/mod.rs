//! What may be seen afterwards: the audit log, and no secret anywhere.

mod audit;
mod audit_page;
mod denials;
mod hygiene;
