//! Speaks to DRBD through `drbdadm`: role changes and observed state.
