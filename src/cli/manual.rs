// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe completions` and `lathe man`: what shells and `man` know of the command line.

use std::io::Write;
use std::path::PathBuf;

use clap_complete::env::Shells;

use crate::exit::{Exit, Failure};

/// The variable by which a shell asks for completions.
pub const COMPLETE: &str = "LATHE_COMPLETE";

/// Write a script that completes verbs, options, addresses, values and snapshots in a shell
///
/// Addresses, values and snapshots come from the running daemon (--server or LATHE_SERVER); where none
/// answers, addresses and values from the rack file that LATHE_RACK names.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe completions bash >> ~/.bashrc\n  lathe completions zsh > ~/.zfunc/_lathe\n  lathe completions fish > ~/.config/fish/completions/lathe.fish"
)]
pub struct CompletionsArgs {
    #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish", "elvish", "powershell"])]
    shell: String,
}

/// Write the manual pages: all of them into a folder, or lathe(1) to stdout
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe man | man -l -\n  lathe man ~/.local/share/man/man1\n  man lathe-render"
)]
pub struct ManArgs {
    /// Made if it is not there
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&args.shell) else {
        return Err(Failure::new(Exit::Usage, format!("no completions for {}", args.shell)));
    };
    let mut script = Vec::new();
    if args.shell == "bash" {
        // Else bash takes ADDRESS=VALUE for three words, and values could not be completed.
        script.extend_from_slice(b"COMP_WORDBREAKS=${COMP_WORDBREAKS//=/}\n");
    }
    shell
        .write_registration(COMPLETE, "lathe", "lathe", "lathe", &mut script)
        .and_then(|()| std::io::stdout().write_all(&script))
        .map_err(|e| Failure::new(Exit::Io, format!("cannot write the script: {e}")))
}

pub fn man(args: &ManArgs, command: clap::Command) -> Result<(), Failure> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        return clap_mangen::Man::new(command)
            .render(&mut page)
            .and_then(|()| std::io::stdout().write_all(&page))
            .map_err(|e| Failure::new(Exit::Io, format!("cannot write the page: {e}")));
    };
    let name = dir.display();
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(command, dir))
        .map_err(|e| Failure::new(Exit::Io, format!("cannot write the pages into {name}: {e}")))?;
    eprintln!("wrote the manual pages into {name}");
    Ok(())
}
