//! The control socket: requests of the admin's commands and their answers.
