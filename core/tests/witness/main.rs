//! The witness as a node meets it: SAFETY S-72, S-76, S-77, S-79, S-84, PROTOCOL P-50 to P-52.

#[cfg(test)]
mod bed;
#[cfg(test)]
mod marks;
#[cfg(test)]
mod power;
#[cfg(test)]
mod votes;
