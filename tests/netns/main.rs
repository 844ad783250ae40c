//! Two real daemons of the release binary on two nodes made of namespaces: the cases of the first release, one test
//! each. Run by `.ci/run netns`; needs root.
#[cfg(test)]
mod bed;
#[cfg(test)]
mod cases;
#[cfg(test)]
#[expect(dead_code, reason = "the nodes' side of it runs in the guest program")]
mod twin;
