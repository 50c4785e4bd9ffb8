//! Accounts: which servers a device knows (LwM2M Core §5.2.2), read out of its store and made for it.
//!
//! A Server Account is a /0 instance with resource 1 false and the /1 instance with the same Short
//! Server ID. The Bootstrap-Server Account is the one /0 instance with resource 1 true.

mod make;
mod security;

use std::time::Duration;

use smallvec::SmallVec;

pub use make::{Credentials, ServerAccount, bootstrap_account, server_account};

pub(super) use security::{keep_bootstrap_credentials, scheme, security_at, way};

use crate::protocol::lwm2m::{Path, Tree, Value};

const SECURITY: u16 = 0;
const SERVER: u16 = 1;

/// One Server Account: where the two halves of it are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    /// What joins the two, and names the server.
    pub short_server_id: u16,
    /// Instance of /0.
    pub security: u16,
    /// Instance of /1.
    pub server: u16,
}

/// The accounts of a store at a glance: what it takes to see which belong together.
struct Accounts {
    /// Instances of /0, whether they are the Bootstrap-Server's, and their Short Server ID.
    securities: SmallVec<[(u16, bool, Option<i64>); 4]>,
    /// Instances of /1 and their Short Server ID.
    servers: SmallVec<[(u16, Option<i64>); 4]>,
}

impl Accounts {
    fn of(tree: &Tree) -> Self {
        let security = |instance| {
            let own = is_bootstrap_server(tree, instance);
            (instance, own, if own { None } else { short_server_id(tree, instance) })
        };
        Accounts {
            securities: tree.instances(SECURITY).map(security).collect(),
            servers: tree.instances(SERVER).map(|instance| (instance, server_ssid(tree, instance))).collect(),
        }
    }

    fn security_of(&self, ssid: i64) -> Option<u16> {
        let mut securities = self.securities.iter();
        securities.find(|(_, _, theirs)| *theirs == Some(ssid)).map(|(instance, ..)| *instance)
    }

    fn all(&self) -> impl Iterator<Item = Account> {
        self.servers.iter().filter_map(|(server, ssid)| {
            let short_server_id = (*ssid)?;
            let security = self.security_of(short_server_id)?;
            let short_server_id = u16::try_from(short_server_id).ok()?;
            Some(Account { short_server_id, security, server: *server })
        })
    }

    /// At most one Bootstrap-Server Account, at least one Server Account, every Short Server ID a
    /// proper one that no other account has, and every half of an account with its other half.
    fn consistent(&self) -> bool {
        let proper = |ssid: i64| (1..=65_534).contains(&ssid);
        let once = |ssid: i64| {
            self.securities.iter().filter(|(_, _, theirs)| *theirs == Some(ssid)).count() == 1
                && self.servers.iter().filter(|(_, theirs)| *theirs == Some(ssid)).count() == 1
        };
        let paired = |ssid: Option<i64>| ssid.is_some_and(|ssid| proper(ssid) && once(ssid));
        self.securities.iter().filter(|(_, own, _)| *own).count() <= 1
            && self.securities.iter().filter(|(_, own, _)| !own).all(|(_, _, ssid)| paired(*ssid))
            && self.servers.iter().all(|(_, ssid)| paired(*ssid))
            && !self.servers.is_empty()
    }
}

/// The instance of /0 that holds the Bootstrap-Server Account.
pub(super) fn bootstrap_server(tree: &Tree) -> Option<u16> {
    tree.instances(SECURITY).find(|&instance| is_bootstrap_server(tree, instance))
}

pub(super) fn is_bootstrap_server(tree: &Tree, instance: u16) -> bool {
    matches!(tree.get(Path::resource(SECURITY, instance, 1)), Some(Value::Boolean(true)))
}

/// What no Bootstrap-Delete and no Pack touches (LwM2M Core §6.1.7.6): the Bootstrap-Server Account with
/// the instances of /21, /24 and /23 that it links to, and /3/0.
pub(super) fn exempt(tree: &Tree) -> SmallVec<[Path; 4]> {
    const DEVICE: Path = Path::instance(3, 0);
    let mut exempt = SmallVec::from_iter([DEVICE]);
    exempt.extend(bootstrap_instances(tree));
    exempt
}

/// What stays when everything is deleted: what no Bootstrap-Delete touches, and what the device was made
/// with of objects that do not tie it to servers. The letter of LwM2M Core §6.1.7.6 has these go as well; but
/// a modem is there and energy is measured whatever a server deletes.
pub(super) fn built_in(tree: &Tree) -> SmallVec<[Path; 4]> {
    // Security, Server, Access Control, OSCORE, COSE, MQTT.
    const OF_SERVERS: [u16; 6] = [0, 1, 2, 21, 23, 24];
    let mut kept = exempt(tree);
    kept.extend(tree.shared_instances().filter(|path| !OF_SERVERS.contains(&path.ids()[0])));
    kept
}

