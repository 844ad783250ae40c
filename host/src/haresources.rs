//! Parses `haresources`: one resource group a line.
