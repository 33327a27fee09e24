//! Batched UDP and the few system calls without a sufficient safe binding.
