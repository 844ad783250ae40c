//! Two small virtual machines with the real DRBD module and the shipped static `ovzha`, one test a case. Run by
//! `.ci/run vm`; the first run fetches Debian's packages and builds the image into the cache.
#[cfg(test)]
mod bed;
#[cfg(test)]
mod campaign;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod cases_bed;
#[cfg(test)]
mod cases_board;
#[cfg(test)]
mod cases_data;
#[cfg(test)]
mod cases_fence;
#[cfg(test)]
mod cases_fs;
#[cfg(test)]
mod cases_watchdog;
#[cfg(test)]
mod cases_witness;
#[cfg(test)]
mod drbd;
#[cfg(test)]
#[path = "../emulated.rs"]
mod emulated;
#[cfg(test)]
mod measure;
