//! Variables that look like Hiveway's and are not: a slip of the pen in a stack file would else go unnoticed.

use clap::CommandFactory as _;

/// What all variables of Hiveway begin with.
const PREFIX: &str = "HIVEWAY_";

/// Read by the log itself, so that no flag has it.
const LOG: &str = "HIVEWAY_LOG";

/// What the stack files and the tests read, and no command: they stand in the shells of those who deploy and build.
const ELSEWHERE: [&str; 3] = [
    "HIVEWAY_IMAGE",
    "HIVEWAY_DEMO_IMAGE",
    "HIVEWAY_CONTROL_SECRET",
];
const TESTS: &str = "HIVEWAY_TEST_";

/// How alike two names must be for one to be suggested; 1 is equal.
const ALIKE: f64 = 0.7;

/// A sentence about each of these variables that begins as Hiveway's do, and that nothing reads.
pub(crate) fn unread(names: impl Iterator<Item = String>) -> Vec<String> {
    let read = read();
    let mut unread: Vec<String> = names
        .filter(|name| name.starts_with(PREFIX) && !name.starts_with(TESTS))
        .filter(|name| !ELSEWHERE.contains(&&**name) && !read.contains(name))
        .collect();
    unread.sort();
    unread.iter().map(|name| tell(name, &read)).collect()
}

/// The variables of all flags of all commands, and the log's.
fn read() -> Vec<String> {
    let typed = super::Typed::command();
    let flags = typed
        .get_subcommands()
        .flat_map(clap::Command::get_arguments);
    let variables = flags.filter_map(|flag| Some(flag.get_env()?.to_string_lossy().into_owned()));
    variables.chain([LOG.to_owned()]).collect()
}

fn tell(name: &str, read: &[String]) -> String {
    let own = |name: &str| name.trim_start_matches(PREFIX).to_owned();
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(&own(name), &own(known));
    let near = read
        .iter()
        .map(|known| (likeness(known), known))
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .filter(|(likeness, _)| *likeness >= ALIKE);
    let meant = near.map_or(String::new(), |(_, known)| {
        format!(" (did you mean {known}?)")
    });
    format!(
        "the environment has {name}, which nothing reads{meant}: write a variable of `hiveway run --help`, or remove it"
    )
}

#[cfg(test)]
mod tests {
    use super::unread;

    #[test]
    fn misspelled_variable_is_reported_with_a_suggestion() {
        let names = [
            "HIVEWAY_LISTEN_PULIC",
            "HIVEWAY_COLOUR",
            "HIVEWAY_LISTEN_PUBLIC",
            "HIVEWAY_ADMIN_URL",
            "HIVEWAY_LOG",
            "HIVEWAY_IMAGE",
            "HIVEWAY_TEST_SWARM",
            "PATH",
        ];
        assert_eq!(
            unread(names.into_iter().map(str::to_owned)),
            [
                "the environment has HIVEWAY_COLOUR, which nothing reads: write a variable of `hiveway run --help`, or remove it",
                "the environment has HIVEWAY_LISTEN_PULIC, which nothing reads (did you mean HIVEWAY_LISTEN_PUBLIC?): \
                 write a variable of `hiveway run --help`, or remove it",
            ]
        );
    }
}
