//! Writes log lines without ever making the caller wait.
