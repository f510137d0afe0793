//! Whether tests run that need more of the machine than most: what a variable of the environment says.

use std::io::Write as _;

/// Looks whether the tests can run and are wanted; none where they are skipped, which is told. The variable is `off`,
/// `required` (what cannot run fails), or `auto`, the default. With CI=true what is not `off` is required.
pub(crate) async fn granted<T>(
    variable: &str,
    possible: impl Future<Output = Result<T, String>>,
) -> Option<T> {
    let wish = std::env::var(variable).unwrap_or_default();
    let ci = std::env::var("CI").is_ok_and(|it| it == "true");
    let required = match wish.as_str() {
        "off" => return skip(&format!("{variable}=off")),
        "required" => true,
        "" | "auto" => ci,
        other => panic!("{variable}={other:?} is none of required, auto and off"),
    };
    match possible.await {
        Ok(found) => Some(found),
        Err(why) if required => panic!("nothing is skipped here, but {why}"),
        Err(why) => skip(&why),
    }
}

/// Past the capture of test output: a skipped test looks like one that passed.
fn skip<T>(why: &str) -> Option<T> {
    let current = std::thread::current();
    let test = current.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "skipped: {test}, because {why}");
    None
}
