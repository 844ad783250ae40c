//! The cases, by what they are about.
mod addresses;
mod bed_itself;
mod beside;
mod boot;
mod children;
mod daemon_life;
mod links;
mod measured;
mod media;
mod moves;
mod own_bug;
mod peers;
mod scripts;
mod several_groups;
mod start;
mod wire;
