//! The core behind doors that write down what goes through them.
//!
//! `handle` and `poll` are the only two, so whoever drives the core through this can't forget to record. Without a
//! writer the doors just pass everything on.

use std::ops::Deref;

use ovzha_core::auth::Keyring;
use ovzha_core::cluster::Cluster;
use ovzha_core::event::Event;
use ovzha_core::frame::{self, FrameBuf};
use ovzha_core::id::KeyId;
use ovzha_core::output::Output;
use ovzha_core::time::Instant;

use super::writer::Writer;

/// A core, and who writes down what it is told and says.
#[derive(Debug)]
pub struct Recorded {
    cluster: Cluster,
    writer: Option<Writer>,
}

impl Recorded {
    /// Nothing is recorded without a writer.
    #[must_use]
    pub const fn new(cluster: Cluster, writer: Option<Writer>) -> Self {
        Self { cluster, writer }
    }

    /// The record of this core, if there is one.
    pub const fn writer(&mut self) -> Option<&mut Writer> {
        self.writer.as_mut()
    }

    /// Whether there is one.
    #[must_use]
    pub const fn is_recording(&self) -> bool {
        self.writer.is_some()
    }

    /// Nothing more is recorded.
    pub fn stop_recording(&mut self) {
        self.writer = None;
    }

    /// Tells the core.
    pub fn handle(&mut self, now: Instant, event: Event<'_>) {
        let Some(writer) = &mut self.writer else {
            return self.cluster.handle(now, event);
        };
        let Event::Received { link, bytes } = event else {
            writer.told(&self.cluster, now, event.clone());
            return self.cluster.handle(now, event);
        };
        let kept = match frame::peek(bytes) {
            Ok(_) => Event::Received {
                link,
                bytes: frame::untagged(bytes),
            },
            // the core makes the same of it
            Err(rejection) => Event::Rejected { link, rejection },
        };
        writer.told(&self.cluster, now, kept);
        let forged = self.cluster.forged(link);
        self.cluster.handle(now, event);
        if self.cluster.forged(link) != forged {
            writer.forged();
        }
    }

    /// Asks the core what it wants done.
    pub fn poll<'b>(&mut self, frame: &'b mut FrameBuf) -> Output<'b> {
        let output = self.cluster.poll(frame);
        if let Some(writer) = &mut self.writer {
            writer.said(untagged(output.clone()));
        }
        output
    }

    /// Other keys.
    pub fn rekey(&mut self, keyring: Keyring) {
        if let Some(writer) = &mut self.writer {
            writer.rekeyed(keyring.signing().unwrap_or(KeyId(0)));
        }
        self.cluster.rekey(keyring);
    }

    /// Other keys of the witness; what comes from it is recorded as the link's frames are, without its tag.
    pub fn hear(&mut self, keyring: Keyring) {
        self.cluster.hear(keyring);
    }
}

impl Deref for Recorded {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

/// An output as it is recorded: a frame without its tag.
pub(super) fn untagged(output: Output<'_>) -> Output<'_> {
    if let Output::Send { link, bytes } = output {
        let bytes = frame::untagged(bytes);
        return Output::Send { link, bytes };
    }
    output
}
