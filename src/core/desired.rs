//! desired
