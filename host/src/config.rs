//! Assembles the files of a configuration directory into one checked configuration.
