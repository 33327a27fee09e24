//! Criterion and end-to-end benchmarks.
