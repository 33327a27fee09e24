//! Requests and replies, through the public interface only.

mod client;
mod common;
mod data_only;
mod ephemeral_users;
mod static_users;
mod vectors;
