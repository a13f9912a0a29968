//! Surveillance.
