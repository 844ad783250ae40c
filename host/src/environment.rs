//! The environment of Heartbeat's clients and hooks, as far as there is such a thing here.

use std::path::Path;

use crate::config::Config;

/// What a program started beside the resources gets: Heartbeat's names, then the `env` lines of `ha.cf`.
#[must_use]
pub fn of_clients(config: &Config, config_dir: &Path) -> Vec<String> {
    let dir = config_dir.display();
    let mut env = vec![
        format!("HA_CURHOST={}", config.own_node()),
        format!("HA_DIR={dir}"),
        format!("HA_RCDIR={dir}/rc.d"),
        format!("HA_RESOURCEDIR={dir}/resource.d"),
        format!("HA_FUNCS={dir}/shellfuncs"),
    ];
    env.extend(
        config
            .log
            .file
            .as_ref()
            .map(|file| format!("HA_LOGFILE={}", file.display())),
    );
    env.extend(
        config
            .environment
            .iter()
            .map(|(name, value)| format!("HA_{name}={value}")),
    );
    env
}