/// The /0 instance of the Bootstrap-Server Account and the instances that it links to: OSCORE (/0/x/17),
/// MQTT (/0/x/26) and COSE (/0/x/27, several).
pub(super) fn bootstrap_instances(tree: &Tree) -> SmallVec<[Path; 2]> {
    const LINKS: [u16; 3] = [17, 26, 27];
    let mut paths = SmallVec::new();
    let Some(instance) = bootstrap_server(tree) else { return paths };
    paths.push(Path::instance(SECURITY, instance));
    for (path, value) in tree.entries(Path::instance(SECURITY, instance)) {
        match *value {
            Value::ObjectLink(object, linked) if LINKS.contains(&path.ids()[2]) => {
                // 65535 is the null link, which leads nowhere.
                paths.extend(Path::ROOT.child(object).and_then(|object| object.child(linked)));
            }
            _ => {}
        }
    }
    paths
}

/// Whether the Bootstrap-Server Account, if there is one, has what it takes to be used: a URI, a Security
/// Mode, and the keys of that mode (LwM2M Core §E.1).
pub(super) fn bootstrap_account_complete(tree: &Tree) -> bool {
    let Some(instance) = bootstrap_server(tree) else { return true };
    let has = |id: u16| {
        let key = tree.get(Path::resource(SECURITY, instance, id));
        matches!(key, Some(Value::Opaque(bytes)) if !bytes.is_empty())
    };
    let keys: &[u16] = match integer(tree, Path::resource(SECURITY, instance, 2)) {
        Some(0) => &[3, 5],
        Some(1 | 2) => &[3, 4, 5],
        Some(3) => &[],
        Some(4) => &[4],
        _ => return false,
    };
    uri(tree, instance).is_some_and(|uri| !uri.is_empty()) && keys.iter().all(|&id| has(id))
}

/// /0/x/12 of the Bootstrap-Server Account, the seconds it outlives a bootstrap; none is "for ever".
pub(super) fn bootstrap_account_timeout(tree: &Tree) -> Option<Duration> {
    let timeout = seconds(tree, Path::resource(SECURITY, bootstrap_server(tree)?, 12))?;
    (!timeout.is_zero()).then_some(timeout)
}

/// The Short Server IDs of all /0 instances of LwM2M servers.
pub(super) fn server_ids(tree: &Tree) -> SmallVec<[u16; 4]> {
    let servers = tree.instances(SECURITY).filter(|&instance| !is_bootstrap_server(tree, instance));
    servers.filter_map(|instance| u16::try_from(short_server_id(tree, instance)?).ok()).collect()
}

/// Whether there is a Server Account.
pub(super) fn any_server(tree: &Tree) -> bool {
    Accounts::of(tree).all().next().is_some()
}

/// The Server Accounts, by instance of /1; of several with one Short Server ID the first.
pub(super) fn servers(tree: &Tree) -> SmallVec<[Account; 4]> {
    let mut servers: SmallVec<[Account; 4]> = SmallVec::new();
    for account in Accounts::of(tree).all() {
        if servers.iter().all(|known| known.short_server_id != account.short_server_id) {
            servers.push(account);
        }
    }
    servers
}

/// Whether the accounts fit together, as Finish demands (LwM2M Core §6.1.7.7): at least one Server Account,
/// every half of an account has its other half, and no Short Server ID is given twice.
pub(super) fn consistent(tree: &Tree) -> bool {
    Accounts::of(tree).consistent()
}

/// /0/x/10.
pub(super) fn short_server_id(tree: &Tree, security: u16) -> Option<i64> {
    integer(tree, Path::resource(SECURITY, security, 10))
}

/// /1/x/0.
pub(super) fn server_ssid(tree: &Tree, server: u16) -> Option<i64> {
    integer(tree, Path::resource(SERVER, server, 0))
}

/// The Server URI of an instance of /0, as written.
pub(super) fn uri(tree: &Tree, security: u16) -> Option<&str> {
    text(tree, Path::resource(SECURITY, security, 0))
}

/// The Client Hold Off Time of an instance of /0; zero where there is none.
pub(super) fn hold_off(tree: &Tree, security: u16) -> Duration {
    seconds(tree, Path::resource(SECURITY, security, 11)).unwrap_or_default()
}

