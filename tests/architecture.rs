//! The house stays in order: which room of `src/` may see which (the map is in `src/lib.rs`), and what
//! only shells may touch. Clippy's bans in `.clippy.toml` guard single functions; this guards imports.

use std::fs;
use std::path::{Path, PathBuf};

/// A room, or a part of one with arrows of its own, and the rooms it may see. Who may see a room may see
/// its parts; a room always may.
const ARROWS: [(&str, &str); 23] = [
    ("base", ""),
    // Inside the protocol: messages know nothing of the model, the model nothing of messages, and the two
    // sides meet on the wire only.
    ("protocol", ""),
    ("protocol::coap", "base"),
    ("protocol::lwm2m", ""),
    ("protocol::content", "base protocol::coap protocol::lwm2m"),
    ("protocol::client", "base protocol::coap protocol::content protocol::lwm2m"),
    ("protocol::server", "base protocol::coap protocol::content protocol::lwm2m"),
    ("faults", "base"),
    ("metrics", "base"),
    ("secure", "base"),
    ("credentials", "base protocol::lwm2m secure"),
    ("meter", "base metrics protocol secure"),
    ("transport", "base"),
    // The pure half of the fleet, which the simulation shares.
    ("fleet::arrivals", "base"),
    ("fleet::endpoint", "base"),
    ("fleet::plan", "base fleet::arrivals fleet::endpoint"),
    // protocol::client and secure: the configurations of meters and of their sessions; also which path of theirs
    // a host name is looked up for.
    ("fleet", "base meter metrics protocol::client secure transport"),
    // The pure half of the servers, which the simulation shares: a machine behind its sessions.
    ("servers::secured", "base protocol secure"),
    ("servers", "base protocol secure transport"),
    (
        "sim",
        "base faults fleet::arrivals fleet::endpoint fleet::plan meter metrics protocol secure servers::secured",
    ),
    // All but base for their configurations, which a scenario is resolved into, and the words in them.
    ("scenario", "base credentials fleet meter protocol secure servers transport"),
    // It is handed everything it needs, so it knows neither scenarios nor servers.
    ("report", "base metrics"),
    // meter: the one in the foreground, and protocol for what it says; also URIs and the servers' counters.
    // transport: that meter's sockets, and what is looked at before a run.
    ("cli", "base credentials fleet meter metrics protocol report scenario secure servers transport"),
];

/// Paths with side effects or a runtime behind them.
const SHELL_ONLY: &str = "actix:: clap:: crossterm:: nix:: procfs:: rustix:: socket2:: std::env:: std::fs \
                          std::process std::thread tokio:: TcpListener TcpStream UdpSocket";

/// The rooms and files that may touch them.
const SHELLS: &str = "cli credentials::files fleet::shard fleet::shared fleet::supervisor main meter::actor report::out_dir \
                      servers transport";

