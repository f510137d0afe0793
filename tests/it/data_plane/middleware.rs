//! What labels do to requests and answers on their way.

mod bodies;
mod changes;
mod compress;
mod guards;
mod held;
mod passwords;
mod validators;