/// /1/x/16-20: what to do after a registration has failed, with the defaults of the definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    /// /1/x/16: bootstrap when the tries are used up.
    pub bootstrap_on_failure: bool,
    /// /1/x/17: tries in one sequence.
    pub retry_count: u32,
    /// /1/x/18: wait after the first try of a sequence, doubling; a second at the least.
    pub retry_timer: Duration,
    /// /1/x/19: wait between sequences, a second at the least; none is "never again".
    pub sequence_delay: Option<Duration>,
    /// /1/x/20: how many sequences.
    pub sequence_count: u32,
}

impl Terms {
    pub(super) fn read(tree: &Tree, server: u16) -> Self {
        let resource = |id| Path::resource(SERVER, server, id);
        let number = |id: u16, default: u32| {
            integer(tree, resource(id)).map_or(default, |n| u32::try_from(n.max(0)).unwrap_or(u32::MAX))
        };
        // The definitions allow zero for both waits. A device without any would storm the server that set
        // them so, and spin for ever where its datagrams cannot even be sent.
        let sequence_delay = number(19, 86_400).max(1);
        Terms {
            bootstrap_on_failure: !matches!(tree.get(resource(16)), Some(Value::Boolean(false))),
            retry_count: number(17, 5).max(1),
            retry_timer: Duration::from_secs(number(18, 60).max(1).into()),
            // /1/x/19: the largest value means that there is no further sequence.
            sequence_delay: (sequence_delay != u32::MAX).then(|| Duration::from_secs(sequence_delay.into())),
            sequence_count: number(20, 1).max(1),
        }
    }
}

/// /1/x/13: the place in the order of registrations; the lowest comes first, and none means at once.
pub(super) fn priority(tree: &Tree, server: u16) -> Option<i64> {
    integer(tree, Path::resource(SERVER, server, 13))
}

/// /1/x/14: how long the first registration after a bootstrap is delayed.
pub(super) fn initial_delay(tree: &Tree, server: u16) -> Duration {
    seconds(tree, Path::resource(SERVER, server, 14)).unwrap_or_default()
}

/// /1/x/15: the servers behind this one wait while registering with it fails.
pub(super) fn blocks_on_failure(tree: &Tree, server: u16) -> bool {
    matches!(tree.get(Path::resource(SERVER, server, 15)), Some(Value::Boolean(true)))
}

/// /1/x/5: how long the device stays away once it was disabled; a day where it does not say.
pub(super) fn disable_timeout(tree: &Tree, server: u16) -> Duration {
    const DEFAULT_DISABLE_TIMEOUT: Duration = Duration::from_secs(86_400);
    seconds(tree, Path::resource(SERVER, server, 5)).unwrap_or(DEFAULT_DISABLE_TIMEOUT)
}

/// /1/x/27: the hash suite for profile IDs.
pub(super) fn hash_suite(tree: &Tree, server: u16) -> Option<i64> {
    integer(tree, Path::resource(SERVER, server, 27))
}

/// /1/x/1 in seconds; zero is "for ever" (1.2). Where it is missing: what servers assume (LwM2M Core
/// §6.2.1).
pub(super) fn lifetime(tree: &Tree, server: u16) -> u32 {
    const DEFAULT_LIFETIME: u32 = 86_400;
    let lifetime = integer(tree, Path::resource(SERVER, server, 1));
    lifetime.map_or(DEFAULT_LIFETIME, |seconds| u32::try_from(seconds.max(0)).unwrap_or(u32::MAX))
}

/// /1/x/7.
pub(super) fn binding(tree: &Tree, server: u16) -> Option<&str> {
    text(tree, Path::resource(SERVER, server, 7))
}

/// /1/x/11, TLS-DTLS Alert Code, of the account of the server with this Short Server ID, if it has one.
pub(super) fn alert_code(tree: &Tree, server: u16) -> Option<Path> {
    let instance = tree.instances(SERVER).find(|&one| server_ssid(tree, one) == Some(server.into()))?;
    Some(Path::resource(SERVER, instance, 11))
}

fn integer(tree: &Tree, path: Path) -> Option<i64> {
    match tree.get(path)? {
        Value::Integer(n) => Some(*n),
        Value::Unsigned(n) => Some(i64::try_from(*n).unwrap_or(i64::MAX)),
        _ => None,
    }
}

fn seconds(tree: &Tree, path: Path) -> Option<Duration> {
    integer(tree, path).and_then(|n| u64::try_from(n).ok()).map(Duration::from_secs)
}

fn text(tree: &Tree, path: Path) -> Option<&str> {
    match tree.get(path)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}
