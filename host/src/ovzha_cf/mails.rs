//! The lines of `ovzha.cf` about mails.

use super::{At, Reader, Said, set};
use crate::diagnostic::quote;
use crate::mail::{self, Smarthost};

/// What they say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mails {
    /// Who gets alerts.
    pub alert: Vec<String>,
    /// Who takes mails where there is no sendmail.
    pub smarthost: Option<At<Smarthost>>,
    /// The sender.
    pub from: Option<At<String>>,
    alert_line: Option<At<()>>,
}

pub(super) fn alert(reader: &mut Reader, said: Said<'_>) {
    if said.words.is_empty() {
        return reader.wrong_form(said);
    }
    let words = said.words.join(",");
    let found = mail::recipients(&words).map(|found| found.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let mails = &mut reader.value.mails;
    let value = found.as_ref().map(|_| ()).map_err(Clone::clone);
    if mails.alert_line.is_none() {
        mails.alert = found.unwrap_or_default();
    }
    set(&mut reader.problems, &mut mails.alert_line, said.line, said.name, value);
}

pub(super) fn smarthost(reader: &mut Reader, said: Said<'_>) {
    match *said.words {
        [word] => {
            let slot = &mut reader.value.mails.smarthost;
            set(&mut reader.problems, slot, said.line, said.name, Smarthost::parse(word));
        }
        _ => reader.wrong_form(said),
    }
}

pub(super) fn mail_from(reader: &mut Reader, said: Said<'_>) {
    match *said.words {
        [word] => {
            let value = mail::is_address(word)
                .then(|| word.to_owned())
                .ok_or_else(|| format!("{} is no mail address", quote(word)));
            let slot = &mut reader.value.mails.from;
            set(&mut reader.problems, slot, said.line, said.name, value);
        }
        _ => reader.wrong_form(said),
    }
}
