//! How many files and sockets this process may hold open.

/// Two sockets a proxied connection soon exceed the soft limit that engines set; the hard one is what was meant for us.
pub(super) fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current < maximum
        && let Err(error) = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: maximum,
                maximum,
            },
        )
    {
        tracing::warn!(target: "hiveway", %error, "cannot raise the limit of open files");
    }
}
