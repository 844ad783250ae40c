//! Demotion: done once DRBD is seen as Secondary.
use std::path::Path;
use std::time::Duration;

use super::refusal::refusal;
use super::words::Role;
use super::{NoState, Resource, again};
use crate::agent::Answer;
use crate::busy;
use crate::program::Deadline;

impl Resource {
    /// Makes the resource Secondary here.
    pub(super) fn stop(&self, deadline: Deadline) -> Answer {
        match self.role(deadline) {
            Ok((Role::Secondary, _)) => return Answer::done(format!("{} is already Secondary", self.name)),
            // Down is less than Secondary: nothing of it is in use here. A name that drbd.conf doesn't know
            // proves nothing: the device may run under the name the host had before.
            Err(NoState::Undefined(reason)) => return Answer::failed(reason),
            Err(NoState::Down(reason) | NoState::NotLoaded(reason)) => return Answer::done(reason),
            // When it can't be read, secondary may still work, and is verified below.
            Ok((Role::Primary | Role::Unknown, _)) | Err(NoState::Failed(_)) => {}
        }
        loop {
            let finished = match self.run(&["secondary", &self.name], deadline) {
                Ok(finished) => finished,
                Err(error) => return Answer::failed(error),
            };
            if finished.succeeded() && matches!(self.role(deadline), Ok((Role::Secondary, _))) {
                return Answer::done(format!("{} is Secondary", self.name));
            }
            if !again(deadline) {
                let text = refusal(&finished);
                return Answer::failed(format!("{} stays Primary: {text}{}", self.name, self.holders()));
            }
        }
    }

    /// Who keeps the device open, as the end of a reason.
    fn holders(&self) -> String {
        let quick = Deadline::after(Duration::from_secs(2));
        let devices = self
            .run(&["sh-dev", &self.name], quick)
            .map(|finished| finished.stdout)
            .unwrap_or_default();
        let ids: Vec<busy::DeviceId> = devices
            .lines()
            .filter_map(|path| busy::device_of(Path::new(path.trim())))
            .collect();
        let holders = busy::holders(&busy::Held {
            devices: ids,
            mounts: busy::Mounts::AnyNamespace,
        });
        if holders.is_empty() {
            String::new()
        } else {
            format!("; held by {}", busy::tell(&holders))
        }
    }
}