#[test]
fn rooms_see_only_what_the_arrows_allow() {
    let faults: Vec<String> = sources().iter().flat_map(against_the_arrows).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_arrows_lead_round_in_no_circle() {
    assert!(in_circles(&ARROWS).is_empty(), "{:?}", in_circles(&ARROWS));
}

#[test]
fn pure_rooms_have_no_side_effects() {
    let faults: Vec<String> = sources().iter().flat_map(impurities).collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let at = |file: &str, text: &str| Source { file: file.into(), text: text.to_owned() };
    let found = |file: &str, text: &str| against_the_arrows(&at(file, text));

    assert_eq!(
        found("src/metrics/tally.rs", "\nuse crate::protocol::client::Stage;"),
        ["src/metrics/tally.rs:2: metrics -> protocol::client::Stage; metrics may see base"]
    );
    // Nested lists, paths inside code, and relative ones.
    let nested = "use crate::{base::Instant,\n  protocol::{coap::Code, server::{Ems, Server}}};";
    let faults = found("src/protocol/client/register.rs", nested);
    assert!(faults.len() == 2 && faults[0].starts_with("src/protocol/client/register.rs:2: "), "{faults:?}");
    assert_eq!(found("src/faults/link.rs", "fn f() { crate::metrics::Stage::ALL; }").len(), 1);
    assert_eq!(found("src/protocol/coap/block.rs", "use super::super::lwm2m::Path;").len(), 1);
    assert_eq!(found("src/protocol/coap/mod.rs", "use super::lwm2m::Path;").len(), 1);
    assert_eq!(found("src/fleet/plan.rs", "use super::shard::Health;").len(), 1);
    assert_eq!(found("src/sim/world.rs", "use crate::fleet::FleetConfig;").len(), 1);
    let inline = |path: &str| format!("mod tests {{\n    use {path};\n}}\n");
    assert_eq!(found("src/protocol/coap/block.rs", &inline("super::super::super::lwm2m::Path")).len(), 1);
    assert!(found("src/protocol/coap/block.rs", &inline("super::super::lwm2m::Path")).is_empty());
    // What is allowed, and what is no import.
    assert!(
        found("src/fleet/shard.rs", "use super::plan::Plan; use crate::{base::Wheel, transport::Timer};")
            .is_empty()
    );
    assert!(
        found("src/base/time.rs", "// as crate::cli says\n/// [`crate::meter::Meter`]\nfn f() {}").is_empty()
    );

    let arrows = [("a", "b"), ("b", "c d"), ("c", "a"), ("d", "")];
    assert_eq!(in_circles(&arrows), ["a", "b", "c"]);

    let clock =
        "let at = std::thread::sleep; // tokio::spawn\nuse tokio::sync::mpsc;\nlet s: std::net::UdpSocket;";
    assert_eq!(impurities(&at("src/meter/meter.rs", clock)).len(), 3);
    assert!(impurities(&at("src/meter/actor.rs", clock)).is_empty());
    assert!(impurities(&at("src/meter/meter.rs", "#[cfg(test)]\nmod tests { use std::fs; }")).is_empty());
}

struct Source {
    /// From the package's root, as in messages.
    file: PathBuf,
    text: String,
}

impl Source {
    /// Its path as a module: `src/fleet/plan.rs` is `fleet::plan`, `src/fleet/mod.rs` is `fleet`.
    fn module(&self) -> String {
        let path = self.file.with_extension("");
        let names =
            path.iter().map(|name| name.to_string_lossy()).filter(|name| name != "src" && name != "mod");
        names.collect::<Vec<_>>().join("::")
    }

    /// The lines without comments, numbered from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        // In `coap://` the slashes are no comment.
        let comment =
            |line: &str| line.match_indices("//").map(|(at, _)| at).find(|at| !line[..*at].ends_with(':'));
        (1..).zip(self.text.lines().map(move |line| comment(line).map_or(line, |at| &line[..at])))
    }
}

/// Every import and inline path that leads where no arrow does.
fn against_the_arrows(source: &Source) -> Vec<String> {
    let module = source.module();
    let Some((room, sees)) = room_of(&module) else { return Vec::new() };
    let code: String = source.lines().flat_map(|(_, line)| [line, "\n"]).collect();
    let mut faults = Vec::new();
    for (at, path) in paths(&code, &module) {
        let Some((seen, _)) = room_of(&path) else { continue };
        let allowed =
            is_within(seen, room) || sees.split_whitespace().any(|allowed| is_within(seen, allowed));
        if !allowed {
            let line = 1 + code[..at].matches('\n').count();
            faults.push(format!("{}:{line}: {room} -> {path}; {room} may see {sees}", source.file.display()));
        }
    }
    faults
}

/// Every path in `code` that starts at `crate` or `super`, from the root of the crate, with its position.
fn paths(code: &str, module: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, start) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        // Not the tail of `super::super::`, of `$crate::` or of a longer name.
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || "_:$".contains(before)) {
            continue;
        }
        let mut base: Vec<&str> = match start {
            "crate::" => Vec::new(),
            _ => module.split("::").chain(inline_modules(&code[..at])).collect(),
        };
        let mut rest = code[at..].trim_start_matches("crate::");
        while let Some(tail) = rest.strip_prefix("super::") {
            base.pop();
            rest = tail;
        }
        leaves(code, code.len() - rest.len(), &base.join("::"), &mut found);
    }
    found
}

