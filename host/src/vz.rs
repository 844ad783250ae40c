//! Starts, stops and judges OpenVZ's `vz` service by what really runs.
