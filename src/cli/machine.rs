//! What machine a run took place on, for its report.

use std::collections::BTreeMap;

use procfs::Current as _;

/// The machine by name: what a reader needs to judge the figures.
pub fn describe() -> BTreeMap<String, String> {
    let mut machine = BTreeMap::new();
    let mut say = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            machine.insert(name.to_owned(), value);
        }
    };
    let cpu = procfs::CpuInfo::current().ok();
    say("processor", cpu.as_ref().and_then(|cpu| cpu.model_name(0).map(str::to_owned)));
    say("cores", std::thread::available_parallelism().ok().map(|cores| cores.to_string()));
    let memory = procfs::Meminfo::current().ok();
    say("memory_bytes", memory.map(|memory| memory.mem_total.to_string()));
    let kernel = procfs::sys::kernel::Version::current().ok();
    say("kernel", kernel.map(|v| format!("Linux {}.{}.{}", v.major, v.minor, v.patch)));
    machine
}