/// The modules within the file that are open at the end of `code`, outermost first. Formatted code closes
/// a block at the indent of the line that opened it.
fn inline_modules(code: &str) -> Vec<&str> {
    let mut open: Vec<(&str, &str)> = Vec::new();
    for line in code.lines() {
        let (indent, text) = line.split_at(line.len() - line.trim_start().len());
        let name =
            text.trim_start_matches("pub ").strip_prefix("mod ").and_then(|mod_| mod_.strip_suffix(" {"));
        match name {
            Some(name) => open.push((indent, name)),
            None => open.retain(|(opened, _)| text != "}" || *opened != indent),
        }
    }
    open.into_iter().map(|(_, name)| name).collect()
}

/// Adds the leaves of one tree of paths, `a::{b, c::d}`, that starts at `at` in `code`.
fn leaves(code: &str, at: usize, base: &str, found: &mut Vec<(usize, String)>) {
    let at = code.len() - code[at..].trim_start().len();
    let rest = &code[at..];
    if rest.starts_with('{') {
        let mut depth = 0;
        for (offset, letter) in rest.char_indices() {
            let first = letter == '{' && depth == 0;
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if first || (letter == ',' && depth == 1) {
                leaves(code, at + offset + 1, base, found);
            }
        }
        return;
    }
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
    if end == 0 && !rest.starts_with('*') {
        return; // What follows the last comma of a list.
    }
    let path = if base.is_empty() { rest[..end].to_owned() } else { format!("{base}::{}", &rest[..end]) };
    if rest[end..].starts_with("::") {
        leaves(code, at + end + 2, &path, found);
    } else {
        found.push((at, path));
    }
}

/// The room a path lies in, the smallest there is, and what that may see.
fn room_of(path: &str) -> Option<(&'static str, &'static str)> {
    let rooms = ARROWS.iter().filter(|(room, _)| is_within(path, room));
    rooms.max_by_key(|(room, _)| room.len()).copied()
}

fn is_within(path: &str, room: &str) -> bool {
    path.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The rooms that lead back to themselves or to a circle; none if the arrows have an order.
fn in_circles<'a>(arrows: &[(&'a str, &str)]) -> Vec<&'a str> {
    let mut left: Vec<_> = arrows.to_vec();
    loop {
        let rooms: Vec<&str> = left.iter().map(|(room, _)| *room).collect();
        left.retain(|(_, sees)| {
            sees.split_whitespace().any(|seen| rooms.iter().any(|room| is_within(room, seen)))
        });
        if left.len() == rooms.len() {
            return left.iter().map(|(room, _)| *room).collect();
        }
    }
}

/// Every mention of what only shells may touch, outside shells and tests.
fn impurities(source: &Source) -> Vec<String> {
    let module = source.module();
    let is_test = source.file.iter().any(|part| part.to_string_lossy().contains("tests"));
    if is_test || SHELLS.split_whitespace().any(|shell| is_within(&module, shell)) {
        return Vec::new();
    }
    let shipped = source.lines().take_while(|(_, line)| !line.contains("#[cfg(test)]"));
    let mentions = shipped.flat_map(|(number, line)| {
        let named = SHELL_ONLY.split_whitespace().filter(|path| mentions(line, path));
        named.map(move |path| (number, path)).collect::<Vec<_>>()
    });
    mentions
        .map(|(number, path)| format!("{}:{number}: {path} in a pure room", source.file.display()))
        .collect()
}

fn mentions(line: &str, path: &str) -> bool {
    let longer = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    line.match_indices(path).any(|(at, _)| !longer(&line[..at]))
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut sources) = (vec![root.join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(root).expect("a path below the root").to_owned();
                sources.push(Source { file, text: fs::read_to_string(&path).expect("a source") });
            }
        }
    }
    assert!(sources.len() > 100, "the sources are where they are looked for");
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    sources
}
