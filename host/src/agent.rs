//! Runs one operation of one resource to its end, inside a child process.
