//! `[security]` as TOML.

use crate::credentials::{Fault, Share};
use crate::scenario::raw::{RawBad, RawSecurity};
use crate::scenario::resolve::VERSIONS;
use crate::scenario::resolved::{Security, Source};

use super::name;

pub(super) fn raw(security: &Security) -> RawSecurity {
    let Security { mode, source, trust, version, usage, matching_type, server_name, bad } = security;
    let (credentials, import) = match source {
        Source::RunLocal => (None, None),
        Source::Folder(folder) => (Some(folder.clone()), None),
        Source::List(list) => (None, Some(list.clone())),
    };
    RawSecurity {
        mode: mode.map(|mode| mode.name().to_owned()),
        credentials,
        import,
        trust: trust.clone(),
        dtls: Some(name(&VERSIONS, *version)),
        usage: usage.map(i64::from),
        matching_type: (*matching_type != 0).then_some((*matching_type).into()),
        server_name: server_name.as_ref().map(ToString::to_string),
        bad: self::bad(bad),
        ..RawSecurity::default()
    }
}

fn bad(bad: &[Share]) -> RawBad {
    let share = |fault: Fault| bad.iter().find(|known| known.fault == fault).map(|known| known.share);
    // They are for several servers where the scenario names none.
    let at = bad.first().map(|first| first.at).filter(|at| bad.iter().all(|share| share.at == *at));
    RawBad {
        at: at.map(|at| at.to_string()),
        wrong_key: share(Fault::WrongKey),
        unknown_identity: share(Fault::UnknownIdentity),
        wrong_ca: share(Fault::WrongAuthority),
        expired: share(Fault::Expired),
        not_yet_valid: share(Fault::NotYetValid),
        self_signed: share(Fault::SelfSigned),
        wrong_name: share(Fault::WrongName),
    }
}
