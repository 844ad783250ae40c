//! A problem found in a file, with the place where it stands.
