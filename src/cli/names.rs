//! The flags about names that resolve to Hiveway.

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
pub(super) struct NameArgs {
    /// Who keeps the names: with managed, the leading manager keeps the network aliases of Hiveway's own service equal to
    /// the .local hosts of all routes, so that each resolves; off leaves them as the stack file says
    #[arg(
        long,
        env = "HIVEWAY_ALIASES",
        value_name = "WHO",
        default_value = "managed"
    )]
    aliases: AliasesArg,
}

impl NameArgs {
    pub(super) fn manage_aliases(&self) -> bool {
        let Self { aliases } = self;
        matches!(aliases, AliasesArg::Managed)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AliasesArg {
    /// The leading manager keeps them
    Managed,
    /// They stay as deployed
    Off,
}
