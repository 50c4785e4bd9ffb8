//! Write-Attributes (LwM2M Core §6.3.4): a server says when it wants to be notified.

use super::target::{self, Asker};
use crate::protocol::coap::{Code, Message};
use crate::protocol::lwm2m::{AttributeChange, AttributeSet, Path, Rights, Tree};

/// Attaches the attributes in the query of `request` to `path`, for the asking server alone.
///
/// # Errors
/// 4.04 where there is nothing, 4.01 where the server may not read, 4.00 for what is no attribute of this
/// version, has a wrong value, does not belong there, or does not agree with the others.
pub(super) fn write(
    tree: &Tree,
    attributes: &mut AttributeSet,
    asker: Asker,
    path: Path,
    request: &Message,
) -> Result<Message, Code> {
    if !target::exists(tree, path, asker.version) {
        return Err(Code::NOT_FOUND);
    }
    // Core table 8.2.2-1: Write-Attributes goes with the right to read; on an object, with that of one instance.
    let permitted = match *path.ids() {
        [object] => tree.instances(object).any(|instance| asker.may(tree, Rights::READ, object, instance)),
        [object, instance, ..] => asker.may(tree, Rights::READ, object, instance),
        [] => return Err(Code::METHOD_NOT_ALLOWED),
    };
    if !permitted {
        return Err(Code::UNAUTHORIZED);
    }
    let change = AttributeChange::parse(request.queries(), asker.version).map_err(|_| Code::BAD_REQUEST)?;
    let changed = change.apply(&attributes.get(path).copied().unwrap_or_default());
    if changed.check().is_err() || !changed.allowed_at(path) {
        return Err(Code::BAD_REQUEST);
    }
    attributes.set(path, changed);
    Ok(Message::response(Code::CHANGED))
}
