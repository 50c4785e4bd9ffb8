//! Execute (LwM2M Core §6.3.5).

use smallvec::SmallVec;

use super::{Effect, Effects, Site, target};
use crate::protocol::client::account;
use crate::protocol::client::firmware::{self, Command};
use crate::protocol::coap::{Code, ContentFormat, Message};
use crate::protocol::lwm2m::{Path, Rights, Value};

const SERVER: u16 = 1;
const DEVICE: u16 = 3;

/// Executes the resource at `path`, a resource. Of one that stands for nothing a simulated device could
/// do, nothing is seen but the answer.
///
/// # Errors
/// 4.04 where there is nothing, 4.01 where the server may not execute, 4.05 for what cannot be executed
/// (now), 4.15 for arguments in another format than text, 4.00 for wrong ones.
pub(super) fn execute(
    site: &mut Site<'_>,
    path: Path,
    request: &Message,
    effects: &mut Effects,
) -> Result<Message, Code> {
    let &[object, instance, resource] = path.ids() else { return Err(Code::METHOD_NOT_ALLOWED) };
    site.asker.at_instance(site.tree, Rights::EXECUTE, object, instance)?;
    if !target::operable(path, site.asker.version)?.operations.execute {
        return Err(Code::METHOD_NOT_ALLOWED);
    }
    if request.content_format().is_some_and(|format| format != ContentFormat::TEXT) {
        return Err(Code::UNSUPPORTED_CONTENT_FORMAT);
    }
    let arguments = Arguments::parse(request.payload()).ok_or(Code::BAD_REQUEST)?;
    if firmware::intercepts(path) {
        firmware::admit(site.tree, path, None)?;
        effects.push(Effect::Package(Command::Execute(path)));
        return Ok(Message::response(Code::CHANGED));
    }
    match (object, resource) {
        (SERVER, 4) => effects.extend(of_account(site, instance).map(Effect::Disable)),
        (SERVER, 8) => effects.extend(of_account(site, instance).map(Effect::UpdateTrigger)),
        (SERVER, 9) if account::bootstrap_server(site.tree).is_none() => {
            return Err(Code::METHOD_NOT_ALLOWED);
        }
        (SERVER, 9) => effects.push(Effect::BootstrapTrigger),
        (DEVICE, 4) => effects.push(Effect::Reboot),
        (DEVICE, 5) => effects.push(Effect::FactoryReset(scope(&arguments)?)),
        (DEVICE, 12) => reset_errors(site, instance, effects),
        _ => {}
    }
    Ok(Message::response(Code::CHANGED))
}

/// The server whose account is this instance of /1.
fn of_account(site: &Site<'_>, instance: u16) -> Option<u16> {
    account::server_ssid(site.tree, instance).and_then(|ssid| u16::try_from(ssid).ok())
}

/// What a factory reset leaves, by the argument GEISA ADM gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol::client) enum Kept {
    /// No argument, or 0: the certificate of the manufacturer (IDevID) alone.
    Initial,
    /// 1: also those it was enrolled for (LDevIDs).
    Enrolled,
}

fn scope(arguments: &Arguments<'_>) -> Result<Kept, Code> {
    match arguments.0[..] {
        [] | [(0, _)] => Ok(Kept::Initial),
        [(1, _)] => Ok(Kept::Enrolled),
        _ => Err(Code::BAD_REQUEST),
    }
}

/// /3/0/12: /3/0/11 is back to one instance, no error (Core table E.4-2).
fn reset_errors(site: &mut Site<'_>, instance: u16, effects: &mut Effects) {
    let codes = Path::resource(DEVICE, instance, 11);
    site.tree.remove(codes);
    if let Some(first) = codes.child(0) {
        site.tree.set(first, Value::Integer(0));
    }
    effects.push(Effect::Changed(codes));
}

/// The arguments of an Execute, `0='x',1`: a digit each, with a value or without.
#[derive(Debug, PartialEq)]
struct Arguments<'a>(SmallVec<[(u8, Option<&'a str>); 2]>);

impl<'a> Arguments<'a> {
    /// None if the payload does not follow the grammar (Core §6.3.5). Within values that has no space,
    /// double quote and backslash, but servers send them, so they are let through.
    fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut rest = str::from_utf8(payload).ok()?;
        let mut arguments = SmallVec::new();
        if rest.is_empty() {
            return Some(Arguments(arguments));
        }
        loop {
            let digit = rest.bytes().next().filter(u8::is_ascii_digit)? - b'0';
            rest = &rest[1..];
            let mut value = None;
            if let Some(quoted) = rest.strip_prefix("='") {
                let (text, behind) = quoted.split_once('\'')?;
                if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                    return None;
                }
                (value, rest) = (Some(text), behind);
            }
            arguments.push((digit, value));
            if rest.is_empty() {
                return Some(Arguments(arguments));
            }
            rest = rest.strip_prefix(',')?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_follow_the_grammar() {
        let parse = |text: &'static str| Arguments::parse(text.as_bytes()).map(|found| found.0.to_vec());
        assert_eq!(parse(""), Some(vec![]));
        assert_eq!(parse("1"), Some(vec![(1, None)]));
        assert_eq!(parse("0='x',1"), Some(vec![(0, Some("x")), (1, None)]));
        assert_eq!(parse("2='10.3',7=''"), Some(vec![(2, Some("10.3")), (7, Some(""))]));
        for wrong in ["x", "0=", "0=x", "0='x", "0='x'1", ",", "0,", "10", "0=''x'", " 0", "0='\u{e4}'"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(Arguments::parse(&[b'0', b'=', b'\'', 0xff, b'\'']), None);
    }
}
