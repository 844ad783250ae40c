//! Mounts and unmounts the file system of a group, with everything that keeps it busy.
