//! Finds what on this machine would break the cluster or make two nodes active.
