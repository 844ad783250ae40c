//! Brings a resource up that is defined and down: the module, then `drbdadm up`.
//!
//! What the metadata proves is read before, for attaching writes it anew. A resource that is up already is left as it is.
use std::path::Path;

use super::gi::parse_gi;
use super::words::Proof;
use super::{NoState, RETRY, Resource};
use crate::program::{self, Deadline, one_line};

impl Resource {
    /// Brings it up; answers what its metadata proved about its data, if it was down until now.
    ///
    /// # Errors
    /// Why it still isn't up, in one line.
    pub(super) fn bring_up(&self, deadline: Deadline) -> Result<Option<Proof>, String> {
        match self.role(deadline) {
            Ok(_) => return Ok(None),
            Err(NoState::Down(_)) => {}
            Err(NoState::NotLoaded(_)) => self.load(deadline)?,
            Err(error) => return Err(error.reason()),
        }
        let proof = self.proved(deadline);
        // It may be brought up by somebody else at the same time, and each of the two then finds half of it done. So its
        // words count as little as anybody's exit code: it is up once it has a role.
        let said = self.run(&["up", &self.name], deadline)?;
        loop {
            match self.role(deadline) {
                Ok(_) => return Ok(proof),
                Err(_) if said.succeeded() && deadline.pause(RETRY) => {}
                Err(_) if said.succeeded() => return Err(format!("{} is down after drbdadm up", self.name)),
                Err(_) => return Err(format!("{} can't be brought up: {}", self.name, said.reason())),
            }
        }
    }

    /// Whether DRBD could be loaded, without doing it.
    pub(super) fn is_loadable(&self, deadline: Deadline) -> bool {
        program::run(&self.modprobe, &["-n", "-q", "drbd"], deadline).is_ok_and(|finished| finished.succeeded())
    }

    fn load(&self, deadline: Deadline) -> Result<(), String> {
        let finished = program::run(&self.modprobe, &["drbd"], deadline)
            .map_err(|error| format!("drbd can't be loaded: {}: {error}", self.modprobe.display()))?;
        if finished.succeeded() || Path::new(&self.proc_drbd).exists() {
            return Ok(());
        }
        Err(format!("drbd can't be loaded: {}", one_line(&finished.reason())))
    }

    /// What the metadata of the resource, which is down, proves. What can't be read proves nothing.
    fn proved(&self, deadline: Deadline) -> Option<Proof> {
        let told = self.run(&["get-gi", &self.name], deadline).ok();
        let told = told.filter(program::Finished::succeeded)?;
        parse_gi(&told.stdout).ok().flatten()
    }
}
