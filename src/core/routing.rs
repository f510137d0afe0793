//! Where a request goes: look-up, balance, budgets, limits and outlier detection.

pub mod balance;
pub mod ejection;
pub mod explain;
pub mod lookup;
pub mod misses;
pub mod names;
pub mod rate_limit;
pub mod rates;
pub mod retry_budget;
pub mod tcp_route;
pub mod tls_access;
