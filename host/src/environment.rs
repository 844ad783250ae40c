//! What Heartbeat told the programs it started, as far as there is such a thing here: no FIFO, no programs of its own.

use std::path::Path;

use crate::config::Config;
use crate::ha_cf::values;

/// What a resource's script gets.
#[must_use]
pub fn of_scripts(config: &Config, config_dir: &Path) -> Vec<String> {
    let dir = config_dir.display();
    let log = &config.log;
    let file = log.file.as_ref().map(|file| format!("HA_LOGFILE={}", file.display()));
    let facility = log.facility.and_then(values::facility_name);
    let mut env = vec![
        format!("HA_CURHOST={}", config.own_node()),
        format!("HA_DIR={dir}"),
        format!("HA_RCDIR={dir}/rc.d"),
        format!("HA_RESOURCEDIR={dir}/resource.d"),
        format!("HA_FUNCS={dir}/shellfuncs"),
        "HA_DATEFMT=%b %d %T ".to_owned(),
        "HA_DEBUGLOG=/dev/null".to_owned(),
    ];
    env.extend(file);
    env.extend(facility.map(|name| format!("HA_LOGFACILITY={name}")));
    env
}

/// What a program beside the resources gets, a client or a hook: the same, and the `env` lines of `ha.cf`.
#[must_use]
pub fn of_clients(config: &Config, config_dir: &Path) -> Vec<String> {
    let mut env = of_scripts(config, config_dir);
    let own = config.environment.iter();
    env.extend(own.map(|(name, value)| format!("HA_{name}={value}")));
    env
}
