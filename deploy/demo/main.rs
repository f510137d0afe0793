//! `hiveway-demo`: the server and the client of the example stack.

use std::process::ExitCode;

use hiveway::tools::demo::command::Command;

/// The exit code for a command line that is not understood, `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("hiveway-demo: {error}; hiveway-demo --help lists all");
            return ExitCode::from(USAGE);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(|error| format!("cannot start the event loop: {error}"))
        .and_then(|runtime| {
            let outcome = runtime.block_on(command.run());
            // A look-up of a name that nobody knows blocks its thread for seconds; the process need not wait for it.
            runtime.shutdown_background();
            outcome.map_err(|error| error.to_string())
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hiveway-demo: {error}");
            ExitCode::FAILURE
        }
    }
}
