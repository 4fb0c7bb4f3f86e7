//! Which machine the figures are of.

use super::Result;

/// Processor, cores, memory, kernel, and how busy it was before anything was measured.
pub fn describe() -> Result<String> {
    let read = |file: &str| std::fs::read_to_string(file);
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("?", |(_, value)| value.trim()).to_owned()
    };
    let (processor, memory) = (read("/proc/cpuinfo")?, read("/proc/meminfo")?);
    let cores = std::thread::available_parallelism()?;
    let kilobytes: f64 =
        field(&memory, "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let load = read("/proc/loadavg")?;
    Ok(format!(
        "{}, {cores} cores, {:.0} GB, Linux {}; load average before the first figure {}",
        field(&processor, "model name"),
        kilobytes * 1024.0 / 1e9,
        kernel.trim(),
        load.split(' ').next().unwrap_or("?"),
    ))
}
