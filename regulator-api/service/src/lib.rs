//! The service of supervisors.
